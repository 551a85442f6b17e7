"""Capacity from ladders: what a rung says, what a ladder says, and planted truth in simulated servers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.attempt import STATUSES, AttemptTable, Floats, StepColumns
from harness.model.capacity import Budget, Rung, Times
from harness.model.comparison import Design
from harness.model.target import ARMS, Arm
from harness.stats.capacity import LADDER_RESOLUTION, compare_capacities, ladder_capacity, limited_by_budget, rungs_of
from harness.stats.ladders import all_are_past, bracket, coarse_rates, fine_rates, first_failure
from tests.benchmarks.operating_characteristics.ladders import planted, searched
from tests.benchmarks.operating_characteristics.world import Candidate, served

DESIGN = Design(block_s=15.0, trim_s=4.0, horizon_pairs=1, timeout_s=10.0)
BUDGET = Budget(within_s=3.0, failure_rate=0.002)


def rung(rate: float, state: str = "sustained", served: float = 0.0, growing: bool = False) -> Rung:
    times = Times(0.2, 0.4)
    return Rung(rate, rate, served or rate, 300, 0.0, 0.0, times, {}, state, growing, "")  # type: ignore[arg-type]


def table_of(offsets: Floats, response_s: Floats, status: Sequence[str] | None = None) -> AttemptTable:
    """One block of the baseline's logins."""
    n = len(offsets)
    codes = np.array([STATUSES.index(s) for s in status or ["ok"] * n], dtype=np.int8)  # type: ignore[arg-type]
    return AttemptTable(
        arm=np.zeros(n, dtype=np.int8), block=np.zeros(n, dtype=np.int64), pair=np.zeros(n, dtype=np.int64),
        offset_s=offsets, intended_s=offsets.copy(), cohort=np.zeros(n, dtype=np.int8), status=codes,
        response_s=response_s, service_s=response_s.copy(),
        steps={"kdc_as": StepColumns(np.arange(n), response_s / 2, codes.copy())},
    )  # fmt: skip


def read(table: AttemptTable, fault: str = "") -> Rung:
    (found,) = rungs_of(table, "baseline", [20.0], DESIGN, BUDGET, {0: fault} if fault else {})
    return found


def queue(rate: float, servers: int, hold_s: float, seed: int, fixed_s: float = 0.0) -> AttemptTable:
    """Poisson arrivals at servers that hold each login for a fixed time; capacity is servers / hold_s."""
    rng = np.random.default_rng(seed)
    offsets = np.sort(rng.uniform(0, DESIGN.block_s, rng.poisson(rate * DESIGN.block_s)))
    ended = served(offsets[None, :], np.full((1, len(offsets)), hold_s), np.array([servers]))[0]
    return table_of(offsets, ended - offsets + fixed_s)


EVEN = np.linspace(0, 14.99, 300)


def test_a_quick_steady_rung_is_sustained_and_its_times_are_reported() -> None:
    found = read(table_of(EVEN, np.full(300, 0.2)))
    assert (found.state, found.why, found.growing) == ("sustained", "", False)
    assert found.login == Times(pytest.approx(0.2), pytest.approx(0.2))
    assert found.steps["kdc_as"].mean_s == pytest.approx(0.1)
    assert found.served == pytest.approx(20, rel=0.02)


def test_a_steady_rung_whose_p95_is_beyond_the_budget_failed_without_growing() -> None:
    found = read(table_of(EVEN, np.where(np.arange(300) % 10 == 0, 3.5, 0.2)))
    assert (found.state, found.growing) == ("failed", False)
    assert "p95 3.5 s, 3 s allowed" in found.why


def test_a_queue_that_grows_fails_long_before_its_budget_is_used_up() -> None:
    found = read(queue(rate=33, servers=6, hold_s=0.2, seed=1))  # 10 % too much
    assert found.login.p95_s < 3
    assert (found.state, found.growing) == ("failed", True)
    assert found.served == pytest.approx(30, rel=0.03)


def test_a_long_way_to_the_servers_is_neither_growth_nor_a_loss_of_what_is_served() -> None:
    found = read(queue(rate=20, servers=6, hold_s=0.2, seed=2, fixed_s=2.5))
    assert found.state == "sustained"
    overloaded = read(queue(rate=40, servers=6, hold_s=0.2, seed=2, fixed_s=2.5))
    assert overloaded.served == pytest.approx(30, rel=0.05)


def test_one_failure_in_many_logins_is_chance_and_many_are_not() -> None:
    fine = ["ok"] * 300
    assert read(table_of(EVEN, np.full(300, 0.2), [*fine[:-1], "error"])).state == "sustained"
    many = ["error" if i % 50 == 49 else "ok" for i in range(300)]
    found = read(table_of(EVEN, np.full(300, 0.2), many))
    assert found.state == "failed"
    assert "logins failed" in found.why


def test_a_rung_that_a_late_generator_spoiled_is_unknown_and_never_the_servers_failure() -> None:
    slow = table_of(EVEN, np.full(300, 5.0))
    assert read(slow).state == "failed"
    found = read(slow, fault="logins were sent late")
    assert found.state == "unknown"
    assert "sent late" in found.why
    assert read(table_of(EVEN, np.full(300, 0.2)), fault="logins were sent late").state == "sustained"


def test_too_few_logins_say_nothing() -> None:
    assert read(table_of(EVEN[:85], np.full(85, 0.2))).state == "unknown"


def test_a_ladder_sustained_to_its_top_says_at_least_that_and_one_never_sustained_says_below() -> None:
    top = ladder_capacity([rung(20), rung(30)], by_budget=False)
    assert (top.estimate, top.low, top.high) == (None, pytest.approx(30), math.inf)
    none = ladder_capacity([rung(20, "failed"), rung(30, "failed")], by_budget=False)
    assert (none.estimate, none.low, none.high) == (None, 0.0, pytest.approx(20))


def test_a_generator_that_gives_out_first_leaves_the_capacity_open_above() -> None:
    found = ladder_capacity([rung(20), rung(30), rung(40, "unknown"), rung(50, "unknown")], by_budget=False)
    assert (found.estimate, found.low, found.high) == (None, pytest.approx(30), math.inf)


@pytest.mark.parametrize("servers", [1, 6, 20])
def test_the_capacity_of_servers_with_a_known_hold_is_found_within_three_percent(servers: int) -> None:
    hold_s = servers / 30.0
    errors = []
    for seed in range(6):
        rates = [24 * 1.05 ** (i + seed / 6) for i in range(12)]
        rungs = [
            rungs_of(queue(rate, servers, hold_s, 100 * seed + i), "baseline", [rate], DESIGN, BUDGET, {})[0]
            for i, rate in enumerate(rates)
        ]
        found = ladder_capacity(rungs, by_budget=False)
        assert found.estimate is not None
        errors.append(math.log(found.estimate / 30.0))
    assert abs(np.mean(errors)) < 0.03
    assert np.std(errors) < 0.05


def test_where_the_budget_limits_what_was_served_beyond_it_is_no_capacity() -> None:
    rungs = [rung(20), rung(24), rung(28, "failed"), rung(32, "failed"), rung(40, "failed", served=36, growing=True)]
    assert limited_by_budget([rungs])
    by_budget = ladder_capacity(rungs, by_budget=True).estimate
    assert by_budget is not None
    assert 24 < by_budget < 28
    growing = [rung(20), rung(24), rung(40, "failed", served=36, growing=True)]
    assert not limited_by_budget([growing])


LADDER = [rung(20), rung(25), rung(30), rung(36, "failed", served=30, growing=True)]


def shifted(ladder: Sequence[Rung], factor: float) -> list[Rung]:
    return [replace(r, rate=factor * r.rate, offered=factor * r.offered, served=factor * r.served) for r in ladder]


def of(baseline: Sequence[Sequence[Rung]], candidate: Sequence[Sequence[Rung]]) -> list[dict[Arm, Sequence[Rung]]]:
    return [dict(zip(ARMS, pair, strict=True)) for pair in zip(baseline, candidate, strict=True)]


def test_ladders_that_agree_exactly_are_not_taken_for_exact() -> None:
    shift = compare_capacities(of([LADDER] * 5, [LADDER] * 5), 0.1, 0.025).shift
    assert shift.estimate == pytest.approx(0)
    assert shift.high - shift.low > LADDER_RESOLUTION


def test_a_baseline_that_was_never_brought_down_can_show_a_loss_and_no_more() -> None:
    held = [rung(20), rung(30), rung(40), rung(60)]
    shift = compare_capacities(of([held] * 3, [LADDER] * 3), 0.1, 0.025).shift
    assert shift.estimate is None
    assert shift.low == -math.inf
    assert shift.high < shift.margin
    back = compare_capacities(of([LADDER] * 3, [held] * 3), 0.1, 0.025).shift
    assert back.high == math.inf
    assert back.low > 0


@given(st.floats(0.2, 5.0), st.lists(st.floats(0.9, 1.1), min_size=3, max_size=5))
@settings(max_examples=25)
def test_scaling_every_rate_scales_capacities_and_leaves_the_change_alone(factor: float, noise: list[float]) -> None:
    before = [shifted(LADDER, x) for x in noise]
    after = [shifted(LADDER, 0.8 * x) for x in reversed(noise)]
    plain = compare_capacities(of(before, after), 0.1, 0.025)
    scaled = compare_capacities(
        of([shifted(x, factor) for x in before], [shifted(x, factor) for x in after]), 0.1, 0.025
    )
    assert scaled.shift.low == pytest.approx(plain.shift.low, abs=1e-4)
    assert scaled.shift.high == pytest.approx(plain.shift.high, abs=1e-4)
    one, other = (c.arms["baseline"].over_all.estimate for c in (plain, scaled))
    assert one is not None and other == pytest.approx(factor * one, rel=1e-4)


def test_one_failure_between_two_sustained_rungs_is_an_accident_of_the_moment() -> None:
    assert first_failure([rung(1), rung(2, "failed"), rung(3), rung(4, "failed"), rung(5, "failed")]) == 3
    assert first_failure([rung(1), rung(2), rung(3, "failed")]) == 2
    assert first_failure([rung(1), rung(2)]) is None
    assert bracket([rung(1), rung(2), rung(3, "failed"), rung(4, "failed")]) == (2, 3)


def test_the_coarse_sweep_goes_on_until_every_arm_has_failed_twice_in_a_row() -> None:
    past, not_yet = [rung(1), rung(2, "failed"), rung(3, "failed")], [rung(1), rung(2, "failed"), rung(3)]
    assert all_are_past({"baseline": past, "candidate": past})
    assert not all_are_past({"baseline": past, "candidate": not_yet})


@given(st.floats(1, 100), st.floats(1.2, 10), st.floats(1.02, 3), st.floats(0, 0.99))
@settings(max_examples=50)
def test_the_coarse_sweep_s_rates_rise_by_one_ratio_and_stay_within_what_was_asked(
    lowest: float, times: float, step: float, shift: float
) -> None:
    rates = coarse_rates(lowest, lowest * times, step, shift)
    assert all(lowest * (1 - 1e-9) <= rate <= lowest * times * (1 + 1e-6) for rate in rates)
    assert np.allclose(np.diff(np.log(rates)), math.log(step))


@given(st.integers(1, 8), st.integers(1, 8), st.integers(4, 20), st.floats(0, 0.99))
@settings(max_examples=50)
def test_fine_rungs_lie_around_both_capacities_and_never_above_what_was_asked(
    first: int, second: int, rungs: int, shift: float
) -> None:
    rates = coarse_rates(10, 60, 1.2)
    coarse = {
        arm: [rung(rate, "sustained" if i < held else "failed") for i, rate in enumerate(rates)]
        for arm, held in zip(ARMS, (first, second), strict=True)
    }
    found = fine_rates(coarse, 60, rungs, shift)
    assert found is not None
    assert list(found) == sorted(found)
    assert min(found) >= 10 * (1 - 1e-9) and max(found) <= 60 * (1 + 1e-9)
    assert max(found) > rates[max(first, second) - 1]
    close = [rate for rate in found if rate >= 0.9 * rates[min(first, second) - 1]]
    assert len(close) >= rungs - 1


def test_where_no_arm_failed_in_the_coarse_sweep_there_is_no_fine_ladder() -> None:
    held = [rung(10), rung(20)]
    assert fine_rates({"baseline": held, "candidate": held}, 20, 12, 0.0) is None


@pytest.mark.slow
def test_equal_arms_are_not_blocked_and_a_lost_server_of_a_pool_is_in_simulated_searches() -> None:
    equal = [searched(Candidate(), (3, run)) for run in range(4)]
    lost = [searched(Candidate(lost="ldap_bind"), (3, run)) for run in range(4)]
    assert not any(found.shift.high < found.shift.margin for found in equal)
    assert not any(found.shift.low > found.shift.margin for found in lost)
    assert sum(found.shift.high < found.shift.margin for found in lost) >= 3
    for arm, truth in (("baseline", planted()), ("candidate", planted("ldap_bind"))):
        logs = [
            math.log(found.arms[arm].over_all.estimate / truth)  # type: ignore[index, operator]
            for found in lost
        ]
        assert abs(np.mean(logs)) < 0.05


def test_a_rung_whose_logins_all_came_early_is_read_as_it_is() -> None:
    found = read(table_of(np.linspace(4.0, 6.0, 300), np.full(300, 0.2)))
    assert (found.state, found.growing) == ("sustained", False)
