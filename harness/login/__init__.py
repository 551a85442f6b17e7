"""The measured login, a module for each kind of step; ``path`` composes them. Nothing here knows of Locust."""
