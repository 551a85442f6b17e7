"""Files that are whole or not there: each is written beside its place, and takes it when it is done.

That holds against the end of this process and against a full disk, not against a loss of power: nothing is synced.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, private: bool = False) -> Path:
    """Write a file (text as UTF-8), for its owner alone where it is ``private``; its path. Raises OSError."""
    with whole(path, private=private) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def whole(path: Path, *, private: bool = False) -> Iterator[Path]:
    """An empty file beside ``path`` to write to, which takes its place at the end; it is removed where that fails."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666))
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
