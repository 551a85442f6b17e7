"""From a soak's growths to its verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.soak import decide, judge_soak, projection
from harness.model.comparison import Fade
from harness.model.health import RunState
from harness.model.verdict import Kind
from tests.helpers.soaks import MARGIN, POLICY, growth, soak, verdict
from tests.helpers.synthetic import ENDED, SOUND


def test_no_growth_passes_and_says_how_much_may_still_be_there() -> None:
    found = verdict(soak(growth("p50", 0.0, 2e-4)))
    assert found.kind is Kind.PASS and found.final
    assert "at most 0.02 % a minute" in found.sentence
    assert "0.05 % a minute is allowed" in found.sentence


def test_a_growth_that_is_shown_and_above_its_margin_blocks_with_what_it_comes_to() -> None:
    found = verdict(soak(growth("p50", 0.004, 0.001)))
    assert found.kind is Kind.BLOCK
    assert found.sentence.startswith("Do not deploy: ")
    assert "half of all logins take 0.4 % longer each minute, twice as long in 2.9 h" in found.sentence
    assert found.blamed_step == "ldap_bind" and "ldap_bind" in found.sentence
    assert "twice as slow in 2.9 h" in found.reasons[0] and "200 ms → 323 ms over 2 h" in found.reasons[0]
    assert any("--arm baseline" in notice for notice in found.notices)


def test_rates_that_grow_block_too_and_are_told_in_points_an_hour() -> None:
    found = verdict(soak(growth("failure_rate", 0.01 / 60, 0.001 / 60)))
    assert found.kind is Kind.BLOCK
    assert "failed logins went from 0.1 % to 2.1 %" in found.sentence
    assert found.findings[0].unit == "share_per_hour"
    assert found.findings[0].estimate == pytest.approx(0.01)
    assert "+1 pp an hour" in found.reasons[0] and "24.1 % after a day" in found.reasons[0]


def test_a_growth_within_its_margin_is_noticed_and_one_that_may_be_above_it_is_open() -> None:
    small = verdict(soak(growth("p50", 2e-4, 1e-4)))
    assert small.kind is Kind.PASS
    assert any("but within its margin" in notice for notice in small.notices)
    wide = verdict(soak(growth("p50", 2e-4, 2e-3)))
    assert wide.kind is Kind.INCONCLUSIVE
    assert "a soak of about" in wide.reasons[0]
    near = verdict(soak(growth("p50", MARGIN * 0.999, 2e-3)))
    assert "too close to its margin" in near.reasons[0]


def test_the_baseline_is_not_told_not_to_be_deployed() -> None:
    found = verdict(soak(growth("p95", 0.004, 0.001), arm="baseline"))
    assert found.kind is Kind.BLOCK and found.sentence.startswith("The current servers grow worse")
    assert found.findings[0].baseline is not None and found.findings[0].candidate is None


def test_an_interrupted_soak_can_block_and_cannot_pass() -> None:
    early = RunState(complete=False, interrupted="interrupted by the user")
    assert verdict(soak(growth("p50", 0.004, 0.001)), early).kind is Kind.BLOCK
    open_still = verdict(soak(), early)
    assert open_still.kind is Kind.INCONCLUSIVE
    assert open_still.reasons == ("the soak ended early: interrupted by the user",)


def test_denials_and_an_unsound_generator_are_invalid_and_seats_taken_by_slow_logins_spare_a_block() -> None:
    denied = RunState(complete=False, interrupted="6 of 90 logins were denied", stopped_for_denials=True)
    found = verdict(soak(growth("p50", 0.004, 0.001)), denied)
    assert found.kind is Kind.INVALID and "denied" in found.reasons[0] and "denied" in found.sentence
    late = {"candidate": replace(SOUND, send_lag_p99_ms=300.0)}
    assert judge_soak(soak(growth("p50", 0.004, 0.001)), late, ENDED, POLICY).kind is Kind.INVALID
    waiting = {"candidate": replace(SOUND, seat_waits=5000)}
    spared = judge_soak(soak(growth("p50", 0.004, 0.001)), waiting, ENDED, POLICY)
    assert spared.kind is Kind.BLOCK and any("only have made" in notice for notice in spared.notices)
    assert judge_soak(soak(), {}, ENDED, POLICY).kind is Kind.INVALID


def test_logins_that_hardly_work_cannot_be_said_to_stay_as_they_are() -> None:
    found = verdict(soak(failed=0.3))
    assert found.kind is Kind.INCONCLUSIVE and "30 % of logins failed" in found.reasons[0]


def test_a_soak_without_a_judged_median_is_open_and_a_missing_tail_is_told() -> None:
    whole = soak()
    without = replace(whole, growths=whole.growths[1:], not_judged=(("p50", "too few logins"),))
    assert verdict(without).kind is Kind.INCONCLUSIVE
    tailless = replace(whole, growths=(whole.growths[0], *whole.growths[2:]), not_judged=(("p95", "too few logins"),))
    assert verdict(tailless).kind is Kind.PASS
    assert any("login p95 growth" in notice for notice in verdict(tailless).notices)


def test_a_cold_start_is_told_beside_the_verdict() -> None:
    found = verdict(soak(fade=Fade(added=math.log(1.35), minutes=3.0, p_value=1e-6)))
    assert found.kind is Kind.PASS
    assert any("35 % longer" in notice and "3 min" in notice for notice in found.notices)


def test_no_projection_is_made_of_a_growth_that_is_allowed() -> None:
    assert projection(growth("p50", 1e-4)) == ""
    assert projection(growth("slow_rate", 1.0)) == "100 % after a day, if it continues"


CERTAINTY = {"pass": 1, "notice": 1, "block": 1, "likely slower": 0, "inconclusive": 0}


@given(st.floats(-0.01, 0.01), st.floats(1e-7, 0.01), st.floats(1.0, 100.0))
def test_wider_bounds_never_make_a_decision_more_certain(slope: float, half: float, wider: float) -> None:
    narrow, wide = (
        decide(replace(growth("p50"), slope=slope, low=slope - h, high=slope + h), 0.01) for h in (half, half * wider)
    )
    assert CERTAINTY[wide] <= CERTAINTY[narrow]
    if CERTAINTY[wide] == CERTAINTY[narrow] == 1:
        assert (wide == "block") == (narrow == "block")
