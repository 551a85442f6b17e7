"""The lab of kind ``ad``: Samba AD domain controllers, each with a web front and a database behind it."""
