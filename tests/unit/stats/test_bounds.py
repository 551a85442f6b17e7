"""Repeated confidence bounds: they hold at every look, and their table is conservative where it must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from harness.stats.bounds import critical_value, spending_factor
from harness.stats.bounds_table import ALPHAS, A


@pytest.mark.parametrize(("n", "c"), [(6, 5.76), (12, 3.57), (19, 3.04), (39, 2.57)])
def test_the_critical_values_are_those_of_the_design(n: int, c: float) -> None:
    assert critical_value(0.025, n, first_look=6, horizon=39) == pytest.approx(c, rel=0.005)


@pytest.mark.parametrize(("first", "horizon", "alpha"), [(3, 12, 0.025), (3, 34, 0.004), (8, 21, 0.05)])
def test_all_looks_together_err_as_often_as_promised(first: int, horizon: int, alpha: float) -> None:
    x = np.random.default_rng(20).standard_normal((100_000, horizon))
    n = np.arange(first, horizon + 1)
    mean = x.cumsum(axis=1)[:, first - 1 :] / n
    sd = np.sqrt(((x**2).cumsum(axis=1)[:, first - 1 :] - n * mean**2) / (n - 1))
    width = np.array([critical_value(alpha, k, first, horizon) for k in n])
    wrong = (mean - width * sd / np.sqrt(n) > 0).any(axis=1).mean()
    assert wrong <= alpha + 3 * math.sqrt(alpha / len(x))
    assert wrong >= 0.85 * alpha


def test_no_look_is_taken_before_the_first() -> None:
    assert critical_value(0.025, 5, first_look=6, horizon=39) == math.inf
    assert critical_value(0.025, 2, first_look=3, horizon=2) == math.inf


def test_a_single_look_spends_all_of_alpha() -> None:
    assert critical_value(0.025, 12, first_look=12, horizon=12) == pytest.approx(stdtrit(11, 0.975), rel=0.002)


def test_a_smaller_error_a_longer_run_and_an_earlier_look_all_cost_width() -> None:
    for rows in A.values():
        table = np.array(list(rows.values()))
        assert (np.diff(table, axis=1) > 0).all()
        assert (np.diff(table, axis=0) < 0).all()
    assert spending_factor(0.01, 3, 39) < spending_factor(0.01, 6, 39) < spending_factor(0.01, 12, 39)


def test_the_table_lies_between_bonferroni_and_a_single_look() -> None:
    for first, rows in A.items():
        for horizon, row in rows.items():
            for alpha, a in zip(ALPHAS, row, strict=True):
                assert alpha * horizon / sum(range(first, horizon + 1)) * 0.999 <= a <= alpha


def test_a_first_look_between_those_of_the_table_takes_the_earlier() -> None:
    assert spending_factor(0.02, 5, 39) == spending_factor(0.02, 3, 39)
    assert spending_factor(0.02, 40, 59) == spending_factor(0.02, 24, 59)


@pytest.mark.parametrize("alpha", [1e-7, 9e-6, 1.1e-5, 0.049, 0.051, 0.1])
def test_errors_beyond_the_table_err_towards_wider_bounds(alpha: float) -> None:
    ratio = spending_factor(alpha, 3, 39) / alpha
    nearest = min(max(alpha, ALPHAS[0]), ALPHAS[-1])
    assert 0 < ratio <= spending_factor(nearest, 3, 39) / nearest * 1.0001


def test_runs_longer_than_the_table_get_wider_bounds_still() -> None:
    assert spending_factor(0.025, 3, 480) < spending_factor(0.025, 3, 239)
    assert spending_factor(0.025, 3, 480) > 0.8 * spending_factor(0.025, 3, 239)


@pytest.mark.parametrize(
    ("alpha", "n", "first", "message"),
    [(0.0, 5, 3, "alpha"), (0.2, 5, 3, "alpha"), (0.02, 5, 2, "first look"), (0.02, 13, 3, "at most 12 pairs")],
)
def test_what_was_not_calibrated_is_refused(alpha: float, n: int, first: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        critical_value(alpha, n, first, 12)
