"""This machine: processes that end with their parent, and the user's cache folder."""
