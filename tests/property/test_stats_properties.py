"""What must hold of comparison and verdict whatever is measured."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate.judge import judge
from harness.model.attempt import AttemptTable, StepColumns
from harness.model.comparison import Comparison, Design, LeakTest, QuantileShift
from harness.model.health import ArmHealth, RunState
from harness.model.metric import Metric
from harness.model.policy import LoginMargins, Looks, Margin, Margins, Policy, StepMargins
from harness.model.site import NO_SPREAD, Site, Spread
from harness.model.verdict import Kind
from harness.stats.compare import compare
from tests.helpers.synthetic import DESIGN, HEALTH, PER_LOGIN, POLICY, SOUND, World, table_of

BOUNDED = ("estimate", "se", "low", "high", "margin", "detectable")
few = settings(max_examples=25, deadline=None)
WORLDS = st.builds(
    World,
    pairs=st.integers(4, 9),
    rate=st.sampled_from([4, 8]),
    cold_share=st.sampled_from([1.0, 0.5]),
    noise=st.floats(0.0, 0.3),
    factor=st.floats(0.3, 3.0),
    failing=st.sampled_from([0.0, 0.02]),
    seed=st.integers(0, 10_000),
)


def compared(table: AttemptTable, design: Design = DESIGN, policy: Policy = POLICY) -> Comparison:
    return compare(table, design, policy, range(int(table.pair.max()) + 1))


def by_metric(comparison: Comparison) -> dict[Metric, QuantileShift]:
    return {s.metric: s for s in comparison.shifts}


def with_times(table: AttemptTable, factor: float = 1.0, added_s: float = 0.0) -> AttemptTable:
    """Every time of the table scaled, then lengthened."""
    steps = {name: replace(c, service_s=c.service_s * factor + added_s) for name, c in table.steps.items()}
    times = {name: getattr(table, name) * factor + added_s for name in ("response_s", "service_s")}
    return replace(table, **times, steps=steps)


@given(WORLDS)
@few
def test_swapping_the_arms_mirrors_every_shift(world: World) -> None:
    table = table_of(replace(world, failing=0.0))
    there, back = by_metric(compared(table)), by_metric(compared(replace(table, arm=(1 - table.arm).astype(np.int8))))
    assert there.keys() == back.keys()
    for metric, found in there.items():
        assert back[metric].estimate == pytest.approx(-found.estimate, abs=1e-12)
        assert (back[metric].baseline, back[metric].candidate) == (found.candidate, found.baseline)


@given(WORLDS)
@few
def test_the_order_of_the_attempts_does_not_matter(world: World) -> None:
    table = table_of(world)
    order = np.random.default_rng(world.seed).permutation(len(table))
    place = np.argsort(order)
    columns = {name: getattr(table, name)[order] for name in PER_LOGIN}
    steps = {
        name: StepColumns(place[c.row][::-1], c.service_s[::-1], c.status[::-1]) for name, c in table.steps.items()
    }
    shuffled = by_metric(compared(AttemptTable(**columns, steps=steps, cohorts=table.cohorts)))
    for metric, found in by_metric(compared(table)).items():
        assert shuffled[metric].differences == pytest.approx(found.differences)


@given(WORLDS, st.floats(0.1, 10.0))
@few
def test_scaling_time_scales_levels_and_leaves_ratios_alone(world: World, factor: float) -> None:
    margins = Margins(
        login=LoginMargins(p50=Margin(relative=0.1), p95=Margin(relative=0.15), p99=None),
        step=StepMargins(p50=Margin(relative=0.25), p95=None),
    )
    policy = Policy(margins=margins, slow_after_s=1.0)
    scaled_policy = Policy(margins=margins, slow_after_s=factor)
    table = table_of(replace(world, noise=max(world.noise, 0.05)))
    scaled = replace(DESIGN, timeout_s=DESIGN.timeout_s * factor)
    plain = by_metric(compared(table, DESIGN, policy))
    for metric, found in by_metric(compared(with_times(table, factor), scaled, scaled_policy)).items():
        assert found.estimate == pytest.approx(plain[metric].estimate, abs=1e-9)
        assert found.margin == plain[metric].margin
        if metric.unit == "log_ratio":
            assert found.baseline == pytest.approx(factor * plain[metric].baseline)


@given(WORLDS, st.floats(0.0, 1.0))
@few
def test_what_is_added_to_both_arms_changes_no_step_s_part_in_seconds(world: World, added_s: float) -> None:
    table = table_of(replace(world, failing=0.0))
    plain, later = compared(table).attribution, compared(with_times(table, added_s=added_s)).attribution
    assert [part.added_s for part in later] == pytest.approx([part.added_s for part in plain], abs=1e-9)


@given(WORLDS, st.floats(0.05, 1.0))
@few
def test_a_candidate_that_is_never_slower_is_never_blocked_for_its_times(world: World, factor: float) -> None:
    table = table_of(replace(world, factor=1.0, failing=0.0, cold_share=1.0))
    mirrored = np.array(table.response_s)
    for pair in range(world.pairs):
        mirrored[(table.arm == 1) & (table.pair == pair)] = factor * mirrored[(table.arm == 0) & (table.pair == pair)]
    verdict = judge(compared(replace(table, response_s=mirrored, steps={})), HEALTH, RunState(True), POLICY)
    assert verdict.kind is not Kind.BLOCK


@given(WORLDS)
@few
def test_an_estimate_lies_between_its_bounds_and_everything_is_a_number(world: World) -> None:
    comparison = compared(table_of(world))
    for found in comparison.shifts:
        assert found.low <= found.estimate <= found.high
        assert found.se > 0
        assert not math.isnan(found.detectable)
        assert found.detectable >= found.margin
    assert comparison.candidate_p95_s >= 0


def site_of(table: AttemptTable, deployments: Spread, levels: Spread) -> Site:
    metrics = by_metric(compared(table)).keys()
    return Site(source="a file", deployments=dict.fromkeys(metrics, deployments), levels=dict.fromkeys(metrics, levels))


@given(WORLDS, st.floats(0, 1), st.floats(0, 1), st.integers(1, 30), st.booleans())
@few
def test_a_larger_spread_never_makes_a_verdict_more_certain(
    world: World, sd: float, more: float, freedom: int, interleaved: bool
) -> None:
    table, design = table_of(world), replace(DESIGN, interleaved=interleaved)
    policy = Policy(quick=True, looks=Looks(pass_from=3, pass_after_s=0))
    kinds = []
    for spread in (Spread(sd, freedom, sd), Spread(sd + more, freedom, sd + more)):
        found = compare(table, design, policy, range(world.pairs), site_of(table, spread, spread))
        kinds.append(judge(found, HEALTH, RunState(True), policy).kind)
    assert kinds[1] in (kinds[0], Kind.INCONCLUSIVE)


@given(WORLDS)
@few
def test_a_spread_of_zero_changes_nothing(world: World) -> None:
    table = table_of(world)
    plain = compared(table)
    found = compare(table, DESIGN, POLICY, range(world.pairs), site_of(table, NO_SPREAD, NO_SPREAD))
    for metric, shift in by_metric(found).items():
        there = by_metric(plain)[metric]
        assert [getattr(shift, n) for n in BOUNDED] == [getattr(there, n) for n in BOUNDED]


numbers = st.floats(-1, 1, allow_nan=False)


@st.composite
def intervals(draw: st.DrawFn) -> QuantileShift:
    low, estimate, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    step = draw(st.sampled_from(["login", "kdc_as", "ldap_bind"]))
    statistic = draw(st.sampled_from(["p50", "p95"]))
    return QuantileShift(
        metric=Metric("cold", step, statistic),
        pairs=20,
        grouped=1,
        baseline=0.1,
        candidate=0.1 * math.exp(estimate),
        differences=np.full(20, estimate),
        estimate=estimate,
        se=0.01,
        low=low,
        high=high,
        margin=draw(st.floats(0.01, 0.5)),
        detectable=1.0,
    )


def comparison_of(shifts: list[QuantileShift]) -> Comparison:
    leak = LeakTest(slope=0.0, se=0.1, p_value=0.5, p_alike=0.5, minutes=19)
    return Comparison(DESIGN, 20, 21, 600, 700, tuple(shifts), leak, (), (), (), 0.2, 0.3)


@given(st.lists(intervals(), min_size=1, max_size=6), st.floats(0, 2), st.floats(0, 2), st.booleans())
@settings(max_examples=200, deadline=None)
def test_wider_bounds_never_make_the_verdict_more_certain(
    shifts: list[QuantileShift], down: float, up: float, complete: bool
) -> None:
    state = RunState(complete)
    sharp = judge(comparison_of(shifts), HEALTH, state, POLICY)
    wide = [replace(s, low=s.low - down, high=s.high + up) for s in shifts]
    assert judge(comparison_of(wide), HEALTH, state, POLICY).kind in (sharp.kind, Kind.INCONCLUSIVE)


@given(st.lists(intervals(), min_size=1, max_size=6, unique_by=lambda s: s.metric))
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_metrics_does_not_matter(shifts: list[QuantileShift]) -> None:
    there = judge(comparison_of(shifts), HEALTH, RunState(True), POLICY)
    back = judge(comparison_of(shifts[::-1]), HEALTH, RunState(True), POLICY)
    assert there == back


@given(st.lists(intervals(), min_size=1, max_size=6), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_pass_has_every_bound_within_its_margin_and_a_block_one_beyond(
    shifts: list[QuantileShift], complete: bool
) -> None:
    kind = judge(comparison_of(shifts), HEALTH, RunState(complete), POLICY).kind
    if kind is Kind.PASS:
        assert all(s.high < s.margin for s in shifts)
    assert (kind is Kind.BLOCK) == any(s.low > s.margin for s in shifts)


HEALTHS = st.builds(
    ArmHealth,
    planned=st.integers(0, 100),
    started=st.integers(0, 100),
    denied=st.integers(0, 5),
    failed=st.integers(0, 20),
    send_lag_p99_ms=st.floats(0, 60),
    pool_wait_p99_ms=st.floats(0, 60),
    hub_stall_p99_ms=st.floats(0, 90),
    generator_cpu=st.floats(0, 1),
    seat_waits=st.integers(0, 100),
    worker_lost=st.booleans(),
)


@given(st.lists(intervals(), min_size=1, max_size=3), HEALTHS, HEALTHS)
@settings(max_examples=200, deadline=None)
def test_worse_health_never_turns_anything_into_a_pass(
    shifts: list[QuantileShift], baseline: ArmHealth, candidate: ArmHealth
) -> None:
    sick = judge(comparison_of(shifts), {"baseline": baseline, "candidate": candidate}, RunState(True), POLICY)
    sound = judge(comparison_of(shifts), {"baseline": SOUND, "candidate": SOUND}, RunState(True), POLICY)
    assert sick.kind in (sound.kind, Kind.INVALID)
