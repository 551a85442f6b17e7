"""The catalogue's faults, applied to a lab: server settings, or a relay on the wire."""
