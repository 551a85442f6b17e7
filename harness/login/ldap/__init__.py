"""The directory: connections, binds, reads, and the netlogon ping."""
