"""Changes of level are found where they are, and seldom where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.changepoints import LEAST_PART, LONGEST, change_points

LEVELS = st.lists(st.floats(-1e3, 1e3), max_size=30)


def noise(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=count)


@pytest.mark.parametrize("at", [5, 12, 20])
def test_a_step_is_found_where_it_is(at: int) -> None:
    values = noise(24)
    values[at:] += 5
    (found,) = change_points(list(values), 0.01)
    assert found.index == at
    assert found.after - found.before == pytest.approx(5, abs=1)
    assert found.p_value <= 0.01


def test_two_steps_are_found_one_by_one() -> None:
    values = np.concatenate([noise(15, 1), noise(15, 2) + 6, noise(15, 3) - 6])
    assert [found.index for found in change_points(list(values), 0.01)] == [15, 30]


def test_series_without_a_change_show_one_no_more_often_than_alpha() -> None:
    shown = sum(bool(change_points(list(noise(20, seed)), 0.1)) for seed in range(200))
    assert shown <= 30  # 10 % of 200, and three standard deviations of that


@given(LEVELS)
def test_what_is_too_short_or_constant_shows_nothing(values: list[float]) -> None:
    assert change_points(values[: 2 * LEAST_PART - 1], 0.5) == ()
    assert change_points([1.0] * len(values), 0.5) == ()


@given(LEVELS)
def test_another_unit_changes_neither_place_nor_p_value(values: list[float]) -> None:
    rounded = [round(value) for value in values]  # so that no rounding decides which split is larger
    here = change_points([float(v) for v in rounded], 0.05)
    there = change_points([float(4 * v + 8) for v in rounded], 0.05)
    assert [(one.index, one.p_value) for one in here] == [(one.index, one.p_value) for one in there]


def test_the_same_values_always_give_the_same_changes() -> None:
    values = [*noise(10), *(noise(10) + 2)]
    assert change_points(values, 0.05) == change_points(values, 0.05)


def test_of_a_long_series_the_last_values_are_searched() -> None:
    values = np.concatenate([noise(200), noise(LONGEST) * 0.01])
    values[-100:] += 1
    assert [found.index for found in change_points(list(values), 0.05)] == [len(values) - 100]
