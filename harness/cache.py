"""The user's cache folder: nothing is written outside it and the checkout."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness.errors import LabError


def cache_home() -> Path:
    """The folder of everything that outlives a process: ``$XDG_CACHE_HOME/authgate`` or ``~/.cache/authgate``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "authgate"


def private_folder(path: Path) -> Path:
    """The folder, made if need be, for its owner alone; raises LabError where it can't be."""
    try:
        for each in (path.parent, path):
            each.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{path}: expected a writable folder (set XDG_CACHE_HOME), got: {error.strerror}") from None
    return path


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder that goes with this process."""
    return tempfile.TemporaryDirectory(prefix="", dir=private_folder(cache_home() / "scratch"))
