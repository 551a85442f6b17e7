"""What the first pairs of a run determine for all of it, so that it is the same at every look and in every piece."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from harness.model.attempt import Floats, Ints
from harness.model.cohort import EVERYONE
from harness.model.metric import QUANTILES, Statistic
from harness.model.policy import Policy
from harness.stats.cells import Grouping
from harness.stats.logins import Logins

LOGINS_BEYOND = 3
"""A block has about so many logins beyond a quantile that is judged: with fewer, single logins would decide it."""
GROUP_SIZES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
"""The sizes that a group of pairs may have: they divide 60, so pieces of 60 pairs can be measured one by one."""
SETTLING_PAIRS = 3
"""How many pairs determine it."""
ENOUGH_TO_SETTLE, ENOUGH_SHARE = 0.95, 0.8
"""Of the logins that a quantile needs, the share that the first groups must hold to be of this size, and the share that
the usual one must hold in the end. Arrival counts vary by chance: the first few pairs of a plan of 320 logins each hold
fewer than 300 in one run of twenty, in which p99 would need twice as many pairs. And a group that was settled on just
as many as needed would be judged at one look and not at the next, and a PASS would not wait for it."""

Sizes = Mapping[str, Mapping[Statistic, int]]
"""By cohort (or ``all``) and quantile, how many pairs make one value."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How many pairs make one value of a rare quantile, and by cohort after how many seconds a login is slow."""

    sizes: Sizes
    slow_after_s: Floats

    @classmethod
    def by(cls, logins: Logins, policy: Policy, timeout_s: float) -> Self:
        """As the first of these logins' pairs determine it; the usual login is the median of the faster arm."""
        early = logins.used // logins.shape[-1] % max(logins.shape[1], 1) < SETTLING_PAIRS
        cohorts, _, arms = logins.shape
        cohort = logins.used[early] // max(len(logins.pairs) * arms, 1)
        cell = cohort * arms + logins.used[early] % arms
        (medians,) = Grouping.of(cell, (cohorts, 1, arms)).quantiles(logins.response_s[early], [0.5])
        usual_s = np.fmin.reduce(medians[:, 0], axis=1)
        return cls(sizes_of(logins.counts, logins.cohorts), slow_after_s(usual_s, policy, timeout_s))


def slow_after_s(usual_s: Floats, policy: Policy, timeout_s: float) -> Floats:
    """After how many seconds a login is slow where it usually takes ``usual_s`` (NaN where that is not known).

    That is the policy's ``slow_after_s``, or ``slow_times_usual`` usual logins where these take longer, half of the
    time-out at most: where logins take long anyway, a pause of one server would otherwise make many of them slow.
    """
    found: Floats = np.fmax(policy.slow_after_s, np.fmin(policy.slow_times_usual * usual_s, timeout_s / 2))
    return found


def sizes_of(counts: Ints, cohorts: Sequence[str]) -> Sizes:
    """How many pairs each quantile needs for one value, from the logins by cohort, pair and arm of the first pairs."""
    first = counts[:, :SETTLING_PAIRS]
    by_cohort = {cohort: first[code] for code, cohort in enumerate(cohorts)} | {EVERYONE: first.sum(axis=0)}
    return {
        cohort: {statistic: _size(held, q) for statistic, q in QUANTILES.items()} for cohort, held in by_cohort.items()
    }


def needed_in_block(q: float) -> int:
    """How many logins a block, or a group of them, needs for its q-quantile: 6 for p50, 60 for p95, 300 for p99."""
    return math.ceil(LOGINS_BEYOND / (1 - q) - 1e-6)


def least_in_block(q: float) -> float:
    """How many logins the usual block, or group of them, must hold for its q-quantile to be judged."""
    return ENOUGH_SHARE * needed_in_block(q)


def _size(held: Ints, q: float) -> int:
    # The mean of a rare cohort, of which the usual block holds nothing.
    usual = (float(np.median(held, axis=0).min()) or float(held.mean(axis=0).min())) if len(held) else 0.0
    needed = math.ceil(ENOUGH_TO_SETTLE * needed_in_block(q) / usual) if usual else 1
    return next((size for size in GROUP_SIZES if size >= needed), GROUP_SIZES[-1])
