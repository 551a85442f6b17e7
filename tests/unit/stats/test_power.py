"""How many pairs a run needs: enough, not more, and as simulation says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.errors import RunError
from harness.model.calibration import Noise
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.site import Spread
from harness.record.calibration import save
from harness.stats.bounds import critical_value
from harness.stats.power import pairs_needed
from harness.studies.planning import needs, read_noise
from tests.helpers.calibrations import CALIBRATION


def test_more_noise_or_less_distance_never_needs_fewer_pairs() -> None:
    by_noise = [pairs_needed(sd, 0.1, 0.025, 6, 0.8) for sd in (0.01, 0.05, 0.1, 0.2)]
    by_distance = [pairs_needed(0.1, d, 0.025, 6, 0.8) for d in (0.3, 0.1, 0.05, 0.02)]
    assert by_noise == sorted(by_noise) and by_distance == sorted(by_distance)
    assert by_noise[0] == 6


def test_what_no_number_of_pairs_can_show_needs_infinitely_many() -> None:
    assert pairs_needed(0.1, 0.0, 0.025, 6, 0.8) == math.inf
    assert pairs_needed(0.1, -0.1, 0.025, 6, 0.8) == math.inf
    assert pairs_needed(10.0, 0.01, 0.025, 6, 0.8) == math.inf


@pytest.mark.parametrize(("sd", "distance"), [(0.09, 0.095), (0.09, 0.06), (0.05, 0.1)])
def test_a_run_of_so_many_pairs_clears_its_distance_as_often_as_promised(sd: float, distance: float) -> None:
    pairs = int(pairs_needed(sd, distance, 0.025, 6, 0.8))
    rng = np.random.default_rng(2016)
    draws = rng.normal(0.0, sd, (4000, pairs))
    bound = draws.mean(axis=1) + critical_value(0.025, pairs, 6, pairs) * draws.std(axis=1, ddof=1) / math.sqrt(pairs)
    assert (bound < distance).mean() > 0.77


P50 = Noise(Metric("cold", "login", "p50"), pair_sd=0.09, margin=math.log(1.1), detectable=0.2)
FAILURES = Noise(Metric("all", "login", "failure_rate"), pair_sd=0.001, margin=0.002, detectable=math.inf)


def test_a_slowdown_within_the_margin_is_never_blocked_and_one_far_beyond_it_soon() -> None:
    within, beyond = (needs([P50], Policy(), slowdown)[0] for slowdown in (0.05, 1.0))
    assert within.to_block == math.inf
    assert 3 <= beyond.to_block < beyond.to_pass < 100


def test_what_two_deployments_differ_by_is_not_averaged_out_by_more_pairs() -> None:
    apart = [replace(P50, deployments=Spread(sd, 8, sd)) for sd in (0.0, 0.01, 0.02, 0.1)]
    for name in ("to_pass", "to_block"):
        pairs = [getattr(needs([noise], Policy(), 0.2)[0], name) for noise in apart]
        assert pairs == sorted(pairs) and pairs[0] < pairs[2] < pairs[3] == math.inf
        assert pairs[0] == getattr(needs([P50], Policy(), 0.2)[0], name)


def test_noise_is_read_from_a_calibration_s_file(tmp_path: Path) -> None:
    save(replace(CALIBRATION, noise=(P50, FAILURES)), tmp_path / "calibration.json")
    assert read_noise(tmp_path / "calibration.json") == (P50, FAILURES)
    with pytest.raises(RunError, match="No such file"):
        read_noise(tmp_path / "none.json")
