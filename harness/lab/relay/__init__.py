"""A relay between clients and a server, in a process of its own: ``python -m harness.lab.relay``."""
