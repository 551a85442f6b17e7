"""Samples of another tool, one a row, in columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.model.attempt import Flags, Floats, Ints
from harness.system.text import clipped

SHOWN_LABELS = 10


@dataclass(frozen=True, slots=True)
class Samples:
    """What one file holds, a sample a row, in columns of one length.

    ``start_ns`` is in ns since 1970 and exact to ``resolution_s``; ``elapsed_s`` in seconds; ``label`` indexes
    ``labels``. ``line_of`` gives a row's line. ``thread`` numbers the tool's thread or virtual user, None where the
    file doesn't say.

    ``group`` marks samples that only sum others up, a transaction of JMeter or a group of k6, and ``held`` is how many
    they say they hold (−1 where they don't). Which others: ``within`` is the row of the sample around one (−1 for
    none) where the file nests them, ``scope`` indexes ``scopes``, the groups that a sample is in (``::a::b``), where
    the file names them; else those of the thread that lie between its start and its end. Before its end ``idle_s``
    passed that is not in ``elapsed_s``, None where the file doesn't say.
    """

    path: Path
    format: str
    start_ns: Ints
    elapsed_s: Floats
    ok: Flags
    label: Ints
    labels: tuple[str, ...]
    group: Flags
    resolution_s: float
    line_of: Callable[[int], int]
    thread: Ints | None = None
    within: Ints | None = None
    held: Ints | None = None
    idle_s: Floats | None = None
    scope: Ints | None = None
    scopes: tuple[str, ...] = ()

    def named(self, name: str) -> Flags:
        """Which samples have this label, whatever its case."""
        codes = [code for code, label in enumerate(self.labels) if label.lower() == name.lower()]
        return np.isin(self.label, codes)

    @property
    def nested(self) -> Flags:
        """Which samples the file holds within others."""
        return np.zeros(len(self.ok), dtype=bool) if self.within is None else self.within >= 0

    def counted(self) -> str:
        """The labels of samples that are within no other, the most frequent first, for a message."""
        top = ~self.nested
        counts: dict[str, int] = {}
        for kind, which in ((" (transaction)", self.group), ("", ~self.group)):
            found = np.bincount(self.label[top & which], minlength=len(self.labels))
            counts |= {clipped(self.labels[code]) + kind: int(found[code]) for code in np.flatnonzero(found)}
        return counted(counts)


def counted(counts: dict[str, int]) -> str:
    """Labels with their counts, the greatest first and not too many."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{label} {count:,}" for label, count in ordered[:SHOWN_LABELS]]
    more = [f"{len(ordered) - SHOWN_LABELS} more"] if len(ordered) > SHOWN_LABELS else []
    return ", ".join(told + more)


def coded(column: Any) -> tuple[Ints, tuple[str, ...]]:
    """A text column as numbers from 0, and the texts they stand for in order of appearance."""
    found = pc.dictionary_encode(column)
    return found.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(found.dictionary.to_pylist())
