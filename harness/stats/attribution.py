"""Which step a slowdown comes from: on average over all logins, and around each quantile of the login."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.comparison import Anatomy, Design, Part, StepShare
from harness.model.metric import QUANTILES, Statistic
from harness.model.policy import Policy
from harness.model.steps import LOGIN
from harness.stats.cells import Grouping
from harness.stats.intervals import mean_interval, ratio_interval
from harness.stats.logins import Logins, Timed, logins_of, steps_timed, usable_pairs
from harness.stats.samples import Measured
from harness.stats.settled import Sizes, least_in_block, sizes_of

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


@dataclass(frozen=True, slots=True)
class Around:
    """The logins around one quantile of a cohort, by group of pairs in which both arms have any.

    ``whole_s`` is by how much the candidate's took longer, ``in_step_s`` by how much in each step; ``counts`` holds the
    logins of every group and arm.
    """

    whole_s: Floats
    in_step_s: Mapping[str, Floats]
    counts: Ints


Arounds = Mapping[tuple[str, Statistic], Around]
"""By cohort and quantile; pieces of a run add up to the whole."""


def anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> tuple[Anatomy, ...]:
    """The slowdown of each cohort at each quantile, divided among the steps that it takes.

    The login's quantile is the response time of the logins around it: those whose rank in their block lies within half
    the distance to the nearer end, a tenth at most (p50: ranks 40 to 60 %, p95: 92.5 to 97.5 %). Their mean times in
    each step, and outside any, add up to their mean response time, so the differences of the arms do too. Intervals are
    Student's t over pairs, those of the shares by the jackknife of the ratio (Miller, Biometrika 61, 1974); they
    describe this run at its end and are no repeated bounds. Needs 3 pairs, or groups of pairs, that hold the quantile.
    """
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    timed = steps_timed(table, logins, design.timeout_s)
    return dissected(around(table, logins, timed, sizes_of(logins.counts, table.cohorts)))


def around(table: AttemptTable, logins: Logins, steps: Mapping[str, Timed], sizes: Sizes) -> Arounds:
    """What the anatomy needs to know of logins that count and their steps, in groups of pairs of these sizes."""
    found: dict[tuple[str, Statistic], Around] = {}
    if not logins.pairs:
        return found
    whole = {step: timed.in_each(logins) for step, timed in steps.items()}
    taken = {step: np.bincount(table.cohort[columns.row], minlength=1) for step, columns in table.steps.items()}
    for size in sorted({size for by_quantile in sizes.values() for size in by_quantile.values()}):
        mine = logins.grouped(size)
        at = None if mine is logins else np.searchsorted(logins.rows, mine.rows)
        grouping = Grouping.of(mine.used, mine.shape)
        counts = grouping.counts
        for quantile, chosen in zip(QUANTILES, _around(grouping, mine.response_s), strict=True):
            codes = [code for code, cohort in enumerate(table.cohorts) if sizes[cohort][quantile] == size]
            if not codes:
                continue
            cell, places = mine.used[chosen], chosen if at is None else at[chosen]
            held = np.bincount(cell, minlength=math.prod(mine.shape)).reshape(mine.shape)
            means = {
                step: _means(cell, values, held)
                for step, values in ((LOGIN, mine.response_s[chosen]), *((s, whole[s][places]) for s in whole))
            }
            for code in codes:
                both = (held[code] > 0).all(axis=1)
                added = {step: mean[code, both, 1] - mean[code, both, 0] for step, mean in means.items()}
                whole_s = added.pop(LOGIN)
                mine_s = {step: times for step, times in added.items() if taken[step][code : code + 1].any()}
                found[table.cohorts[code], quantile] = Around(whole_s, mine_s, counts[code])
    return {key: found[key] for key in ((c, q) for c in table.cohorts for q in QUANTILES) if key in found}


def joined(pieces: Sequence[Arounds]) -> Arounds:
    """Pieces of a run, in order of time, as one."""
    found = {}
    for key in dict.fromkeys(key for piece in pieces for key in piece):
        parts = [piece[key] for piece in pieces if key in piece]
        steps = dict.fromkeys(step for part in parts for step in part.in_step_s)
        in_step_s = {
            step: np.concatenate([part.in_step_s.get(step, np.zeros(len(part.whole_s))) for part in parts])
            for step in steps
        }
        whole_s, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("whole_s", "counts"))
        found[key] = Around(whole_s, in_step_s, counts)
    return found


def dissected(whole: Arounds) -> tuple[Anatomy, ...]:
    """The anatomies of a run."""
    found = []
    for (cohort, quantile), part in whole.items():
        usual = np.median(part.counts, axis=0).min() if len(part.counts) else 0.0
        if len(part.whole_s) < LEAST_PAIRS or usual < least_in_block(QUANTILES[quantile]):
            continue
        added = np.stack([part.whole_s, *part.in_step_s.values()], axis=1)
        parts = tuple(_parts(tuple(part.in_step_s), added))
        found.append(Anatomy(cohort, quantile, *mean_interval(part.whole_s), parts))
    return tuple(found)


def _around(grouping: Grouping, response_s: Floats) -> list[Ints]:
    """The logins around each quantile in their cell: those of the ranks that ``anatomy`` names."""
    spans = [(q - min(0.1, (1 - q) / 2), q + min(0.1, (1 - q) / 2)) for q in QUANTILES.values()]
    chosen: list[list[Ints]] = [[np.zeros(0, dtype=np.int64)] for _ in spans]
    ordered_s = response_s[grouping.order]
    for begin, end in zip(grouping.starts.tolist(), grouping.ends.tolist(), strict=True):
        count = end - begin
        # The rank of the i-th of them (from 0) is (i + 1/2) / count.
        ends = [(math.ceil(low * count - 0.5 - 1e-9), math.floor(high * count + 0.5 + 1e-9)) for low, high in spans]
        bounds = {bound for first, last in ends if first < last for bound in (first, last) if bound < count}
        if not bounds:
            continue
        ordered = begin + ordered_s[begin:end].argpartition(sorted(bounds))  # a sort would take ten times as long
        for found, (first, last) in zip(chosen, ends, strict=True):
            found.append(grouping.order[ordered[first:last]])
    return [np.concatenate(found) for found in chosen]


def _means(cell: Ints, values: Floats, held: Ints) -> Floats:
    """The mean of the values in each cell, which holds so many."""
    total = np.bincount(cell, weights=values, minlength=held.size).reshape(held.shape)
    return np.divide(total, held, out=np.zeros(held.shape), where=held > 0)


def _parts(steps: tuple[str, ...], added: Floats) -> Iterator[Part]:
    """``added``: of the shape (pairs, 1 + steps), the whole first."""
    whole = added[:, 0]
    _, low, high = mean_interval(whole)
    shown = low > 0 or high < 0
    elsewhere = whole - added[:, 1:].sum(axis=1)
    for name, values in (*zip(steps, added[:, 1:].T, strict=True), (ELSEWHERE, elsewhere)):
        share = ratio_interval(values, whole) if shown else (None, None, None)
        yield Part(name, *mean_interval(values), *share)
