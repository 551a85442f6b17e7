"""Swedish."""

PHRASES: dict[str, str] = {}
SENTENCES: dict[str, str] = {}
