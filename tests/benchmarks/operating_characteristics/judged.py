"""One run judged at every look as a live run is, by the project's own comparison and judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.gate.judge import judge
from harness.model.attempt import AttemptTable
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import Arm
from harness.model.verdict import Kind, Verdict
from harness.stats.compare import compare
from harness.stats.samples import Sample, logins_of, needed_in_block, samples_of
from harness.stats.shift import boundings, shift_of
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
    verdict, pairs = live_verdict(table, layout, policy, site=site)
    logins = logins_of(table, layout.design, policy, range(layout.pairs))
    samples = {
        sample.metric.statistic: np.log(sample.values[:, 1] / sample.values[:, 0])
        for sample in samples_of(table, logins, layout.design, policy)[0]
        if sample.metric.family == "login"
    }
    d = [samples.get(quantile, np.full(2, np.nan)) for quantile in QUANTILES]
    return Outcome(
        row=row,
        layout=layout.name,
        run=run,
        kind=verdict.kind.name,
        minutes=pairs * layout.pair_s / 60,
        blamed=verdict.blamed_step or "",
        shift=tuple(float(x.mean()) for x in d),
        sd=tuple(float(x.std(ddof=1)) for x in d),
        rivals=rival_blocks(table, layout, nominal_p95_s, (seed, run)),
    )


def live_verdict(
    table: AttemptTable, layout: Layout, policy: Policy, every_look: bool = False, site: Site = UNCALIBRATED
) -> tuple[Verdict, int]:
    """The verdict of a run that is judged after each pair and stops at the first final one, and its pairs by then.

    Looks that can't decide are skipped unless ``every_look`` asks for them; it never changes the answer. Arms measured
    on different days are judged once, when both are there.
    """
    worth: set[int] | None = set()
    if not layout.stored:
        worth = None if every_look else deciding_looks(table, layout, policy, site)
    for pairs in range(1, layout.pairs + 1):
        if worth is None or pairs == layout.pairs or pairs in worth:
            seen = np.searchsorted(table.pair, pairs)
            comparison = compare(_first(table, int(seen)), layout.design, policy, range(pairs), site)
            verdict = judge(comparison, HEALTH, RUNNING, policy)
            if verdict.final:
                return verdict, pairs
    raise AssertionError("the last look is final")


def deciding_looks(table: AttemptTable, layout: Layout, policy: Policy, site: Site = UNCALIBRATED) -> set[int] | None:
    """The numbers of pairs at which a BLOCK or a PASS is possible; None where that can't be told beforehand.

    A block's quantile does not depend on later blocks, so the bounds at every look follow from the samples of the
    whole run. A budget, an outage or a metric that can't be judged in every block are left to the judge.
    """
    design = layout.design
    logins = logins_of(table, design, policy, range(layout.pairs))
    samples, refused = samples_of(table, logins, design, policy)
    least = min(int(sample.counts.min()) for sample in samples)
    failed, _ = logins.shares(logins.failed)
    block_p95 = next(s.values for s in samples if s.metric.family == "login" and s.metric.statistic == "p95")
    plain = (
        not refused
        and least >= needed_in_block(0.99)
        and (policy.budgets.login_p95_s is None or block_p95.max() < policy.budgets.login_p95_s)
        and failed.max() <= policy.budgets.outage_share
        and all(s.values[:, 0].max() < design.timeout_s for s in samples)
    )
    if not plain:
        return None
    found = set()
    bounds = boundings([sample.metric for sample in samples], design, policy, site)
    for n in range(min(policy.looks.block_from, policy.looks.pass_from), len(logins.pairs) + 1):
        passing = n >= policy.looks.pass_from
        for sample, bounding in zip(samples, bounds, strict=True):
            part = Sample(sample.metric, sample.values[:n], sample.counts[:n], sample.margin)
            shift = shift_of(part, bounding, policy.margins)
            if shift.low > shift.margin:
                found.add(n + policy.discard_pairs)
                break
            passing = passing and shift.high < shift.margin
        else:
            if passing:
                found.add(n + policy.discard_pairs)
    return found


def _first(table: AttemptTable, rows: int) -> AttemptTable:
    """The first rows of a table, as a live run would have them."""
    steps = {}
    for name, columns in table.steps.items():
        upto = int(np.searchsorted(columns.row, rows))
        steps[name] = type(columns)(columns.row[:upto], columns.service_s[:upto], columns.status[:upto])
    return AttemptTable(
        arm=table.arm[:rows],
        block=table.block[:rows],
        pair=table.pair[:rows],
        offset_s=table.offset_s[:rows],
        intended_s=table.intended_s[:rows],
        cache=table.cache[:rows],
        status=table.status[:rows],
        response_s=table.response_s[:rows],
        service_s=table.service_s[:rows],
        steps=steps,
    )


def passed(outcome_: Outcome) -> bool:
    """Whether the run ended with PASS."""
    return outcome_.kind == Kind.PASS.name


def blocked(outcome_: Outcome) -> bool:
    """Whether the run ended with BLOCK."""
    return outcome_.kind == Kind.BLOCK.name
