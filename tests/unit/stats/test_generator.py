"""The load generator's own state, one arm against the other: a difference that could have moved a verdict is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.model.health import ArmHealth, Delay
from harness.model.metric import QUANTILES, Metric
from harness.model.policy import LoginMargins, Margin, Margins, Policy
from harness.model.verdict import Kind
from harness.record.schema import HealthSecond
from harness.run.delays import LATE, QUEUED
from harness.run.evidence import evidence_of
from harness.stats.generator import NO_GAP, Gap, decides_alone, gaps
from harness.stats.samples import Sample
from harness.stats.shift import Bounding, shift_of
from tests.helpers.stored import POLICY, stored_run
from tests.helpers.synthetic import SOUND

STRICT = Policy.model_validate(
    {
        **POLICY.model_dump(),
        "margins": {
            **POLICY.margins.model_dump(),
            "login": {"p50": {"relative": 0.2, "floor_ms": 1}, "p95": None, "p99": None},
            "step": {"p50": None, "p95": None},
        },
    }
)


PAIRS, RUNS, ALPHA = 12, 1_500, 0.025
USUAL_S, NOISE, READ_MS = 0.020, 0.05, 0.2
"""A login, how blocks differ in it (of ln), and by how many ms a block's delay is known wrongly."""
TENTH = Margins(login=LoginMargins(p50=Margin(relative=0.10)))
ONE_LOOK = Bounding(ALPHA, PAIRS, ALPHA, PAIRS, PAIRS)


def decided(true_ratio: float, hogged: str, mean_ms: float, sd_ms: float, seed: int = 7) -> float:
    """The share of runs that pass (or block, with the candidate ``hogged``) by a median that decides alone.

    The candidate is so much slower in truth, and the generator adds a delay to the blocks of one arm.
    """
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(RUNS):
        values = USUAL_S * np.exp(rng.normal(0, NOISE, (PAIRS, 2))) * np.array([1.0, true_ratio])
        delay = np.maximum(rng.normal(mean_ms, sd_ms, PAIRS), 0.0)
        arm = ("baseline", "candidate").index(hogged)
        values[:, arm] += delay / 1e3
        told = [rng.normal(1.0, READ_MS / np.sqrt(2), PAIRS) for _ in range(2)]
        told[arm] += delay
        gap = gaps(*(delayed(tuple(map(float, each))) for each in told)).get("p50", NO_GAP)
        sample = Sample(Metric("cold", "login", "p50"), 1, values, np.full((PAIRS, 2), 500))
        shift = shift_of(sample, ONE_LOOK, TENTH)
        beyond = shift.high < shift.margin if hogged == "baseline" else shift.low > shift.margin
        hits += beyond and decides_alone(shift, gap, 5, TENTH)
    return hits / RUNS


AT_MOST = ALPHA + 3 * (ALPHA * (1 - ALPHA) / RUNS) ** 0.5


@pytest.mark.parametrize(("mean_ms", "sd_ms"), [(0, 0), (0.5, 0.5), (1, 1.5), (2, 0.5), (5, 5), (20, 3)])
@pytest.mark.parametrize("hogged", ["baseline", "candidate"])
def test_a_disturbed_arm_makes_no_wrong_verdict_more_frequent(hogged: str, mean_ms: float, sd_ms: float) -> None:
    """Of candidates exactly at their margin; before, 9 to 98 % passed by a baseline that was disturbed."""
    assert decided(1.10, hogged, mean_ms, sd_ms) <= AT_MOST


def test_a_disturbed_baseline_hides_no_slower_candidate() -> None:
    assert decided(1.15, "baseline", 5.0, 2.0) <= 0.002
    assert decided(1.15, "baseline", 20.0, 3.0) <= 0.002


def test_equal_arms_pass_as_often_although_chance_tells_them_apart() -> None:
    assert decided(1.0, "baseline", 0.0, 0.0) >= 0.95


def test_a_candidate_that_passes_in_spite_of_its_own_disturbance_passes(tmp_path: Path) -> None:
    """It could only have looked better without."""
    limits = POLICY.limits.model_copy(update={"send_lag_p99_ms": 500.0})
    lax = POLICY.model_copy(update={"limits": limits})
    assert evidence_of(stored_run(tmp_path, policy=lax, late_s={"candidate": 0.008})).verdict.kind is Kind.PASS


def test_steps_shorter_than_their_part_of_the_delay_pass_by_a_margin_in_ms() -> None:
    margins = Margins()
    values = np.full((PAIRS, 2), 0.0004) * np.exp(np.random.default_rng(1).normal(0, 0.1, (PAIRS, 2)))
    shift = shift_of(Sample(Metric("cold", "kdc_as", "p50"), 1, values, np.full((PAIRS, 2), 500)), ONE_LOOK, margins)
    assert decides_alone(shift, Gap(-4.0, LATE), 5, margins), "0.4 ms at most can't be 2 ms more than anything"


def delayed(values: tuple[float, ...], resource: str = LATE) -> ArmHealth:
    return replace(SOUND, delays=(Delay(resource, dict.fromkeys(QUANTILES, values)),))


def verdict(folder: Path, **more: Any) -> tuple[Kind, str]:
    found = evidence_of(stored_run(folder, policy=STRICT, **more)).verdict
    return found.kind, "; ".join(found.reasons)


def queued(arm: str) -> Any:
    """Health of a generator whose event loop waits for a processor for a fifth of each second of one arm's load."""

    def told(second: HealthSecond) -> HealthSecond:
        return replace(second, run_queue_ms=200.0) if second.arm == arm and second.started else second

    return told


def test_a_sound_run_of_equal_arms_passes_and_a_slower_candidate_is_blocked(tmp_path: Path) -> None:
    assert verdict(tmp_path)[0] is Kind.PASS
    assert verdict(tmp_path, slower=1.5)[0] is Kind.BLOCK


def test_logins_that_were_sent_late_on_one_arm_alone_do_not_block_the_other(tmp_path: Path) -> None:
    """Within every absolute limit: 15 ms late, 25 at the 99th percentile allowed, on logins of 34 ms."""
    limits = STRICT.limits.model_copy(update={"send_lag_p99_ms": 500.0})
    lax = STRICT.model_copy(update={"limits": limits})
    run = stored_run(tmp_path, policy=lax, late_s={"candidate": 0.015})
    found = evidence_of(run).verdict
    assert found.kind is Kind.INVALID
    assert any(LATE in reason and "more to a login on the candidate" in reason for reason in found.reasons)


def test_a_baseline_that_was_sent_late_does_not_let_a_slower_candidate_pass(tmp_path: Path) -> None:
    limits = STRICT.limits.model_copy(update={"send_lag_p99_ms": 500.0})
    lax = STRICT.model_copy(update={"limits": limits})
    run = stored_run(tmp_path, policy=lax, slower=1.35, late_s={"baseline": 0.018})
    found = evidence_of(run).verdict
    assert found.kind is Kind.INVALID, found
    assert any("more to a login on the baseline" in reason for reason in found.reasons)


def test_a_generator_that_waited_for_processors_on_one_arm_is_no_slower_candidate(tmp_path: Path) -> None:
    kind, said = verdict(tmp_path, slower=1.4, health=queued("candidate"))
    assert kind is Kind.INVALID
    assert QUEUED in said and "on the candidate" in said


def test_a_slowdown_far_beyond_what_the_generator_added_is_blocked_all_the_same(tmp_path: Path) -> None:
    assert verdict(tmp_path, slower=3.0, health=queued("candidate"))[0] is Kind.BLOCK
    assert verdict(tmp_path, slower=3.0, health=queued("baseline"))[0] is Kind.BLOCK


def test_a_wait_that_both_arms_had_is_none_between_them(tmp_path: Path) -> None:
    def both(second: HealthSecond) -> HealthSecond:
        return replace(second, run_queue_ms=200.0)

    assert verdict(tmp_path, health=both)[0] is Kind.PASS


def test_what_the_kernel_does_not_tell_is_not_held_against_a_run(tmp_path: Path) -> None:
    assert verdict(tmp_path, health=lambda second: replace(second, run_queue_ms=None))[0] is Kind.PASS


@pytest.mark.parametrize(
    ("baseline", "candidate", "least", "most"),
    [
        ((1.0, 1.1, 0.9, 1.0), (5.0, 5.2, 4.9, 5.1), 3.5, 4.2),
        ((5.0, 5.2, 4.9, 5.1), (1.0, 1.1, 0.9, 1.0), -4.2, -3.5),
        ((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 90.0), 0.0, 0.0),  # one hiccup is none of an arm
        ((1.0, 1.2, 0.9, 1.1), (1.1, 1.0, 1.0, 1.1), 0.0, 0.0),
        ((1.0, 1.0), (9.0, 9.0), 0.0, 0.0),  # of too few pairs
        ((1.0, 1.0, 1.0), (9.0, 9.0), 0.0, 0.0),
    ],
)
def test_only_a_difference_beyond_chance_counts(
    baseline: tuple[float, ...], candidate: tuple[float, ...], least: float, most: float
) -> None:
    found = gaps(delayed(baseline), delayed(candidate)).get("p50", NO_GAP)
    assert least <= found.ms <= most


def test_the_largest_of_several_resources_counts_and_is_named() -> None:
    calm = (1.0, 1.1, 0.9, 1.0)
    baseline, candidate = delayed(calm), delayed((3.0, 3.1, 2.9, 3.0))
    more = Delay(QUEUED, dict.fromkeys(QUANTILES, (9.0, 9.1, 8.9, 9.0)))
    baseline = replace(baseline, delays=(*baseline.delays, Delay(QUEUED, dict.fromkeys(QUANTILES, calm))))
    candidate = replace(candidate, delays=(*candidate.delays, more))
    assert gaps(baseline, candidate)["p95"].resource == QUEUED
    assert gaps(SOUND, candidate) == {}
