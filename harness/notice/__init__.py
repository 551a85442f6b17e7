"""A notice to the people who watch the servers' logs: what a test will look like there, and what may take it amiss."""
