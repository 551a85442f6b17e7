"""The queueing model against formulas that are known and queues that are simulated, and what it declines to say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.model.capacity import Extrapolation, Span
from harness.stats.queueing import PREDICTED_TO, Observed, _jackknife, extrapolate, fit, waiting
from tests.benchmarks.operating_characteristics.world import served

ALPHA = 0.025


def rungs(saturation: float, servers: int, ladders: int = 5, noise: float = 0.0, up_to: float = 0.93) -> Observed:
    """Rungs that follow the model, with a mean of 0.2 s and a p95 of 0.4 s in an idle system."""
    rng = np.random.default_rng(5)
    ladder = np.repeat(np.arange(ladders), 8).astype(float)
    rate = np.tile(np.linspace(0.3, up_to, 8) * saturation, ladders)
    q = waiting(rate / saturation, np.array([servers]))[0]
    jitter = np.exp(noise * rng.standard_normal((2, len(rate))))
    return Observed(ladder, rate, (0.2 + 0.01 * q) * jitter[0], (0.4 + 0.03 * q) * jitter[1])


def known(saturation: float, ladders: int = 5, spread: float = 0.0) -> tuple[list[Span], Span]:
    each = [saturation * math.exp(spread * (i - (ladders - 1) / 2)) for i in range(ladders)]
    return [Span(value, value, value) for value in each], Span(saturation, 0.97 * saturation, 1.03 * saturation)


def predicted(observed: Observed, peak: float | None, saturation: float = 80.0, spread: float = 0.01) -> Extrapolation:
    return extrapolate("login", observed, *known(saturation, spread=spread), peak, ALPHA)


@pytest.mark.parametrize("servers", [1, 4, 16])
def test_a_queue_that_follows_the_model_is_found_again(servers: int) -> None:
    found = fit(rungs(80.0, servers), 80.0)
    assert found.servers == servers
    assert found.fixed == (pytest.approx(0.2, rel=1e-3), pytest.approx(0.4, rel=1e-3))
    assert found.queue == (pytest.approx(0.01, rel=1e-2), pytest.approx(0.03, rel=1e-2))
    assert found.error < 1e-3
    assert found.at(80.0) is None


def test_one_server_waits_as_in_the_mm1_queue() -> None:
    load = np.array([0.2, 0.5, 0.9])
    assert waiting(load, np.array([1]))[0] == pytest.approx(load / (1 - load))


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 5])
def test_simulated_mmc_queues_are_predicted_within_a_tenth_at_three_quarters_of_their_saturation(servers: int) -> None:
    rng = np.random.default_rng(servers)
    saturation, n = 50.0, 60_000
    service_s = servers / saturation

    def measured(load: float) -> tuple[float, float]:
        due = np.cumsum(rng.exponential(1 / (load * saturation), n))[None, :]
        times = served(due, rng.exponential(service_s, (1, n)), np.array([servers])) - due
        return float(times[0, n // 10 :].mean()), float(np.quantile(times[0, n // 10 :], 0.95))

    loads = np.array([0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9])
    mean_s, p95_s = np.array([measured(load) for load in loads]).T
    observed = Observed(np.arange(8.0) % 2, loads * saturation, mean_s, p95_s)
    found = fit(observed, saturation).at(0.75 * saturation)
    truth = measured(0.75)
    assert found is not None
    assert found[0] == pytest.approx(truth[0], rel=0.1)
    assert found[1] == pytest.approx(truth[1], rel=0.1)


def test_at_the_stated_peak_the_interval_holds_what_was_planted() -> None:
    found = predicted(rungs(80.0, 4, noise=0.05), 50.0)
    assert found.refused == ""
    assert found.at_peak is not None and found.at_peak.mean_s is not None and found.at_peak.p95_s is not None
    q = float(waiting(np.array([50 / 80]), np.array([4]))[0, 0])
    assert found.at_peak.mean_s.low < 0.2 + 0.01 * q < found.at_peak.mean_s.high
    assert found.at_peak.p95_s.low < 0.4 + 0.03 * q < found.at_peak.p95_s.high


def test_near_saturation_only_a_lower_bound_is_told_and_beyond_it_that_the_arm_is_saturated() -> None:
    near = predicted(rungs(80.0, 4, noise=0.05), (PREDICTED_TO + 0.05) * 80).at_peak
    assert near is not None and near.mean_s is not None
    assert near.mean_s.estimate is None and near.mean_s.high == math.inf and near.mean_s.low > 0.2
    beyond = predicted(rungs(80.0, 4, noise=0.05), 90.0).at_peak
    assert beyond is not None
    assert (beyond.mean_s, beyond.p95_s) == (None, None)


def test_where_no_saturation_was_shown_none_is_predicted() -> None:
    spans = [*known(80.0)[0][:4], Span(None, 70.0, math.inf)]
    found = extrapolate("login", rungs(80.0, 4), spans, Span(None, 70.0, math.inf), 100.0, ALPHA)
    assert found.saturation is None and found.curve == () and found.at_peak is None
    assert "no saturation was shown up to 74.4 logins/s" in found.refused


def test_a_poor_fit_and_too_few_rungs_are_refused() -> None:
    assert "misses the measured times" in predicted(rungs(80.0, 4, noise=1.5), 50.0).refused
    few = rungs(80.0, 4)
    assert "rungs were sustained" in predicted(few.where(few.rate > 70), 50.0).refused
    nothing = Observed(*(np.array([]) for _ in range(4)))
    assert predicted(nothing, None).refused


def test_a_server_that_bends_only_at_its_saturation_is_flat_before_it() -> None:
    flat = rungs(80.0, 4)
    flat = Observed(flat.ladder, flat.rate, np.full(len(flat.rate), 0.2), np.full(len(flat.rate), 0.4))
    found = predicted(flat, 60.0)
    assert found.at_peak is not None and found.at_peak.mean_s is not None
    assert found.at_peak.mean_s.estimate == pytest.approx(0.2, rel=1e-6)


def test_a_ladder_left_out_that_brings_saturation_leaves_the_interval_open_above() -> None:
    found = _jackknife(0.3, [0.3, math.inf, 0.2, 0.3], 0.025)
    assert (found.estimate, found.low, found.high) == (0.3, 0.2, math.inf)
