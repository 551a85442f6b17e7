"""Bounds for a PASS where a few noisy pairs would decide the plain ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.gate.words import in_bursts
from harness.model.comparison import QuantileShift
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.stats.robust import trimmed
from harness.stats.samples import Sample
from harness.stats.shift import boundings, shift_of
from tests.helpers.synthetic import DESIGN, POLICY

PAIRS = DESIGN.horizon_pairs - POLICY.discard_pairs
P50, P99 = Metric("cold", "login", "p50"), Metric("cold", "login", "p99")
SLOW, FAILED = Metric("all", "login", "slow_rate"), Metric("all", "login", "failure_rate")


def shift(metric: Metric, values: np.ndarray) -> QuantileShift:
    sample = Sample(metric, 1, values, np.full(values.shape, 250))
    (bounding,) = boundings([sample], DESIGN, POLICY)
    return shift_of(sample, bounding, Policy().margins)


def times(differences: np.ndarray) -> np.ndarray:
    return 0.3 * np.exp(np.column_stack([np.zeros(len(differences)), differences]))


def rates(baseline: dict[int, float], candidate: dict[int, float], usual: float = 0.0) -> np.ndarray:
    """By block and arm, ``usual`` but in the pairs that are given."""
    values = np.full((PAIRS, 2), usual)
    for arm, blocks in enumerate((baseline, candidate)):
        for pair, share in blocks.items():
            values[pair, arm] = share
    return values


@pytest.fixture
def quiet() -> np.ndarray:
    return np.random.default_rng(4).normal(0.0, 0.03, PAIRS)


def test_a_neighbour_in_a_few_pairs_of_either_arm_does_not_hold_a_pass_back(quiet: np.ndarray) -> None:
    quiet[[3, 11, 20, 25, 31, 36]] = 0.9, -0.9, 0.8, -0.8, 0.7, -0.7
    found = shift(P50, times(quiet))
    plain = found.estimate + (found.estimate - found.low)
    assert found.high < found.margin < plain
    assert shift(P99, times(quiet)).high > found.high


def test_what_an_update_does_in_a_few_pairs_counts_in_full(quiet: np.ndarray) -> None:
    quiet[[3, 11, 20]] = 1.3
    found = shift(P50, times(quiet))
    assert trimmed(quiet).estimate < 0.3 * found.margin < found.margin < found.high
    assert found.estimate == pytest.approx(quiet.mean())


def test_robust_bounds_err_no_more_often_than_promised_at_all_looks_together() -> None:
    rng = np.random.default_rng(7)
    noisy = rng.normal(0.0, 0.09, (400, PAIRS)) * np.where(rng.uniform(size=(400, PAIRS)) < 0.1, 5.0, 1.0)
    for pairs in (rng.normal(0.0, 0.09, (400, PAIRS)), noisy):
        wrong = [any(shift(P50, times(run[:n])).high < 0.0 for n in range(21, PAIRS + 1)) for run in pairs]
        assert np.mean(wrong) < 0.025 + 2 * np.sqrt(0.025 * 0.975 / 400)


def test_one_block_in_trouble_on_each_arm_does_not_hold_a_pass_back() -> None:
    found = shift(SLOW, rates({9: 0.5}, {30: 0.45}))
    assert found.high < found.margin < found.estimate + (found.estimate - found.low)
    assert shift(FAILED, rates({9: 0.5}, {30: 0.45})).high > found.margin


def test_slow_logins_beyond_the_margin_never_pass_in_however_few_blocks() -> None:
    assert shift(SLOW, rates({}, {30: 0.5})).high > POLICY.margins.slow_rate
    for each in (0.015, 0.02, 0.3):
        assert shift(SLOW, rates({}, dict.fromkeys(range(0, PAIRS, 6), each))).high > POLICY.margins.slow_rate


@pytest.mark.parametrize("logins", [8, 16, 75, 250])
def test_slow_logins_one_by_one_at_the_margin_seldom_pass_however_few_a_block_holds(logins: int) -> None:
    rng, margin = np.random.default_rng(5), POLICY.margins.slow_rate
    design = replace(DESIGN, horizon_pairs=round(40_000 / logins))
    counts = np.full((design.horizon_pairs - POLICY.discard_pairs, 2), logins)
    passed = []
    for _ in range(300):
        slow = rng.binomial(logins, [0.001, 0.001 + margin], counts.shape)
        sample = Sample(SLOW, 1, slow / logins, counts)
        (bounding,) = boundings([sample], design, POLICY)
        found = shift_of(sample, bounding, POLICY.margins)
        passed.append(found.high < found.margin)
    assert np.mean(passed) < 0.025 + 2 * np.sqrt(0.025 * 0.975 / 300)


def test_an_update_that_makes_bursts_of_its_own_is_blocked() -> None:
    found = shift(SLOW, rates({5: 0.4}, dict.fromkeys(range(0, PAIRS, 3), 0.5)))
    assert found.low > found.margin


def test_a_rate_without_a_block_in_trouble_has_its_plain_bounds() -> None:
    values = np.random.default_rng(2).binomial(250, 0.004, (PAIRS, 2)) / 250
    slow, failed = shift(SLOW, values), shift(FAILED, values)
    assert values.max() < 0.02 and slow.high == pytest.approx(failed.high)


def test_the_reader_is_told_which_pairs_hold_what_a_rate_differs_in() -> None:
    bursts = shift(SLOW, rates({4: 0.5, 9: 0.2}, {17: 0.4}, usual=0.001))
    assert in_bursts(bursts) == "3 of 39 pairs hold 90 % of what differs, 2 of them on the baseline"
    assert in_bursts(shift(SLOW, rates({}, dict.fromkeys(range(0, PAIRS, 2), 0.01)))) == ""
    assert in_bursts(shift(SLOW, rates({}, {}))) == in_bursts(shift(P50, times(np.zeros(PAIRS)))) == ""
