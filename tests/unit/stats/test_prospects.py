"""What a run will tell is said beforehand as the run's own bounds would say it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.model.calibration import Noise
from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.site import Spread
from harness.stats.prospects import prospects

DESIGN = Design(15.0, 4.0, 40, 10.0)
POLICY = Policy()
P50 = Noise(Metric("cold", "login", "p50"), 0.09, math.log(1.1), 0.2)
P95 = Noise(Metric("cold", "login", "p95"), 0.12, math.log(1.15), 0.3)


def test_more_pairs_detect_less_and_pass_more_often() -> None:
    found = [prospects([P50, P95], DESIGN, POLICY, pairs) for pairs in (25, 32, 40)]
    detectable = [one.metrics[0].detectable for one in found]
    passes = [one.passes for one in found]
    assert detectable == sorted(detectable, reverse=True)
    assert passes == sorted(passes)
    assert found[-1].passes > 0.9  # JUDGEMENT: 99.8 % of equal arms pass in 20 minutes


def test_a_budget_shorter_than_the_candidate_must_live_passes_nothing() -> None:
    assert prospects([P50], DESIGN, POLICY, 20).passes == 0.0
    assert prospects([P50], DESIGN, POLICY.model_copy(update={"quick": True}), 20).passes > 0


def test_before_the_first_look_nothing_is_detected() -> None:
    assert math.isinf(prospects([P50], DESIGN, POLICY, 3).metrics[0].detectable)
    rare = replace(P50, pairs_each=6.0)
    assert math.isinf(prospects([rare], DESIGN, POLICY, 12).metrics[0].detectable)


def test_the_spread_between_deployments_is_part_of_it() -> None:
    spread = replace(P50, deployments=Spread(0.02, 8, 0.04))
    with_it, without = (prospects([item], DESIGN, POLICY, 40) for item in (spread, P50))
    assert with_it.metrics[0].detectable > without.metrics[0].detectable
    assert with_it.passes < without.passes


def test_a_longer_plan_is_paid_for_by_wider_bounds_on_the_way() -> None:
    longer = replace(DESIGN, horizon_pairs=80)
    here, there = (prospects([P50], design, POLICY, 30).metrics[0].detectable for design in (DESIGN, longer))
    assert there > here


@pytest.mark.parametrize("pairs", [12, 40])
def test_the_same_noise_gives_the_same_answer(pairs: int) -> None:
    assert prospects([P50, P95], DESIGN, POLICY, pairs) == prospects([P50, P95], DESIGN, POLICY, pairs)
