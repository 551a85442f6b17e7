"""What other tools have measured or recorded, a module a tool."""
