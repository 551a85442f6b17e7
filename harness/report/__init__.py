"""What a run has shown, for people and for machines: page, figures, JSON, JUnit, Markdown and terminal."""

import os

from harness.system.cache import cache_home

# Matplotlib would keep its list of fonts in ~/.config.
os.environ.setdefault("MPLCONFIGDIR", str(cache_home() / "matplotlib"))
