"""What a comparison says of two arms with a known difference."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from harness.model.comparison import Comparison, QuantileShift
from harness.model.metric import Metric
from harness.model.policy import Margin, Policy
from harness.model.target import Arm
from harness.stats.bounds import critical_value
from harness.stats.compare import compare, looks
from harness.stats.samples import Sample
from harness.stats.serial import widening
from harness.stats.shift import FAMILY_SHARES, WEIGHTS, binomial_se, boundings, log_margin, pairs_to_settle
from tests.helpers.calls import calls_of
from tests.helpers.synthetic import DESIGN, POLICY, USUAL_S, World, compared, logins, table_of

P50, P95 = Metric("cold", "login", "p50"), Metric("cold", "login", "p95")
FAILURES = Metric("all", "login", "failure_rate")


def shift(comparison: Comparison, metric: Metric) -> QuantileShift:
    return next(s for s in comparison.shifts if s.metric == metric)


def test_a_shift_is_the_mean_log_ratio_of_the_blocks() -> None:
    ratios = [1.2, 1.3, 1.1, 1.2]
    cells: dict[tuple[int, Arm], list[float]] = {}
    for pair, ratio in enumerate([9.0, *ratios]):
        cells[pair, "baseline"], cells[pair, "candidate"] = [0.1] * 10, [0.1 * ratio] * 10
    found = shift(compare(logins(cells), DESIGN, POLICY, range(5)), P50)
    logs = np.log(ratios)
    assert found.differences == pytest.approx(logs)
    assert (found.pairs, found.estimate) == (4, pytest.approx(logs.mean()))
    assert found.se == pytest.approx(logs.std(ddof=1) / 2)
    assert (found.baseline, found.candidate) == (pytest.approx(0.1), pytest.approx(0.1 * math.exp(logs.mean())))
    assert found.high == math.inf


def test_the_error_of_a_false_block_is_split_by_family_and_then_by_what_a_statistic_buys() -> None:
    comparison = compared(World(pairs=8))
    for found in comparison.shifts:
        family = [s.metric for s in comparison.shifts if s.metric.family == found.metric.family]
        part = WEIGHTS[found.metric.statistic] / sum(WEIGHTS[metric.statistic] for metric in family)
        alpha = POLICY.alpha * FAMILY_SHARES[found.metric.family] * part / (1 - FAMILY_SHARES["headroom"])
        width = critical_value(alpha, 7, POLICY.looks.block_from, DESIGN.horizon_pairs - 1)
        assert found.low == pytest.approx(found.estimate - width * found.se)
    assert sum(FAMILY_SHARES.values()) == pytest.approx(1)


def test_the_upper_bound_has_the_whole_alpha_for_each_metric() -> None:
    found = shift(compared(World(pairs=24)), P50)
    old_enough = math.ceil(POLICY.looks.pass_after_s / DESIGN.pair_s) - POLICY.discard_pairs
    width = critical_value(POLICY.alpha, 23, old_enough, 39)
    assert found.high == pytest.approx(found.estimate + width * widening(found.differences) * found.se)


def test_the_detectable_slowdown_is_blocked_four_times_in_five() -> None:
    found = shift(compared(World(pairs=20)), P50)
    bounding = boundings(compared(World(pairs=20)).shifts, DESIGN, POLICY)[0]
    blocked = found.detectable + found.se * np.random.default_rng(1).standard_t(18, 20_000)
    assert np.mean(blocked - bounding.to_block(19) * found.se > found.margin) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(("baseline_s", "ratio"), [(1.0, 1.10), (0.005, 2.0), (0.05, 1.10)])
def test_a_margin_is_relative_with_a_floor_in_milliseconds(baseline_s: float, ratio: float) -> None:
    assert log_margin(Margin(relative=0.10, floor_ms=5), baseline_s) == pytest.approx(math.log(ratio))


def test_without_failures_a_few_logins_prove_nothing() -> None:
    few, many = (shift(compared(World(pairs=24, rate=rate)), FAILURES) for rate in (2, 60))
    assert few.estimate == many.estimate == 0
    assert few.high > few.margin
    assert 0 < many.high < many.margin


def test_the_binomial_floor_is_that_of_agresti_and_caffo() -> None:
    sample = Sample(FAILURES, 1, np.array([[0.0, 0.1], [0.0, 0.3]]), np.array([[10, 10], [10, 10]]))
    p = np.array([1 / 22, 5 / 22])
    assert binomial_se(sample) == pytest.approx(math.sqrt(sum(p * (1 - p) / 22)))


def test_arms_that_agree_to_the_nanosecond_are_still_not_known_exactly() -> None:
    cells = {(pair, arm): [0.006] * 10 for pair in range(22) for arm in ("baseline", "candidate")}
    found = shift(compare(logins(cells), DESIGN, POLICY, range(22)), P50)
    assert found.low < 0 < found.high < 0.05


@pytest.mark.parametrize("pairs", [0, 1, 2, 3])
def test_before_the_first_look_every_bound_is_open(pairs: int) -> None:
    comparison = compared(World(pairs=6), pairs=pairs)
    assert comparison.pairs == max(pairs - 1, 0)
    assert all((s.low, s.high, s.detectable) == (-math.inf, math.inf, math.inf) for s in comparison.shifts)
    assert comparison.candidate_p95_s == 0
    assert comparison.leak is None


def test_outages_are_blocks_in_which_the_candidate_fails_and_the_baseline_serves() -> None:
    table = table_of(World(pairs=6))
    status = np.array(table.status)
    status[(table.arm == 1) & np.isin(table.pair, [2, 3, 5])] = 2
    status[(table.arm == 0) & (table.pair == 5)] = 2
    assert compare(replace(table, status=status), DESIGN, POLICY, range(6)).outage_blocks == (2, 3)


def test_a_leak_shows_as_a_slope_and_steady_slowness_does_not() -> None:
    leak = compared(World(pairs=30, growth=0.03)).leak
    assert leak is not None
    assert leak.slope == pytest.approx(math.log(1.03), rel=0.2)
    assert leak.p_value < 0.001
    assert leak.minutes == pytest.approx(14, abs=0.6)
    steady = compared(World(pairs=30, factor=1.3)).leak
    assert steady is not None
    assert steady.p_value > 0.01


def test_a_leak_is_not_tested_with_fewer_than_six_pairs() -> None:
    assert compared(World(pairs=6)).leak is None
    assert compared(World(pairs=7)).leak is not None


def test_the_steps_parts_add_up_to_the_mean_login() -> None:
    table = table_of(World(pairs=8, factors={"ldap_bind": 1.5}))
    parts = compare(table, DESIGN, POLICY, range(8)).attribution
    used = (table.offset_s >= DESIGN.trim_s) & (table.pair >= 1)
    means = [table.response_s[used & (table.arm == arm)].mean() for arm in (0, 1)]
    assert sum(p.baseline_s for p in parts) == pytest.approx(means[0])
    assert sum(p.candidate_s for p in parts) == pytest.approx(means[1])
    assert max(parts, key=lambda p: p.added_s).step == "ldap_bind"


def test_what_a_fast_failure_costs_is_charged_to_the_step_that_failed() -> None:
    parts = {p.step: p for p in compared(World(pairs=6, failing=0.05, failing_step="kdc_tgs_ldap")).attribution}
    assert parts["kdc_tgs_ldap"].added_s == pytest.approx(0.05 * DESIGN.timeout_s, rel=0.3)
    assert parts["ldap_bind"].added_s < 0


def test_warm_logins_have_no_part_in_steps_that_they_skip() -> None:
    parts = compared(World(pairs=6, cold_share=0.5)).attribution
    assert {p.step for p in parts if p.cohort == "warm"} == {"ldap_bind", "ldap_groups"}
    assert {p.step for p in parts if p.cohort == "cold"} == set(USUAL_S)


def test_the_budget_is_held_against_a_lower_bound_of_the_candidates_p95() -> None:
    slow = compared(World(pairs=24, factor=30))
    usual = shift(slow, P95).candidate
    assert 0.9 * usual < slow.candidate_p95_s < usual < slow.candidate_p95_high_s < 1.2 * usual


def test_a_run_is_compared_at_each_look_as_if_it_had_ended_there() -> None:
    table = table_of(World(pairs=9))
    found = list(looks(table, DESIGN, POLICY, range(9)))
    assert [look.seen for look in found] == [4, 5, 6, 7, 8, 9]
    for look in found:
        whole = compare(table, DESIGN, POLICY, range(look.seen))
        assert [(s.metric, s.estimate, s.low, s.high) for s in look.shifts] == [
            (s.metric, s.estimate, s.low, s.high) for s in whole.shifts
        ]


def test_load_and_age_are_counted_in_seconds() -> None:
    comparison = compared(World(pairs=10))
    assert comparison.load_s == 300
    assert comparison.candidate_age_s in (285, 300)


def test_arms_measured_one_after_the_other_are_compared_all_the_same() -> None:
    assert compared(World(pairs=8), replace(DESIGN, interleaved=False)).shifts


def test_the_order_of_pairs_and_their_repetition_do_not_matter() -> None:
    table = table_of(World(pairs=6))
    there = compare(table, DESIGN, POLICY, range(6))
    back = compare(table, DESIGN, POLICY, [5, 4, 3, 2, 1, 0, 0])
    assert [s.estimate for s in there.shifts] == [s.estimate for s in back.shifts]
    assert there.load_s == back.load_s


def test_a_run_that_outlasts_its_plan_is_its_own_horizon() -> None:
    assert compared(World(pairs=12), replace(DESIGN, horizon_pairs=8)).pairs == 11


def test_pairs_to_settle_grow_as_the_estimate_nears_the_margin() -> None:
    comparison = compared(World(pairs=20))
    found, bounding = shift(comparison, P50), boundings(comparison.shifts, DESIGN, POLICY)[0]
    up = bounding.up(found.pairs, 0.03)
    far, near = (
        pairs_to_settle(replace(found, estimate=e, low=-1, high=e + up, se=0.03), bounding) for e in (0.0, 0.08)
    )
    assert POLICY.looks.pass_from <= far < near
    assert pairs_to_settle(replace(found, estimate=found.margin, low=-1, high=1), bounding) == math.inf


def test_a_comparison_of_half_a_million_logins_calls_no_more_functions_than_one_of_fifty_thousand() -> None:
    """All that is done login by login is done by numpy; `tests/benchmarks/bench_compare.py` prints the seconds."""
    few, many = (table_of(World(pairs=40, rate=rate, cold_share=0.7)) for rate in (42, 420))
    assert len(many) > 500_000
    few_calls, many_calls = (calls_of(partial(compare, each, DESIGN, Policy(), range(40))) for each in (few, many))
    assert many_calls < 2 * few_calls < len(many) / 10
