"""The command line: a module a command, each parses, calls, prints and exits."""
