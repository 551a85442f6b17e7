"""What unit tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def secret_file(tmp_path: Path) -> Callable[..., Path]:
    """A file with this content and mode."""

    def write(content: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "accounts"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write
