"""The load generator's own state, one arm against the other: a difference that could have moved a verdict is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model.health import ArmHealth, Delay
from harness.model.metric import QUANTILES
from harness.model.policy import Policy
from harness.model.verdict import Kind
from harness.record.schema import HealthSecond
from harness.run.delays import LATE, QUEUED
from harness.run.evidence import evidence_of
from harness.stats.generator import NO_GAP, gaps
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
