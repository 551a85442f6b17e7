"""Where a series of measurements changes its level: E-divisive with sequential permutation tests.

The divergence of two parts of a series is the energy distance of their values, weighted by their sizes; the split with
the largest one is a change where no more than a share ``alpha`` of random orders of the same values have a larger one.
Then each part is searched by itself (Matteson & James, *A nonparametric approach for multiple change point analysis of
multivariate data*, JASA 109, 2014; for benchmarks: Daly et al., *The use of change point detection to identify software
performance regressions in a continuous integration system*, ICPE 2020).

Orders are drawn until enough of them beat the one that was seen, so that a series without a change costs few (Besag &
Clifford, *Sequential Monte Carlo p-values*, Biometrika 78, 1991). How often it errs is measured in
``tests/benchmarks/history.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Floats

LEAST_PART = 3
"""Values on either side of a change: fewer show no level."""
EXCEEDED = 10
"""Orders that beat the one seen, after which a series is given up: its p-value is then about that of so many."""
ORDERS_PER_ALPHA = 20
"""Orders are drawn until alpha could be told with so many of them beyond it."""
LONGEST = 400
"""Of a longer series the last values: the cost grows with the square."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The value at ``index`` is the first of a new level; ``before`` and ``after`` are the means of the parts that meet
    there, in the unit of the values, up to the next change on either side."""

    index: int
    p_value: float
    before: float
    after: float


def change_points(values: Sequence[float], alpha: float, seed: int = 2016) -> tuple[ChangePoint, ...]:
    """The changes of level in a series of finite values, in order; the same values always give the same ones.

    ``alpha`` is the probability that a series of exchangeable values shows any.
    """
    series = np.asarray(values, dtype=np.float64)[-LONGEST:]
    skipped = len(values) - len(series)
    rng = np.random.default_rng(seed)
    found = dict(_search(series, 0, len(series), alpha, rng))
    ends = [0, *sorted(found), len(series)]
    return tuple(
        ChangePoint(skipped + at, found[at], float(series[start:at].mean()), float(series[at:end].mean()))
        for start, at, end in zip(ends, ends[1:], ends[2:], strict=False)
    )


def _search(
    series: Floats, start: int, end: int, alpha: float, rng: np.random.Generator
) -> Iterator[tuple[int, float]]:
    """The changes between two indices, each with its p-value."""
    if end - start < 2 * LEAST_PART:
        return
    part = series[start:end]
    distances = np.abs(part[:, None] - part[None, :])
    best, at = _largest(distances)
    if best <= 0:
        return
    p_value = _p_value(distances, best, alpha, rng)
    if p_value > alpha:
        return
    split = start + at
    yield split, p_value
    yield from _search(series, start, split, alpha, rng)
    yield from _search(series, split, end, alpha, rng)


def _largest(distances: Floats) -> tuple[float, int]:
    """The largest weighted energy distance of any split of a series, and the first index of its second part."""
    count = len(distances)
    upper = np.triu(distances)
    within_left = np.cumsum(upper.sum(axis=0))  # of the first t values, at t - 1
    within_right = np.cumsum(upper.sum(axis=1)[::-1])[::-1]  # of the values from t on, at t
    at = np.arange(LEAST_PART, count - LEAST_PART + 1)
    left, right = within_left[at - 1], within_right[at]
    between = upper.sum() - left - right
    first, second = at.astype(np.float64), (count - at).astype(np.float64)
    energy = 2 * between / (first * second) - 2 * left / (first * (first - 1)) - 2 * right / (second * (second - 1))
    weighted = energy * first * second / count
    place = int(np.argmax(weighted))
    return float(weighted[place]), int(at[place])


def _p_value(distances: Floats, seen: float, alpha: float, rng: np.random.Generator) -> float:
    """The share of random orders of a series whose largest divergence is at least the one that was seen."""
    orders = int(np.ceil(ORDERS_PER_ALPHA / alpha))
    beaten = 0
    for drawn in range(1, orders + 1):
        order = rng.permutation(len(distances))
        beaten += _largest(distances[np.ix_(order, order)])[0] >= seen
        if beaten == EXCEEDED and beaten / drawn > alpha:
            return beaten / drawn
    return (beaten + 1) / (orders + 1)
