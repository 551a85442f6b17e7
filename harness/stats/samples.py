"""From attempts to one value for each metric, pair and arm: the block is the unit, never the single login.

A quantile needs about 3 logins beyond it. Where a block holds fewer, several pairs in a row make one group, and the
group's quantile is one value; the size of the groups is set by the first three pairs, so that it is the same at every
look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.cohort import EVERYONE
from harness.model.comparison import Design, NotJudged
from harness.model.metric import QUANTILES, Metric, Stage, Statistic
from harness.model.policy import Margin, Margins, Policy
from harness.model.steps import EARLIER_TRIES, LOGIN
from harness.model.target import ARMS
from harness.stats.cells import Grouping, merged
from harness.stats.logins import Logins, Timed, logins_of, steps_timed
from harness.stats.settled import Settled, Sizes, least_in_block, needed_in_block

LEAST_GROUPS = 20
"""With fewer values than this in a whole run the bounds are too wide for a PASS of equal arms. With 13 of the p99 of
300 logins, on an Active Directory lab, they were ±58 % after 24 of 40 pairs, where the margin was 28 %."""
FAILURE_RATE = Metric(EVERYONE, LOGIN, "failure_rate")
ALL_LOGINS_P95 = Metric(EVERYONE, LOGIN, "p95")
"""The p95 of all cohorts' logins together, for the budget."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric by group of pairs and arm: ``values`` (seconds, or a share), and the ``counts`` of logins behind them.

    Both have the shape (groups, arms): groups of ``grouped`` pairs in order, and arms as in ARMS. ``met_more`` is how
    much more periodic interference the candidate met in each group than the baseline (``harness.stats.periodic``).
    """

    metric: Metric
    grouped: int
    values: Floats
    counts: Ints
    met_more: Floats | None = None
    """None where there was none."""

    def first(self, pairs: int) -> Sample:
        """The sample of the first ``pairs`` pairs."""
        groups = pairs // self.grouped
        met_more = None if self.met_more is None else self.met_more[:groups]
        return replace(self, values=self.values[:groups], counts=self.counts[:groups], met_more=met_more)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a comparison needs to know of some pairs of one stage; pieces of a run add up to the whole."""

    pairs: tuple[int, ...]
    cohorts: tuple[str, ...]
    settled: Settled
    samples: Mapping[Metric, Sample]
    began_s: Floats
    """When each block began, in seconds from the run's origin: by pair, arm and block; NaN where it holds no login."""
    levels: Floats
    """ln of the median response time (s) of each of these blocks, all cohorts together."""
    logins: Ints
    """By cohort, pair and arm."""
    spent_s: Mapping[str, Floats]
    """The time that all logins together spent in a step, by cohort, pair and arm."""

    def first(self, pairs: int) -> Measured:
        """What the first ``pairs`` pairs alone would have given."""
        return replace(
            self,
            pairs=self.pairs[:pairs],
            samples={metric: sample.first(pairs) for metric, sample in self.samples.items()},
            began_s=self.began_s[:pairs],
            levels=self.levels[:pairs],
            logins=self.logins[:, :pairs],
            spent_s={step: spent[:, :pairs] for step, spent in self.spent_s.items()},
        )


def measure(
    table: AttemptTable,
    design: Design,
    policy: Policy,
    usable: Sequence[int],
    stage: Stage = "expected",
    settled: Settled | None = None,
) -> Measured:
    """Everything that is compared of pairs of one stage; ``settled`` by a run's first piece (None: this is it).

    ``usable`` are the pairs that count, in ascending order.
    """
    logins = logins_of(table, design, usable)
    timed = steps_timed(table, logins, design.timeout_s) if stage == "expected" else {}
    return measured_of(table, logins, timed, design, policy, stage, settled)


def measured_of(
    table: AttemptTable,
    logins: Logins,
    steps: Mapping[str, Timed],
    design: Design,
    policy: Policy,
    stage: Stage,
    settled: Settled | None,
) -> Measured:
    """The same of the table's logins that count, and their steps."""
    counts = logins.counts
    settled = Settled.by(logins, policy, design.timeout_s) if settled is None else settled
    sizes = settled.sizes
    samples: dict[Metric, Sample] = {}
    of_logins: dict[int, tuple[Ints | None, Grouping]] = {}
    for step, of_step in ((LOGIN, None), *steps.items()):
        if step == EARLIER_TRIES:
            continue
        times_s, cell = (logins.response_s, logins.used) if of_step is None else (of_step.times_s, of_step.cell)
        groupings = of_logins if cell is logins.used else {}
        wanted = _wanted(step, stage)
        of_size: dict[int, dict[Statistic, Floats]] = {}
        for code, cohort in enumerate(table.cohorts):
            for statistic in wanted:
                size = sizes[cohort][statistic]
                if size not in groupings:
                    groupings[size] = _grouping(cell, logins, size)
                kept, grouping = groupings[size]
                if size not in of_size:
                    grouped_s = times_s if kept is None else times_s[kept]
                    found = grouping.quantiles(grouped_s, [QUANTILES[one] for one in wanted])
                    of_size[size] = dict(zip(wanted, found, strict=True))
                metric = Metric(cohort, step, statistic, stage)
                samples[metric] = Sample(metric, size, of_size[size][statistic][code], grouping.counts[code])
    if stage == "expected":
        samples[ALL_LOGINS_P95] = _of_all(logins, samples, sizes)
    rates: tuple[Statistic, ...] = ("failure_rate", "slow_rate") if stage == "expected" else ("failure_rate",)
    slow = logins.failed | (logins.response_s > settled.slow_after_s[table.cohort[logins.rows]])
    for statistic in rates:
        values, held = logins.shares(logins.failed if statistic == "failure_rate" else slow)
        metric = Metric(EVERYONE, LOGIN, statistic, stage)
        samples[metric] = Sample(metric, 1, values, held)
    began_s, levels = _by_block(table, logins, design.blocks(stage))
    return Measured(
        pairs=logins.pairs,
        cohorts=table.cohorts,
        settled=settled,
        samples=samples,
        began_s=began_s,
        levels=levels,
        logins=counts,
        spent_s={
            step: np.asarray(
                np.bincount(timed.cell, weights=timed.times_s, minlength=counts.size).reshape(counts.shape), np.float64
            )
            for step, timed in steps.items()
        },
    )


def joined(pieces: Sequence[Measured]) -> Measured:
    """Pieces of one stage in order of time, as one."""
    first = pieces[0]
    metrics = dict.fromkeys(metric for piece in pieces for metric in piece.samples)
    steps = dict.fromkeys(step for piece in pieces for step in piece.spent_s)
    parts = {metric: [p.samples[metric] for p in pieces if metric in p.samples] for metric in metrics}
    return Measured(
        pairs=tuple(pair for piece in pieces for pair in piece.pairs),
        cohorts=first.cohorts,
        settled=first.settled,
        samples={
            metric: replace(
                found[0],
                values=np.concatenate([part.values for part in found]),
                counts=np.concatenate([part.counts for part in found]),
            )
            for metric, found in parts.items()
        },
        began_s=np.concatenate([piece.began_s for piece in pieces]),
        levels=np.concatenate([piece.levels for piece in pieces]),
        logins=np.concatenate([piece.logins for piece in pieces], axis=1),
        spent_s={
            step: np.concatenate([p.spent_s.get(step, np.zeros(p.logins.shape)) for p in pieces], axis=1)
            for step in steps
        },
    )


def judgeable(measured: Measured, design: Design, margins: Margins) -> tuple[tuple[Sample, ...], tuple[NotJudged, ...]]:
    """The samples that the policy has a margin for, without groups in which an arm has no login; and the metrics that
    can't be judged."""
    judged: list[Sample] = []
    refused: list[NotJudged] = []
    for metric, sample in measured.samples.items():
        if metric == ALL_LOGINS_P95 or margin_of(metric, margins) is None or not _taken(measured, metric):
            continue
        if reason := _why_not(sample, design):
            refused.append(NotJudged(metric, reason))
        else:
            held = sample.counts.all(axis=1)
            met_more = None if sample.met_more is None else sample.met_more[held]
            judged.append(replace(sample, values=sample.values[held], counts=sample.counts[held], met_more=met_more))
    return tuple(judged), tuple(refused)


def _taken(measured: Measured, metric: Metric) -> bool:
    """Whether there is anything to judge, or to miss: a cohort without a login is missed, a step not taken is not."""
    if metric.step == LOGIN or not measured.logins.any():
        return bool(measured.logins.any())
    return bool(measured.spent_s[metric.step][measured.cohorts.index(metric.cohort)].any())


def margin_of(metric: Metric, margins: Margins) -> Margin | float | None:
    """The policy's margin on a metric; None where it has none."""
    if metric.stage == "headroom":
        return margins.headroom.failure_rate if metric.statistic == "failure_rate" else margins.headroom.p95
    found: dict[Statistic, Margin | float | None] = {
        "failure_rate": margins.failure_rate,
        "slow_rate": margins.slow_rate,
        "p50": (margins.login if metric.step == LOGIN else margins.step).p50,
        "p95": (margins.login if metric.step == LOGIN else margins.step).p95,
        "p99": margins.login.p99,
    }
    return found[metric.statistic]


def _wanted(step: str, stage: Stage) -> tuple[Statistic, ...]:
    if stage == "headroom":
        return ("p95",)
    return ("p50", "p95", "p99") if step == LOGIN else ("p50", "p95")


def _grouping(cell: Ints, logins: Logins, size: int) -> tuple[Ints | None, Grouping]:
    """Which of the logins in these cells fill groups of ``size`` pairs (None: all), and their grouping."""
    group, shape = merged(cell, logins.shape, size)
    (kept,) = np.nonzero(group >= 0)
    return (None, Grouping.of(group, shape)) if len(kept) == len(group) else (kept, Grouping.of(group[kept], shape))


def _of_all(logins: Logins, samples: Mapping[Metric, Sample], sizes: Sizes) -> Sample:
    """The p95 of all cohorts' logins together."""
    if len(logins.cohorts) == 1:
        return replace(samples[Metric(logins.cohorts[0], LOGIN, "p95")], metric=ALL_LOGINS_P95)
    size = sizes[EVERYONE]["p95"]
    _, pairs, arms = logins.shape
    cell, shape = merged(logins.used % max(pairs * arms, 1), (1, pairs, arms), size)
    grouping = Grouping.of(cell[cell >= 0], shape)
    (values,) = grouping.quantiles(logins.response_s[cell >= 0], [QUANTILES["p95"]])
    return Sample(ALL_LOGINS_P95, size, values[0], grouping.counts[0])


def _by_block(table: AttemptTable, logins: Logins, each: int) -> tuple[Floats, Floats]:
    """When each of ``each`` blocks of an arm in a pair began, and ln of its logins' median response time.

    Blocks with a login that counts come first; those beyond ``each`` are one with the last.
    """
    _, pairs, arms = logins.shape
    # A block has a number of its own, or in traces of other tools one on each arm.
    key = table.block[logins.rows] * arms + table.arm[logins.rows]
    place_of = np.full(int(key.max(initial=-1)) + 1, -1)
    place_of[key] = logins.used % max(pairs * arms, 1)
    known = np.flatnonzero(place_of >= 0)
    known = known[np.argsort(place_of[known], kind="stable")]
    turn = np.arange(len(known)) - np.searchsorted(place_of[known], place_of[known])
    cell_of = np.zeros(len(place_of), dtype=np.int64)
    cell_of[known] = place_of[known] * each + np.minimum(turn, each - 1)
    grouping = Grouping.of(cell_of[key], (pairs, arms, each))
    began_s = np.full(grouping.counts.size, np.nan)
    np.fmax.at(began_s, cell_of[key], (table.intended_s - table.offset_s)[logins.rows])
    (median_s,) = grouping.quantiles(logins.response_s, [0.5])
    return began_s.reshape(median_s.shape), np.log(median_s)


def _why_not(sample: Sample, design: Design) -> str:
    """Why a metric can't be judged, in words; empty where it can."""
    statistic, counts = sample.metric.statistic, sample.counts
    blocks = sample.grouped * design.blocks(sample.metric.stage)
    if statistic in QUANTILES:
        needed = needed_in_block(QUANTILES[statistic])
        if sample.grouped > 1 and design.horizon(sample.metric.stage, 0) < LEAST_GROUPS * sample.grouped:
            above = " above the peak" if sample.metric.stage == "headroom" else ""
            return (
                f"too few logins: {statistic} needs {needed}, which takes {blocks} blocks of an arm after "
                f"trimming, and at least {LEAST_GROUPS * sample.grouped} pairs{above}"
            )
        if not len(counts):
            return f"the first group of {sample.grouped} pairs is not complete"
        usual = np.median(counts, axis=0)
        if usual.min() < least_in_block(QUANTILES[statistic]):
            arm = "" if usual.min() == usual.max() else f"{ARMS[int(np.argmin(usual))]} "
            where = f"{arm}block" if blocks == 1 else f"group of {blocks} {arm}blocks"
            return f"too few logins: a {where} holds {usual.min():.0f} after trimming, {statistic} needs {needed}"
        if np.nanmedian(sample.values[:, 0]) >= design.timeout_s:
            return (
                f"the baseline's own {statistic} is the time-out of {design.timeout_s:g} s: nothing slower can be seen"
            )
    return "" if counts.all(axis=1).any() else "no pair holds logins on both arms"
