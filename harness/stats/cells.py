"""Values sorted into cells of (cohort, pair, arm), and their quantiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.model.attempt import Floats, Ints

Flags = npt.NDArray[np.bool_]
Shape = tuple[int, int, int]
"""Cohorts, pairs, arms."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Values sorted within each cell of (cohort, pair, arm), end to end; cell i begins at ``starts[i]``."""

    values: Floats
    starts: Ints
    counts: Ints
    """Of the shape (cohorts, pairs, arms)."""

    @classmethod
    def of(cls, values: Floats, cell: Ints, shape: Shape) -> Cells:
        """Sort values into cells numbered in C order of ``shape``; one stable sort by cell, then one sort a block."""
        counts = np.bincount(cell, minlength=math.prod(shape))
        ends = np.cumsum(counts)
        # Cell numbers of few bits are sorted by radix, some ten times as fast as the floats beside them would be.
        order = np.argsort(cell.astype(np.min_scalar_type(math.prod(shape))), kind="stable")
        ordered = values[order]
        for begin, end in pairwise((0, *ends.tolist())):
            ordered[begin:end].sort()
        return cls(ordered, ends - counts, counts.reshape(shape))

    def quantile(self, q: float) -> Floats:
        """The q-quantile of each cell, in the shape of ``counts``; NaN where a cell is empty.

        Type 8 of Hyndman & Fan, *Sample quantiles in statistical packages*, Am. Stat. 50 (1996): nearly unbiased for
        the median whatever the distribution, so that small blocks read no lower at p99 than large ones.
        """
        n = self.counts.ravel()
        found = np.full(len(n), np.nan)
        held = n > 0
        at = np.clip((n[held] + 1 / 3) * q - 2 / 3, 0, n[held] - 1)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, n[held] - 1)
        low, high = (self.values[self.starts[held] + i] for i in (below, above))
        found[held] = low + (at - below) * (high - low)
        return found.reshape(self.counts.shape)


def merged(cell: Ints, shape: Shape, size: int) -> tuple[Ints, Shape]:
    """Cells in which ``size`` pairs in a row are one; −1 for the pairs left over at the end, which fill no group."""
    if size == 1:
        return cell, shape
    cohorts, pairs, arms = shape
    groups = pairs // size
    rest, arm = np.divmod(cell, arms)
    cohort, pair = np.divmod(rest, max(pairs, 1))
    group = pair // size
    return np.where(group < groups, (cohort * groups + group) * arms + arm, -1), (cohorts, groups, arms)
