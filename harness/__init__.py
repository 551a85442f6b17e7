"""authgate: does this update slow logins, and where?

The modules follow one login's way from plan to verdict: ``config`` reads YAML into ``model``; ``load`` drives
``login``; ``record`` keeps what was measured; ``stats`` compares; ``gate`` decides; ``report`` tells.
"""

from harness.version import __version__

__all__ = ["__version__"]
