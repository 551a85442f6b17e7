"""The version, in one place: ``pyproject.toml`` reads it here, and so does whoever imports ``harness``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__version__ = "0.2.0"

_WHAT_GIT_NEEDS = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
"""Nothing of what else is in the environment, where accounts may be."""


def version_text() -> str:
    """The version, with the commit where this is a checkout whose git can say it."""
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / ".git").exists():
        return __version__
    try:
        said = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--match="],
            capture_output=True, text=True, timeout=5, check=True, env=_WHAT_GIT_NEEDS,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__} ({said})"
