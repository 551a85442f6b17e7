"""What a calibration keeps of its runs."""

from __future__ import annotations

import math

import pytest

from harness.studies.calibrate import noise_of
from tests.helpers.comparisons import comparison, shift


def test_the_noise_of_a_quantile_is_that_of_runs_with_groups_of_the_usual_size() -> None:
    of_one = comparison(shift(-0.1, 0.0, 0.1, grouped=1, pairs=20, se=0.02))
    of_two = comparison(shift(-0.1, 0.0, 0.1, grouped=2, pairs=10, se=0.01))
    (noise,) = noise_of([of_two, of_one, of_one])
    assert noise.pair_sd == pytest.approx(0.02 * math.sqrt(20))
    assert noise.pairs_each == 1
