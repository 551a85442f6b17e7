"""A measurement that is not sound, and which faults leave a BLOCK standing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model.health import ArmHealth
from harness.model.policy import Limits
from harness.model.target import Arm
from harness.stats.validity import Unsound, candidate_alone_denied, unsound
from tests.helpers.synthetic import HEALTH, SOUND


def with_arm(arm: Arm, **changes: Any) -> dict[Arm, ArmHealth]:
    return {**HEALTH, arm: replace(SOUND, **changes)}


def faults(arm: Arm, **changes: Any) -> tuple[Unsound, ...]:
    return unsound(with_arm(arm, **changes), Limits())


def test_a_sound_measurement_has_no_faults() -> None:
    assert unsound(HEALTH, Limits()) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"send_lag_p99_ms": 40.0}, "baseline: logins were sent late by 40 ms at the 99th percentile, 25 allowed"),
        ({"pool_wait_p99_ms": 26.0}, "baseline: steps waited for a thread 26 ms at the 99th percentile, 25 allowed"),
        ({"journal_ms": 180.0}, "baseline: writing to disk held it up for 180 ms at a time, 50 allowed"),
        ({"hub_stall_p99_ms": 80.0}, "baseline: the event loop stalled for 80 ms at the 99th percentile, 50 allowed"),
        ({"generator_cpu": 0.93}, "baseline: the load worker used 93 % of a processor core, 80 allowed"),
        ({"started": 9_850}, "baseline: 9,850 of 10,000 planned logins were sent, 99 % are needed"),
        ({"worker_lost": True}, "baseline: its load worker was lost"),
        ({"seat_waits": 200}, "baseline: 200 of 10,000 logins waited while all seats were taken, 1 % may"),
        (
            {"failed": 600},
            "baseline: 600 of 10,000 logins failed, 5 % are allowed on the baseline",
        ),
    ],
)
def test_each_fault_says_what_was_found_and_what_is_allowed(changes: dict[str, Any], words: str) -> None:
    assert faults("baseline", **changes) == (Unsound(words),)


@pytest.mark.parametrize(
    "field", ["send_lag_p99_ms", "pool_wait_p99_ms", "hub_stall_p99_ms", "journal_ms", "generator_cpu"]
)
def test_a_figure_that_is_missing_is_not_within_its_limit(field: str) -> None:
    assert faults("candidate", **{field: float("nan")})


def test_unequally_loaded_arms_are_not_compared() -> None:
    (imbalance,) = unsound(with_arm("candidate", planned=9_700, started=9_700), Limits())
    assert imbalance.reason.startswith("the arms were loaded unequally: 10,000 logins on the baseline and 9,700 on the")
    assert not imbalance.spares_block


def test_a_candidate_that_runs_out_of_seats_can_only_look_better() -> None:
    found = faults("candidate", started=7_000, seat_waits=4_000)
    assert len(found) == 3
    assert all(fault.spares_block for fault in found)
    assert not any(fault.spares_block for fault in faults("baseline", started=7_000, seat_waits=4_000))


def test_logins_that_nobody_sent_are_not_excused_by_a_few_seat_waits() -> None:
    assert not all(fault.spares_block for fault in faults("candidate", started=7_000, seat_waits=150))


def test_a_candidate_that_fails_is_a_finding_and_no_fault_of_the_measurement() -> None:
    assert faults("candidate", failed=9_000) == ()


def test_an_arm_of_which_nothing_is_recorded_is_not_sound() -> None:
    assert len(unsound({}, Limits())) == 2
    assert unsound({"baseline": SOUND}, Limits())[0].reason.startswith("candidate: there is no record")
    assert unsound(dict.fromkeys(HEALTH, replace(SOUND, planned=0, started=0)), Limits())


@pytest.mark.parametrize(
    ("baseline", "candidate", "tried", "alone"),
    [
        (0, 12, 400, True),
        (0, 3, 60, False),  # too few to be sure of
        (10, 12, 400, False),
        (60, 120, 2_000, True),
        (0, 20, 100_000, False),  # sure, and within the margin
    ],
)
def test_only_a_candidate_that_denies_beyond_chance_and_margin_is_to_blame(
    baseline: int, candidate: int, tried: int, alone: bool
) -> None:
    health = {
        "baseline": replace(SOUND, denied=baseline, started=tried, tried=tried),
        "candidate": replace(SOUND, denied=candidate, started=tried, tried=tried),
    }
    assert candidate_alone_denied(health, 0.002) is alone  # type: ignore[arg-type]


def test_denials_before_the_baseline_was_ever_asked_blame_nobody() -> None:
    health = {**with_arm("candidate", started=0, denied=30), "baseline": replace(SOUND, started=0)}
    assert not candidate_alone_denied(health, 0.002)
    assert not candidate_alone_denied({"candidate": SOUND}, 0.002)
