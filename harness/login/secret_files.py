"""Files of secrets: none but their owner may read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.errors import CredentialError


def private_file(path: Path) -> Path:
    """The path, of a file that its owner alone may read; raises CredentialError."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CredentialError(f"{path}: expected a readable file, got: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise CredentialError(f"{path}: expected a file that only its owner may read; run: chmod 600 {path}")
    if not os.access(path, os.R_OK):
        raise CredentialError(f"{path}: expected a readable file, got: permission denied")
    return path
