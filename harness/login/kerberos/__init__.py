"""Kerberos by MIT libkrb5: tickets, keys, cards, and which KDC is asked."""
