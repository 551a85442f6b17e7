"""Whose monotonic clock an instant is of, and when a load begins on it."""

from __future__ import annotations

from pathlib import Path

HEAD_START_NS = 1_000_000_000
"""Between the word and the first arrival: time enough for every worker to hear it."""


def boot_id() -> str:
    """Which machine, since when: two processes with the same one read the same monotonic clock."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
