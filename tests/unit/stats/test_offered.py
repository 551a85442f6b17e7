"""Whether arms were loaded alike, by their logins pair by pair: planted differences, and how often equal arms err."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.stats.offered import Unlike, unlike

Counts = np.ndarray[tuple[int, int], np.dtype[np.int64]]
IMBALANCE = 0.02


def poisson(rng: np.random.Generator, pairs: int, mean: float, fewer: float) -> Counts:
    return np.stack([rng.poisson(mean, pairs), rng.poisson(mean * (1 - fewer), pairs)], axis=1)


def timetable(rng: np.random.Generator, pairs: int, mean: float, fewer: float) -> Counts:
    return np.rint([mean, mean * (1 - fewer)]).astype(np.int64) + rng.integers(-1, 2, (pairs, 2))


def one_list(rng: np.random.Generator, pairs: int, mean: float, fewer: float) -> Counts:
    due = rng.poisson(mean, pairs)
    return np.stack([due, rng.binomial(due, 1 - fewer)], axis=1)


def crowds(rng: np.random.Generator, pairs: int, mean: float, fewer: float) -> Counts:
    busy = np.exp(rng.normal(0, 0.2, (pairs, 2)))
    return rng.poisson(mean * busy * [1, 1 - fewer])


ARRIVALS: dict[str, Callable[[np.random.Generator, int, float, float], Counts]] = {
    "poisson": poisson, "timetable": timetable, "one list": one_list, "crowds": crowds,
}  # fmt: skip


def judged(counts: Counts, waits: bool = False) -> Unlike | None:
    return unlike(counts, np.full(counts.shape, 14.9), waits, IMBALANCE, np.inf)


@pytest.mark.parametrize("how", ARRIVALS)
@pytest.mark.parametrize(("pairs", "mean"), [(8, 150), (40, 750)])
def test_arms_that_are_loaded_alike_are_told_apart_once_in_a_hundred_runs_at_most(
    how: str, pairs: int, mean: float
) -> None:
    rng = np.random.default_rng(2016)
    apart = sum(judged(ARRIVALS[how](rng, pairs, mean, 0.0)) is not None for _ in range(400))
    assert apart <= (12 if how == "crowds" else 8)  # 1 %, and its chance excess; crowds err more in few pairs


@pytest.mark.parametrize("how", ["poisson", "timetable", "one list"])
@pytest.mark.parametrize(("pairs", "mean"), [(14, 150), (40, 750)])
def test_a_candidate_that_got_15_percent_fewer_logins_was_not_loaded_alike(how: str, pairs: int, mean: float) -> None:
    rng = np.random.default_rng(2016)
    found = [judged(ARRIVALS[how](rng, pairs, mean, 0.15)) for _ in range(100)]
    assert sum(one is not None and one.candidate < one.baseline for one in found) >= 97


def test_a_difference_that_the_policy_allows_is_none_however_sure() -> None:
    even = np.tile([1000, 985], (40, 1))
    assert judged(even) is None
    assert judged(np.tile([1000, 970], (40, 1))) == Unlike("logins", 40_000, 38_800)
    assert judged(np.tile([970, 1000], (40, 1))) == Unlike("logins", 38_800, 40_000)


def test_where_logins_wait_for_answers_their_own_spread_decides() -> None:
    rng = np.random.default_rng(1)
    slower = np.rint(700 * np.exp(rng.normal(0, 0.09, (400, 8, 2)))).astype(np.int64)
    assert sum(judged(one, waits=True) is not None for one in slower) <= 8
    assert judged(np.array([[1000, 500]] * 2), waits=True) is None


def test_blocks_of_equal_counts_that_take_one_arm_longer_are_not_loaded_alike() -> None:
    rng = np.random.default_rng(1)
    counts = np.full((12, 2), 600)
    spans = np.array([60.0, 66.0]) * np.exp(rng.normal(0, 0.01, (12, 2)))
    found = unlike(counts, spans, False, IMBALANCE, 0.002)
    assert found is not None
    assert found.what == "logins a second"
    assert (found.baseline, found.candidate) == (pytest.approx(10, rel=0.05), pytest.approx(9.1, rel=0.05))
    assert unlike(counts, spans, False, IMBALANCE, np.inf) is None
    assert unlike(counts, np.full((12, 2), 60.0), False, IMBALANCE, 0.002) is None


def test_nothing_is_said_of_no_logins() -> None:
    assert judged(np.zeros((3, 2), dtype=np.int64)) is None
    assert unlike(np.ones((1, 2), dtype=np.int64), np.zeros((1, 2)), False, IMBALANCE, 0.002) is None
