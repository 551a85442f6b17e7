"""A leak grows, a cold start fades: each is found as planted, and neither is taken for the other."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model.attempt import Floats
from harness.model.comparison import LeakTest
from harness.model.metric import Metric
from harness.stats.leak import leak_test
from harness.stats.samples import Sample

P50 = Metric("cold", "login", "p50")
PAIRS, PAIR_MIN, SD = 60, 1 / 3, 0.05
AGE_MIN = (np.arange(PAIRS) + 0.5) * PAIR_MIN
RUNS = 200


def leak_of(shift: Floats, seed: int) -> LeakTest:
    """The test on a run whose D is ``shift`` and noise."""
    d = shift + np.random.default_rng(seed).normal(0, SD, PAIRS)
    values = 0.1 * np.exp(np.column_stack([np.zeros(PAIRS), d]))
    found = leak_test([Sample(P50, 1, values, np.full((PAIRS, 2), 300))], AGE_MIN)
    assert found is not None
    return found


def fading(added: float, minutes: float) -> Floats:
    return np.asarray(added * np.exp(-AGE_MIN / minutes))


def test_without_either_a_leak_or_a_fade_is_seen_no_more_often_than_promised() -> None:
    found = [leak_of(np.zeros(PAIRS), seed) for seed in range(1000)]
    assert np.mean([leak.p_value < 0.01 for leak in found]) < 0.025
    assert np.mean([leak.fade is not None for leak in found]) < 0.02


def test_a_cold_start_that_fades_is_found_and_is_no_leak() -> None:
    found = [leak_of(fading(0.4, 1.5), seed) for seed in range(RUNS)]
    fades = [leak.fade for leak in found if leak.fade is not None]
    assert len(fades) > 0.95 * RUNS
    assert np.median([fade.added for fade in fades]) == pytest.approx(0.4, rel=0.25)
    assert np.median([fade.minutes for fade in fades]) == pytest.approx(1.5, rel=0.4)
    assert np.mean([leak.p_value < 0.01 for leak in found]) < 0.04


def test_a_fade_does_not_hide_the_leak_beside_it() -> None:
    found = [leak_of(fading(0.4, 1.5) + 0.01 * AGE_MIN, seed) for seed in range(RUNS)]
    assert np.mean([leak.p_value < 0.001 for leak in found]) > 0.9
    assert np.median([leak.slope for leak in found]) == pytest.approx(0.01, rel=0.25)


def test_a_start_that_is_faster_is_no_cold_start() -> None:
    assert all(leak_of(fading(-0.4, 1.5), seed).fade is None for seed in range(20))


def test_p50_that_takes_groups_of_pairs_is_not_leak_of() -> None:
    values = np.full((10, 2), 0.1)
    assert leak_test([Sample(P50, 2, values, np.full((10, 2), 300))], AGE_MIN[:10]) is None
