"""What can be known of arms and machine before a run: ``examine`` has the list of checks, a module a kind of server."""
