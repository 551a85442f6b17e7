"""What pairs never average out: estimated as planted, and carried by the bounds as honestly as promised."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.model.metric import Metric
from harness.model.policy import LoginMargins, Margin, Margins
from harness.model.site import NO_SPREAD, UNCALIBRATED, Site, Spread
from harness.stats.compare import compare
from harness.stats.samples import Sample
from harness.stats.shift import Bounding, pairs_to_settle, shift_of
from harness.stats.spread import between_deployments, between_levels, levels_of, reach, too_often
from tests.helpers.synthetic import DESIGN, POLICY, World, table_of

TAU, PAIR_SD, PAIRS = 0.02, 0.09, 39
LOG_MARGIN = math.log(1.10)
P50 = Metric("cold", "login", "p50")
MARGINS = Margins(login=LoginMargins(p50=Margin(relative=0.10)))
PLAIN = Bounding(block_alpha=0.025, block_from=3, pass_alpha=0.025, pass_from=12, horizon=PAIRS)


def calibrated(runs: int, tau: float, rng: np.random.Generator) -> Spread:
    """The spread that so many A/A runs find, where deployments truly lie ``tau`` apart."""
    se = PAIR_SD / math.sqrt(PAIRS)
    return between_deployments(rng.normal(0, tau, runs) + rng.normal(0, se, runs), np.full(runs, se))


def test_a_planted_spread_between_deployments_is_found() -> None:
    rng = np.random.default_rng(1)
    assert calibrated(4000, TAU, rng).sd == pytest.approx(TAU, rel=0.05)
    assert calibrated(4000, 0.0, rng).sd < 0.2 * PAIR_SD / math.sqrt(PAIRS)


def test_a_lasting_difference_of_the_same_bits_is_spread_and_no_bias_to_be_taken_out() -> None:
    assert between_deployments(np.full(6, 0.05), np.full(6, 0.001)).sd == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize("runs", [3, 8])
def test_the_upper_limit_of_a_spread_holds_as_often_as_promised(runs: int) -> None:
    rng = np.random.default_rng(2)
    deployments = [calibrated(runs, TAU, rng).upper >= TAU for _ in range(1000)]
    levels = [between_levels(rng.normal(0, TAU, runs)).upper >= TAU for _ in range(1000)]
    assert np.mean(deployments) > 0.93 and np.mean(levels) > 0.93


def test_few_runs_can_t_tell_a_small_spread_from_none() -> None:
    se = 0.01
    few, many = (between_deployments(np.zeros(runs), np.full(runs, se)).sd for runs in (2, 200))
    assert few == pytest.approx(se) and many < 0.35 * se


def blocked_at_the_margin(runs: int, seed: int) -> tuple[float, float]:
    """How often a candidate at its margin blocks, deployed with its own effect: without and with a calibration."""
    rng = np.random.default_rng(seed)
    count = 400
    blocked = np.zeros(2)
    for _ in range(count):
        bounds = (PLAIN, replace(PLAIN, spread=calibrated(runs, TAU, rng)))
        d = LOG_MARGIN + rng.normal(0, TAU) + rng.normal(0, PAIR_SD, PAIRS)
        values = 0.1 * np.exp(np.column_stack([np.zeros(PAIRS), d]))
        for which, bounding in enumerate(bounds):
            blocked[which] += any(
                shift_of(Sample(P50, 1, values[:n], np.full((n, 2), 500)), bounding, MARGINS).low > LOG_MARGIN
                for n in range(12, PAIRS + 1, 3)
            )
    without, carried = blocked / count
    return float(without), float(carried)


@pytest.mark.parametrize("runs", [3, 8])
def test_at_the_margin_deployments_that_differ_block_no_more_often_than_promised(runs: int) -> None:
    without, carried = blocked_at_the_margin(runs, 3)
    # 10 of 400 are expected at most at 2.5 %; 20 or more have a chance of 0.3 %.
    assert carried <= 19 / 400
    assert without > 0.06


def test_no_spread_changes_no_bound_and_a_greater_one_widens_both() -> None:
    assert reach(NO_SPREAD, 0.025) == 0.0
    assert PLAIN.down(20, 0.01) == PLAIN.to_block(20) * 0.01 and PLAIN.up(20, 0.01) == PLAIN.to_pass(20) * 0.01
    wider = [replace(PLAIN, spread=Spread(sd, 5, sd)) for sd in (0.01, 0.02, math.inf)]
    for side in ("down", "up"):
        widths = [getattr(bounding, side)(20, 0.01) for bounding in (PLAIN, *wider)]
        assert widths == sorted(widths) and widths[0] < widths[1] and widths[-1] == math.inf


def test_no_number_of_pairs_settles_what_lies_within_the_spread_of_the_margin() -> None:
    values = 0.1 * np.exp(np.column_stack([np.zeros(PAIRS), np.random.default_rng(4).normal(0.2, PAIR_SD, PAIRS)]))
    shift = shift_of(Sample(P50, values, np.full((PAIRS, 2), 500), Margin(relative=0.10)), PLAIN, POLICY.margins)
    assert pairs_to_settle(shift, PLAIN) < PAIRS
    assert pairs_to_settle(shift, replace(PLAIN, spread=Spread(0.1, 4, 0.2))) == math.inf


def test_a_level_is_the_baseline_s_own() -> None:
    slow = levels_of(table_of(World(factor=2.0)), DESIGN, POLICY, range(12))
    plain = levels_of(table_of(World()), DESIGN, POLICY, range(12))
    assert slow == plain
    assert plain[P50] == pytest.approx(math.log(0.1), abs=0.1)
    assert plain[Metric("all", "login", "failure_rate")] == 0.0


@pytest.mark.parametrize(
    ("blocked", "runs", "bad"),
    [(0, 5, False), (1, 3, False), (2, 3, True), (1, 1, True), (1, 20, False), (0, 0, False)],
)
def test_a_site_errs_too_often_where_chance_within_alpha_can_t_explain_it(blocked: int, runs: int, bad: bool) -> None:
    assert too_often(blocked, runs, 0.025) is bad


STORED = replace(DESIGN, interleaved=False)


def known(table_world: World, runs: int = 8, day_sd: float = 0.03) -> Site:
    """A site whose levels were measured on so many days."""
    rng = np.random.default_rng(5)
    days = [levels_of(table_of(replace(table_world, seed=s)), STORED, POLICY, range(12)) for s in range(runs)]
    shifts = rng.normal(0, day_sd, runs)
    levels = {
        metric: between_levels(
            np.array([day[metric] for day in days]) + (shifts if metric.unit == "log_ratio" else 0.0)
        )
        for metric in days[0]
    }
    return Site(source="a file", runs=runs, levels=levels)


def test_a_shift_between_two_runs_never_blocks_without_a_calibration() -> None:
    table = table_of(World(factor=5.0))
    for shift in compare(table, STORED, POLICY, range(12), UNCALIBRATED).shifts:
        assert (shift.low, shift.high) == (-math.inf, math.inf)


def test_between_two_runs_a_gross_shift_blocks_and_a_day_s_difference_does_not() -> None:
    site = known(World())
    small, gross = (
        compare(table_of(World(factor=factor)), STORED, POLICY, range(12), site).shifts for factor in (1.13, 3.0)
    )
    assert not any(shift.low > shift.margin for shift in small)
    assert any(shift.low > shift.margin for shift in gross if shift.metric == P50)
