"""authgate: does this update slow logins, and where?

The modules follow one login's way from plan to verdict: ``config`` reads YAML into ``model``; ``load`` drives
``login``; ``record`` keeps what was measured; ``stats`` compares; ``gate`` decides; ``report`` tells.
"""

__version__ = "0.1.0"
