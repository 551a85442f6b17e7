"""What captured traffic teaches of logins, by way of Samba's ``traffic_summary.pl``."""
