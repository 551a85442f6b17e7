"""What reports show of a run's logins: counts and distributions, so that no report needs the logins themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from harness.model.attempt import Floats, Ints
from harness.model.target import Arm

_DROPPED_BITS = 52 - 10
"""Of a double's mantissa: values that agree in its first 10 bits, to within 0.1 %, are kept as one."""


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """Values, ascending, and how many of each there are; those within 0.1 % of each other are kept as their mean."""

    values: Floats
    counts: Ints

    @classmethod
    def of(cls, values: Floats) -> Self:
        """The distribution of values that are not negative."""
        return cls._of(np.ascontiguousarray(values, dtype=np.float64), None)

    @classmethod
    def joined(cls, parts: Sequence[Distribution]) -> Self:
        """Several as one."""
        counts = np.concatenate([part.counts for part in parts])
        return cls._of(np.concatenate([part.values for part in parts]), counts)

    @classmethod
    def of_each(cls, values: Floats, kind: Ints, kinds: int) -> list[Self]:
        """The distributions of values of so many kinds, which are numbered from 0."""
        place, places = _placed(np.ascontiguousarray(values, dtype=np.float64), PLACES_AT_MOST // max(kinds, 1))
        at = kind * places
        at += place
        many: Ints = np.bincount(at, minlength=kinds * places).reshape(kinds, places)
        sums: Floats = np.bincount(at, values, minlength=kinds * places).astype(np.float64).reshape(kinds, places)
        return [cls._held(many[one], sums[one]) for one in range(kinds)]

    @classmethod
    def _of(cls, values: Floats, counts: Ints | None) -> Self:
        place, places = _placed(values, PLACES_AT_MOST)
        many = np.bincount(place, counts, minlength=places).astype(np.int64)
        sums = np.bincount(place, values if counts is None else values * counts, minlength=places).astype(np.float64)
        return cls._held(many, sums)

    @classmethod
    def _held(cls, many: npt.NDArray[Any], sums: Floats) -> Self:
        (held,) = np.nonzero(many)
        return cls(sums[held] / many[held], many[held])

    def __len__(self) -> int:
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """The q-quantile, between neighbouring values where it falls there (Hyndman & Fan's type 7)."""
        upto = np.cumsum(self.counts)
        at = (int(upto[-1]) - 1) * q
        below, above = (
            float(self.values[np.searchsorted(upto, place, "right")]) for place in (int(at), -int(-at // 1))
        )
        return below if below == above else below + (at - int(at)) * (above - below)

    def least(self, q: float) -> float:
        """The least value that a share ``q`` of all do not exceed, which is one of the values (type 1)."""
        upto = np.cumsum(self.counts)
        return float(self.values[np.searchsorted(upto, max(math.ceil(q * int(upto[-1]) - 1e-9), 1), "left")])

    @property
    def finite(self) -> Distribution:
        """Those that are not infinite."""
        which = np.isfinite(self.values)
        return self if which.all() else Distribution(self.values[which], self.counts[which])

    def joined_with(self, value: float, count: int) -> Distribution:
        """The same and ``count`` times a value."""
        return self if not count else Distribution.joined([self, NOTHING.with_more(value, count)])

    def with_more(self, value: float, count: int) -> Distribution:
        """The same and ``count`` times a value that is not below any."""
        if not count:
            return self
        return Distribution(np.append(self.values, value), np.append(self.counts, count))

    def at(self, ranks: Ints) -> Floats:
        """The values of these ranks, from 0 on."""
        return self.values[np.searchsorted(np.cumsum(self.counts), ranks, "right")]


PLACES_AT_MOST = 1 << 17


def _placed(values: Floats, at_most: int) -> tuple[Ints, int]:
    """Where each value stands among all that are kept apart, and how many places there are."""
    if not len(values):
        return np.zeros(0, dtype=np.int64), 0
    # Doubles that are not negative are in the order of their bits.
    place = values.view(np.int64) >> _DROPPED_BITS
    least, last = int(place.min()), int(place.max())
    if last - least < PLACES_AT_MOST:
        place -= least
        if last - least < at_most:
            return place, last - least + 1
        there = np.zeros(last - least + 1, dtype=np.bool_)
        there[place] = True
        return (np.cumsum(there) - 1)[place], int(np.count_nonzero(there))
    held, place = np.unique(place, return_inverse=True)  # zeros lie far from everything else
    return place, len(held)


NOTHING = Distribution(np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class BlockSeries:
    """One arm's blocks in order of time, those of a pair as one: when each began (minutes), p50 and p95 of its response
    times (s)."""

    start_min: Floats
    p50: Floats
    p95: Floats


@dataclass(frozen=True, slots=True)
class Kept:
    """Logins of one arm and cohort: response times (s), the same with the generator's own time, and by block.

    ``done_s`` are the response times again, infinite for those that failed: nobody was ever logged in.
    ``with_own_s`` is empty where nothing is known of the generator. ``step_s`` has for each step the time that all of
    them together spent in it (s), each the time-out at most, and how many took it.
    """

    response_s: Distribution
    done_s: Distribution
    with_own_s: Distribution
    blocks: BlockSeries
    step_s: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """What reports show of a run's logins, by arm, and by cohort where it says so.

    A login that did not succeed counts as one that took the time-out, as it does in the verdict. Left out is what the
    verdict leaves out: logins within a block's trim, those withheld, and the policy's discarded first pairs, which only
    what is shown block by block has too. ``logins`` counts all there are; ``failures`` has when each block began
    (minutes) and the share of its logins that did not succeed; ``tried`` counts logins and those that did not succeed.
    ``failed_steps`` counts the steps that did not succeed, of every login.
    """

    logins: int
    cohorts: tuple[str, ...]
    kept: Mapping[tuple[Arm, str], Kept]
    tried: Mapping[Arm, tuple[int, int]]
    failures: Mapping[Arm, tuple[Floats, Floats]]
    failed_steps: Mapping[tuple[Arm, str], int]
    discarded_until_min: float
