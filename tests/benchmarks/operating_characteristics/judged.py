"""One run judged at every look as a live run is, by the project's own comparison and judge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.gate.judge import judge
from harness.model.attempt import AttemptTable, Floats
from harness.model.comparison import Design, Stage
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import Arm
from harness.model.verdict import Kind, Verdict
from harness.stats.compare import STAGES, candidate_p95_s, concluded, outages, shifts_of
from harness.stats.logins import usable_pairs
from harness.stats.samples import BUDGETED, Measured, measure
from harness.stats.shift import LEAST_LOOK
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
        minutes=pairs * layout.pair_s / 60,
        blamed=verdict.blamed_step or "",
        shift=tuple(float(d[quantile].mean()) for quantile in QUANTILES),
        sd=tuple(float(d[quantile].std(ddof=1)) for quantile in QUANTILES),
        rivals=rival_blocks(table, layout, nominal_p95_s, (seed, run)),
    )


def measured(table: AttemptTable, layout: Layout, policy: Policy) -> dict[Stage, Measured]:
    """What a whole run measures in each of its stages."""
    by_stage = {stage: usable_pairs(range(layout.pairs), layout.design, policy, stage) for stage in STAGES}
    return {stage: measure(table, layout.design, policy, usable, stage) for stage, usable in by_stage.items() if usable}


def login_shifts(expected: Measured) -> dict[str, Floats]:
    """The differences D of the login's quantiles; of p99 one a group of pairs."""
    return {
        metric.statistic: np.log(sample.values[:, 1] / sample.values[:, 0])
        for metric, sample in expected.samples.items()
        if metric.family == "login" and metric != BUDGETED
    }


def live_verdict(
    stages: Mapping[Stage, Measured], layout: Layout, policy: Policy, site: Site = UNCALIBRATED
) -> tuple[Verdict, int]:
    """The verdict of a run that is judged after each pair and stops at the first final one, and its pairs by then.

    Arms measured on different days are judged once, when both are there.
    """
    for pairs in range(1, layout.pairs + 1):
        upto = {stage: sum(pair < pairs for pair in whole.pairs) for stage, whole in stages.items()}
        if (upto["expected"] >= LEAST_LOOK and not layout.stored) or pairs == layout.pairs:
            seen = {stage: whole.first(upto[stage]) for stage, whole in stages.items()}
            if pairs == layout.pairs or may_decide(seen, layout.design, policy, site):
                comparison = concluded(seen, pairs, layout.design, policy, site)
                verdict = judge(comparison, HEALTH, RUNNING, policy)
                if verdict.final:
                    return verdict, pairs
    raise AssertionError("the last look is final")


def may_decide(stages: Mapping[Stage, Measured], design: Design, policy: Policy, site: Site) -> bool:
    """Whether a look before the last can end a run; most can't, and needn't be judged in full and put into words."""
    shifts, _ = shifts_of(stages, design, policy, site)
    expected = stages["expected"]
    return (
        any(shift.low > shift.margin for shift in shifts)
        or all(shift.high < shift.margin for shift in shifts)
        or candidate_p95_s(expected.samples[BUDGETED], design, policy)[0] > (policy.budgets.login_p95_s or math.inf)
        or bool(outages(expected, policy))
    )


def passed(outcome_: Outcome) -> bool:
    """Whether the run ended with PASS."""
    return outcome_.kind == Kind.PASS.name


def blocked(outcome_: Outcome) -> bool:
    """Whether the run ended with BLOCK."""
    return outcome_.kind == Kind.BLOCK.name
