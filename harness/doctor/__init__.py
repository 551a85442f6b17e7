"""What can be known about arms and machine before a run: ``examine`` lists the checks, one module has those of a kind
of server."""
