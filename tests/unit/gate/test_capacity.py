"""The verdict on capacity: what blocks, what passes, and what is never a pass."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate.capacity import judge_capacity, rate
from harness.model.capacity import (
    ArmCapacity,
    CapacityShift,
    CapacityVerdict,
    Comparison,
    Extrapolation,
    Ladder,
    Rung,
    RungState,
    Span,
    Times,
)
from harness.model.target import ARMS
from harness.model.verdict import Kind

MARGIN = math.log(0.9)
REACHED = Span(80.0, 78.0, 82.0)
OPEN = Span(None, 150.0, math.inf)


def rung(at: float, state: RungState) -> Rung:
    times = Times(0.2, 0.4)
    return Rung(at, at, at, 300, 0.0, 0.0, times, {}, state, False, "" if state == "sustained" else "sent late")


def ladder(*states: RungState, trouble: str = "") -> Ladder:
    rungs = tuple(rung(20.0 + 10 * i, state) for i, state in enumerate(states))
    return Ladder("run", False, dict.fromkeys(ARMS, rungs), trouble)


SOUND = ladder("sustained", "sustained", "failed")


def judged(
    low: float, high: float, ladders: tuple[Ladder, ...] = (SOUND,) * 3, span: Span = REACHED,
    peak: float | None = None, by_budget: bool = False,
) -> CapacityVerdict:  # fmt: skip
    estimate = (low + high) / 2 if math.isfinite(low + high) else None
    shift = CapacityShift(((low, high),), estimate, low, high, MARGIN)
    arms = {arm: ArmCapacity((span,), span) for arm in ARMS}
    refused = Extrapolation(
        "login", 70.0, "no saturation was shown up to 70 logins/s", None, None, None, None, (), None
    )
    return judge_capacity(ladders, Comparison(arms, shift, by_budget), dict.fromkeys(ARMS, (refused,)), peak)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (-0.3, -0.2, Kind.BLOCK),
        (-0.05, 0.05, Kind.PASS),
        (-0.15, 0.0, Kind.INCONCLUSIVE),
        (-math.inf, -0.2, Kind.BLOCK),
        (-0.05, math.inf, Kind.PASS),
        (-math.inf, math.inf, Kind.INCONCLUSIVE),
    ],
)
def test_bounds_against_the_margin_decide(low: float, high: float, kind: Kind) -> None:
    found = judged(low, high)
    assert found.kind is kind
    assert found.kind.exit_code in (0, 10, 20)
    assert found.sentence.endswith(".")


def test_what_the_generator_limited_is_never_a_pass_and_spares_a_block() -> None:
    spoiled = ladder("sustained", "unknown", "unknown")
    assert judged(-0.05, 0.05, (SOUND, spoiled)).kind is Kind.INVALID
    blocked = judged(-0.3, -0.2, (SOUND, spoiled))
    assert blocked.kind is Kind.BLOCK
    assert any("the load generator may be the limit" in notice for notice in blocked.notices)


def test_a_rung_that_was_spoiled_below_a_sustained_one_changes_nothing() -> None:
    assert judged(-0.05, 0.05, (SOUND, ladder("unknown", "sustained", "failed"))).kind is Kind.PASS


def test_a_ladder_that_was_cut_short_makes_the_search_invalid_and_says_why() -> None:
    found = judged(-0.05, 0.05, (SOUND, ladder("sustained", trouble="interrupted by the user")))
    assert found.kind is Kind.INVALID
    assert "interrupted by the user" in found.reasons


def test_arms_that_were_never_brought_down_are_inconclusive_and_told_what_to_do() -> None:
    found = judged(-math.inf, math.inf, (ladder("sustained", "sustained"),), OPEN)
    assert found.kind is Kind.INCONCLUSIVE
    assert all("raise --to" in reason for reason in found.reasons)
    below = judged(-math.inf, math.inf, (ladder("failed", "failed"),), Span(None, 0.0, 20.0))
    assert all("lower --from" in reason for reason in below.reasons)


def test_what_a_reader_must_know_is_told() -> None:
    found = judged(-0.05, 0.05, peak=100.0, by_budget=True)
    said = " ".join(found.notices)
    assert "shown not to serve the stated peak of 100 logins/s" in said
    assert "the budget sets the capacity" in said
    assert "Nothing is predicted of the baseline: no saturation was shown up to 70 logins/s." in said


def test_rates_read_as_one_says_them() -> None:
    assert rate(REACHED) == "80 logins/s"
    assert rate(OPEN) == "at least 150 logins/s"
    assert rate(Span(None, 0.0, 20.0)) == "below 20 logins/s"
    assert rate(Span(None, 10.0, 20.0)) == "10 to 20 logins/s"
    assert rate(Span(None, 0.0, math.inf)) == "not known"


bounds = st.floats(-1, 1, allow_nan=False)


@given(bounds, bounds, st.floats(0, 1), st.floats(0, 1))
def test_wider_bounds_never_make_the_verdict_more_certain(one: float, other: float, down: float, up: float) -> None:
    low, high = sorted((one, other))
    assert judged(low - down, high + up).kind in (judged(low, high).kind, Kind.INCONCLUSIVE)
