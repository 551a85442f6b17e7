"""Which step a slowdown comes from: on average over all logins, and around each quantile of the login."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.comparison import Anatomy, Design, Part, StepShare
from harness.model.metric import QUANTILES
from harness.model.policy import Policy
from harness.stats.cells import Flags
from harness.stats.intervals import mean_interval, ratio_interval
from harness.stats.logins import Logins, logins_of, step_times, usable_pairs
from harness.stats.samples import Measured
from harness.stats.settled import least_in_block, sizes_of

ELSEWHERE = "elsewhere"
"""Response time outside every step: the wait for a seat, and the generator's own."""
LEAST_PAIRS = 3


def attribution(measured: Measured) -> tuple[StepShare, ...]:
    """Each step's part of a login's mean time, by arm, for each cohort by itself.

    The mean is over all of its logins, and a step that a login did not reach took no time in it: so the parts add up
    to the mean login, and what a failed step costs is charged to that step alone.
    """
    count = measured.logins.sum(axis=1)
    shares = []
    for step, spent_s in measured.spent_s.items():
        total = spent_s.sum(axis=1)
        for code, cohort in enumerate(measured.cohorts):
            if total[code].any() and count[code].all():
                baseline_s, candidate_s = (float(t) for t in total[code] / count[code])
                shares.append(StepShare(cohort, step, candidate_s - baseline_s, baseline_s, candidate_s))
    return tuple(shares)


def anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> tuple[Anatomy, ...]:
    """The slowdown of each cohort at each quantile, divided among the steps that it takes.

    The login's quantile is the response time of the logins around it: those whose rank in their block lies within half
    the distance to the nearer end, a tenth at most (p50: ranks 40 to 60 %, p95: 92.5 to 97.5 %). Their mean times in
    each step, and outside any, add up to their mean response time, so the differences of the arms do too. Intervals are
    Student's t over pairs, those of the shares by the jackknife of the ratio (Miller, Biometrika 61, 1974); they
    describe this run at its end and are no repeated bounds. Needs 3 pairs, or groups of pairs, that hold the quantile.
    """
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    if not logins.pairs:
        return ()
    sizes = sizes_of(logins.counts, table.cohorts)
    found = []
    for code, cohort in enumerate(table.cohorts):
        steps = tuple(step for step, columns in table.steps.items() if (table.cohort[columns.row] == code).any())
        for size in dict.fromkeys(sizes[cohort].values()) if logins.counts[code].any() else ():
            mine = logins.grouped(size)
            rank = _ranks(mine)
            times = [mine.response_s, *(_of_login(table, mine, step, design.timeout_s) for step in steps)]
            for quantile in (quantile for quantile in QUANTILES if sizes[cohort][quantile] == size):
                added = _added(mine, times, rank, code, QUANTILES[quantile])
                if len(added) >= LEAST_PAIRS:
                    center, low, high = mean_interval(added[:, 0])
                    parts = tuple(_parts(steps, added))
                    found.append(Anatomy(cohort, quantile, center, low, high, parts))
    return tuple(found)


def _added(logins: Logins, times: Sequence[Floats], rank: Floats, code: int, q: float) -> Floats:
    """By how much the candidate's logins around the quantile took longer, of the shape (pairs, 1 + steps)."""
    if not logins.pairs or np.median(logins.counts[code], axis=0).min() < least_in_block(q):
        return np.empty((0, len(times)))
    chosen = np.abs(rank - q) <= min(0.1, (1 - q) / 2)
    held = np.bincount(logins.used[chosen], minlength=math.prod(logins.shape)).reshape(logins.shape)
    both = (held[code] > 0).all(axis=1)
    means = np.stack([_means(logins, chosen, values, held)[code, both] for values in times], axis=-1)
    return np.asarray(means[:, 1] - means[:, 0])


def _ranks(logins: Logins) -> Floats:
    """The rank of each login within its cell, from 0 to 1."""
    order = np.lexsort((logins.response_s, logins.used))
    counts = np.bincount(logins.used, minlength=math.prod(logins.shape))
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(order))
    cell = logins.used[order]
    rank[order] = (np.arange(len(order)) - starts[cell] + 0.5) / counts[cell]
    return rank


def _of_login(table: AttemptTable, logins: Logins, step: str, timeout_s: float) -> Floats:
    """The time that each login that counts spent in the step; 0 where it did not reach it."""
    columns = table.steps[step]
    whole = np.zeros(len(table))
    times_s, _ = step_times(table, logins, step, timeout_s)
    np.add.at(whole, columns.row[logins.cell[columns.row] >= 0], times_s)
    return whole[logins.rows]


def _means(logins: Logins, chosen: Flags, values: Floats, held: Ints) -> Floats:
    """The mean value of the chosen logins of each cell."""
    size = math.prod(logins.shape)
    total = np.bincount(logins.used[chosen], weights=values[chosen], minlength=size).reshape(logins.shape)
    return np.divide(total, held, out=np.zeros(logins.shape), where=held > 0)


def _parts(steps: tuple[str, ...], added: Floats) -> Iterator[Part]:
    """``added``: of the shape (pairs, 1 + steps), the whole first."""
    whole = added[:, 0]
    _, low, high = mean_interval(whole)
    shown = low > 0 or high < 0
    elsewhere = whole - added[:, 1:].sum(axis=1)
    for name, values in (*zip(steps, added[:, 1:].T, strict=True), (ELSEWHERE, elsewhere)):
        share = ratio_interval(values, whole) if shown else (None, None, None)
        yield Part(name, *mean_interval(values), *share)
