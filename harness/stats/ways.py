"""By which way on the wire logins went in each step, and how many more or fewer of them went it on the candidate.

Single logins before a run show what changed for everybody. Where three logins in a hundred fall back to another
mechanism, transport or encryption type, only the load's own logins show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Ints
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.shown import NOTHING, Distribution
from harness.model.target import ARMS
from harness.stats.intervals import mean_interval
from harness.stats.logins import Logins, logins_of, usable_pairs

LEAST_PAIRS = 3
LEAST_SHARE = 0.005
"""A difference below this is not told: 1 login in 200."""
ERRORS = 4.0
"""And it is told where it is larger than so many of its standard errors over pairs: equal arms reach that once in some
thousand runs, however many ways there are."""


@dataclass(frozen=True, slots=True)
class Way:
    """The share of a step's successful takers that went one way, by arm; difference and interval are over pairs.

    ``took_s`` is the median response time of the candidate's logins that went it, ``others_s`` that of the others; NaN
    where there are none.
    """

    step: str
    way: str
    baseline: float
    candidate: float
    low: float
    high: float
    took_s: float
    others_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """How often the logins of some pairs went each way in one step: arrays of (pairs, arms).

    ``took_s`` has the response times of the candidate's logins by way.
    """

    pairs: int
    hits: Mapping[str, Ints]
    took_s: Mapping[str, Distribution]


Ways = Mapping[str, Taken]
"""By step."""


def changed_ways(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> tuple[Way, ...]:
    """The ways that more or fewer logins of the candidate went, in the order of the steps."""
    return changed(ways_of(table, logins_of(table, design, usable_pairs(pairs, design, policy))))


def ways_of(table: AttemptTable, logins: Logins) -> Ways:
    """The ways of every step's successful takers among logins that count; pieces of a run add up to the whole."""
    return {
        step: _taken(table, step, logins)
        for step, columns in table.steps.items()
        if columns.way is not None and len(columns.ways) > 0
    }


def _taken(table: AttemptTable, step: str, logins: Logins) -> Taken:
    columns = table.steps[step]
    assert columns.way is not None
    _, pairs, arms = logins.shape
    cell = logins.cell[columns.row]
    counts = (cell >= 0) & (columns.status == STATUSES.index("ok"))
    row, way = columns.row[counts], columns.way[counts].astype(np.int64)
    place = cell[counts] % (pairs * arms)  # pair and arm, whatever the cohort
    ways = len(columns.ways)
    hits = np.bincount(way * pairs * arms + place, minlength=ways * pairs * arms).reshape(ways, pairs, arms)
    candidate = place % arms == ARMS.index("candidate")
    took_s = Distribution.of_each(table.response_s[row[candidate]], way[candidate], ways)
    seen = [(code, name) for code, name in enumerate(columns.ways) if hits[code].any()]
    return Taken(pairs, {name: hits[code] for code, name in seen}, {name: took_s[code] for code, name in seen})


def joined(pieces: Sequence[Ways]) -> Ways:
    """Pieces of a run, in order of time, as one; a piece in which nobody took a step has no pair that tells of it."""
    steps = dict.fromkeys(step for piece in pieces for step in piece)
    return {step: _joined([piece[step] for piece in pieces if step in piece]) for step in steps}


def _joined(parts: Sequence[Taken]) -> Taken:
    ways = dict.fromkeys(way for part in parts for way in part.hits)
    nobody = [np.zeros((part.pairs, len(ARMS)), dtype=np.int64) for part in parts]
    return Taken(
        sum(part.pairs for part in parts),
        {way: np.concatenate([p.hits.get(way, none) for p, none in zip(parts, nobody, strict=True)]) for way in ways},
        {way: Distribution.joined([part.took_s.get(way, NOTHING) for part in parts]) for way in ways},
    )


def changed(ways: Ways) -> tuple[Way, ...]:
    """The ways that more or fewer logins of the candidate went."""
    return tuple(way for step, taken in ways.items() for way in _changed(step, taken))


def _changed(step: str, taken: Taken) -> Iterator[Way]:
    if len(taken.hits) < 2:
        return
    counts: Ints = np.sum(list(taken.hits.values()), axis=0)
    both = counts.all(axis=1)
    if np.count_nonzero(both) < LEAST_PAIRS:
        return
    for way, hits in taken.hits.items():
        shares = hits[both] / counts[both]
        added = shares[:, 1] - shares[:, 0]
        center, low, high = mean_interval(added)
        se = float(added.std(ddof=1)) / math.sqrt(len(added))
        before, after = (float(arm) for arm in hits.sum(axis=0) / counts.sum(axis=0))
        if abs(center) < LEAST_SHARE or abs(center) <= ERRORS * se:
            continue
        others = Distribution.joined([taken.took_s[other] for other in taken.hits if other != way])
        yield Way(step, way, before, after, low, high, _median(taken.took_s[way]), _median(others))


def _median(times_s: Distribution) -> float:
    return times_s.quantile(0.5) if len(times_s) else math.nan
