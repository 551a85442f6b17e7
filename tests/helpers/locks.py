"""The lock files, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Entry:
    """One distribution of a lock."""

    name: str
    version: str
    hashes: frozenset[str]


Lock = Mapping[str, Entry]


@cache
def lock(file: str) -> Lock:
    """The entries of a lock at the top of the checkout, by normalized name."""
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    entries = {}
    for pin, *hashes in filter(None, lines):
        name, _, version = pin.partition("==")
        name = canonicalize_name(name.partition("[")[0])
        entries[name] = Entry(name, version, frozenset(hashes))
    return entries
