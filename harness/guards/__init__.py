"""What stands before load: consent, allow-list, rate, and what keeps accounts from being locked."""
