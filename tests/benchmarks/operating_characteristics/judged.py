"""One run judged at every look as a live run is, by the project's own comparison and judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from harness.gate.judge import judge
from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.comparison import QuantileShift
from harness.model.health import ArmHealth, RunState
from harness.model.metric import Stage
from harness.model.policy import Margins, Policy
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import Arm
from harness.model.verdict import Kind, Verdict
from harness.stats.compare import concluded, outages, seen_by, stages_of
from harness.stats.periodic import periodic
from harness.stats.samples import ALL_LOGINS_P95, Measured, Sample, judgeable, margin_of
from harness.stats.shift import LEAST_LOOK, Bounding, boundings, shift_of
from harness.stats.ways import changed_ways
from tests.benchmarks.operating_characteristics.rivals import rival_blocks
from tests.benchmarks.operating_characteristics.world import Candidate, Layout, simulate

SOUND = ArmHealth(
    planned=1000,
    started=1000,
    denied=0,
    failed=0,
    send_lag_p99_ms=1.0,
    pool_wait_p99_ms=1.0,
    hub_stall_p99_ms=1.0,
    generator_cpu=0.3,
    seat_waits=0,
)
HEALTH: dict[Arm, ArmHealth] = {"baseline": SOUND, "candidate": SOUND}
RUNNING = RunState(complete=False)
QUANTILES = ("p50", "p95", "p99")
WAYS_WITHIN_MIN = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: its verdict and when, the mean and sd over pairs of D for p50, p95, p99, and who else blocks."""

    row: str
    layout: str
    run: int
    kind: str
    minutes: float
    blamed: str
    shift: tuple[float, ...]
    sd: tuple[float, ...]
    rivals: dict[str, bool]
    way_named: bool = False
    """Whether a change in the ways that logins go was told within WAYS_WITHIN_MIN."""


def outcome(
    row: str,
    candidate: Candidate,
    layout: Layout,
    policy: Policy,
    seed: int,
    run: int,
    nominal_p95_s: float,
    site: Site = UNCALIBRATED,
) -> Outcome:
    """Simulate one run to its end and judge it: this judge as it grows, its rivals at its end."""
    table = simulate(candidate, layout, (seed, run))
    stages = measured(table, layout, policy)
    verdict, pairs = live_verdict(stages, layout, policy, site)
    d = login_shifts(stages["expected"])
    return Outcome(
        row=row,
        layout=layout.name,
        run=run,
        kind=verdict.kind.name,
        minutes=pairs * layout.design.pair_s / 60,
        blamed=verdict.blamed_step or "",
        shift=tuple(float(d[quantile].mean()) for quantile in QUANTILES),
        sd=tuple(float(d[quantile].std(ddof=1)) for quantile in QUANTILES),
        rivals=rival_blocks(table, layout, nominal_p95_s, (seed, run)),
        way_named=bool(
            changed_ways(table, layout.design, policy, range(round(60 * WAYS_WITHIN_MIN / layout.design.pair_s)))
        ),
    )


def measured(table: AttemptTable, layout: Layout, policy: Policy) -> dict[Stage, Measured]:
    """What a whole run measures in each of its stages."""
    return stages_of(table, layout.design, policy, range(layout.pairs))


def login_shifts(expected: Measured) -> dict[str, Floats]:
    """The differences D of the login's quantiles; of p99 one a group of pairs."""
    return {
        metric.statistic: np.log(sample.values[:, 1] / sample.values[:, 0])
        for metric, sample in expected.samples.items()
        if metric.family == "login" and metric != ALL_LOGINS_P95
    }


def live_verdict(
    stages: Mapping[Stage, Measured], layout: Layout, policy: Policy, site: Site = UNCALIBRATED
) -> tuple[Verdict, int]:
    """The verdict of a run that is judged after each pair and stops at the first final one, and its pairs by then.

    Arms measured on different days are judged once, when both are there.
    """
    earlier = () if layout.stored else deciding_looks(stages, layout, policy, site)
    for pairs in chain(earlier, [layout.pairs]):
        comparison = concluded(seen_by(stages, pairs), pairs, layout.design, policy, site)
        verdict = judge(comparison, HEALTH, RUNNING, policy)
        if verdict.final:
            return verdict, pairs
    raise AssertionError("the last look is final")


def deciding_looks(stages: Mapping[Stage, Measured], layout: Layout, policy: Policy, site: Site) -> Iterator[int]:
    """The looks before the last that may end a run, in order; most can't, and needn't be judged in full.

    A look is left out where each metric's lower bound, had it the whole error to itself, lies below its margin, and
    some metric's upper bound above its own. A broken budget or an outage may end a run at any look, and so may one with
    periodic interference, of which each look knows more than the one before it.
    """
    expected = stages["expected"]
    slowest_s = float(np.max(expected.samples[ALL_LOGINS_P95].values[:, 1], initial=0.0))
    always = slowest_s > (policy.budgets.login_p95_s or math.inf) or bool(outages(expected, policy))
    always = always or periodic(stages, layout.design) is not None
    judged = [(m, s) for m in stages.values() for s in judgeable(m, layout.design, policy.margins)[0]]
    bounds = boundings([sample for _, sample in judged], layout.design, policy, site)
    looks = np.arange(layout.pairs)
    courses = [
        _Course(sample, replace(bounding, block_alpha=policy.alpha), np.searchsorted(m.pairs, looks), policy.margins)
        for (m, sample), bounding in zip(judged, bounds, strict=True)
    ]
    for pairs in range(LEAST_LOOK, layout.pairs):
        if always or any(course.may_block(pairs) for course in courses) or _all_may_pass(courses, pairs):
            yield pairs


class _Course:
    """One metric over a run: after how many pairs may it block, may it pass? Worked out only where it is asked."""

    def __init__(self, sample: Sample, bounding: Bounding, upto: Ints, margins: Margins) -> None:
        """``upto`` has, by look, how many pairs of the sample's stage there are."""
        self._sample, self._bounding, self._margins = sample, bounding, margins
        self._differences = (upto // sample.grouped).tolist()
        before, after = sample.values.T
        allowed = margin_of(sample.metric, margins)
        assert allowed is not None  # judgeable() leaves out what has no margin
        of_rate = isinstance(allowed, float)
        found = after - before if of_rate else np.log(after / before)
        self._means = np.cumsum(found) / np.arange(1, len(found) + 1)
        self._least_margin = allowed if of_rate else math.log1p(allowed.relative)

    def may_block(self, pairs: int) -> bool:
        """Whether the lower bound lies above the margin, which the estimate then does, too."""
        count = self._differences[pairs]
        if count < LEAST_LOOK or self._means[count - 1] <= self._least_margin:
            return False
        shift = self._shift(count)
        return shift.low > shift.margin

    def may_pass(self, pairs: int) -> bool:
        """Whether the upper bound lies below the margin; a metric not known yet leaves the decision to others."""
        count = self._differences[pairs]
        if count < LEAST_LOOK:
            return True
        if count < self._bounding.pass_from:
            return False
        shift = self._shift(count)
        return shift.high < shift.margin

    def _shift(self, count: int) -> QuantileShift:
        first = replace(self._sample, values=self._sample.values[:count], counts=self._sample.counts[:count])
        return shift_of(first, self._bounding, self._margins)


def _all_may_pass(courses: list[_Course], pairs: int) -> bool:
    """Whether every metric may; one that may not is asked first at the next look, where it mostly still may not."""
    for place, course in enumerate(courses):
        if not course.may_pass(pairs):
            courses.insert(0, courses.pop(place))
            return False
    return True


def passed(outcome_: Outcome) -> bool:
    """Whether the run ended with PASS."""
    return outcome_.kind == Kind.PASS.name


def blocked(outcome_: Outcome) -> bool:
    """Whether the run ended with BLOCK."""
    return outcome_.kind == Kind.BLOCK.name
