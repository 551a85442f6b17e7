"""Values sorted into cells of (cohort, pair, arm), and their quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Floats, Ints

Shape = tuple[int, int, int]
"""Cohorts, pairs, arms."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """The order that brings values together by cell of (cohort, pair, arm), and where each cell ends in it."""

    order: Ints
    ends: Ints
    counts: Ints
    """Of the shape (cohorts, pairs, arms)."""

    @classmethod
    def of(cls, cell: Ints, shape: Shape) -> Grouping:
        """Of cells numbered in C order of ``shape``."""
        counts = np.bincount(cell, minlength=math.prod(shape))
        # Cell numbers of few bits are sorted by radix, some ten times as fast as the floats beside them would be.
        order = np.argsort(cell.astype(np.min_scalar_type(math.prod(shape))), kind="stable")
        return cls(order, np.cumsum(counts), counts.reshape(shape))

    @property
    def starts(self) -> Ints:
        """Where each cell begins in the order."""
        return self.ends - self.counts.ravel()

    def quantiles(self, values: Floats, quantiles: Sequence[float]) -> list[Floats]:
        """Each of the quantiles of each cell's values, in the shape of ``counts``; NaN where a cell is empty.

        Type 8 of Hyndman & Fan, *Sample quantiles in statistical packages*, Am. Stat. 50 (1996): nearly unbiased for
        the median whatever the distribution, so that small blocks read no lower at p99 than large ones.
        """
        n = self.counts.ravel()
        found = np.full((len(quantiles), len(n)), np.nan)
        (held,) = np.nonzero(n)
        at = np.clip((n[held] + 1 / 3) * np.array(quantiles)[:, None] - 2 / 3, 0, n[held] - 1)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, n[held] - 1)
        ordered, starts = values[self.order], self.starts[held]
        # Doubles that are not negative are in the order of their bits, and whole numbers are selected faster.
        bits = ordered.view(np.int64)
        keys = bits if bits.min(initial=0) >= 0 else ordered
        ranks = np.concatenate([below, above]).T.tolist()
        for begin, end, of_cell in zip(starts.tolist(), self.ends[held].tolist(), ranks, strict=True):
            keys[begin:end].partition(of_cell)  # a sort would take three times as long
        low, high = ordered[starts + below], ordered[starts + above]
        found[:, held] = low + (at - below) * (high - low)
        return list(found.reshape(len(quantiles), *self.counts.shape))


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
