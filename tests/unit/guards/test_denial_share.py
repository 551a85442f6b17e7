"""The rule by which denials stop load, which every way in has."""

from __future__ import annotations

import pytest

from harness.guards.denial_share import DENIALS_AT_LEAST, DenialCount
from harness.model.policy import Policy

ALLOWED = Policy().limits.denied_share


@pytest.mark.parametrize(
    ("denied", "ended", "stops"),
    [
        (0, 1000, False),
        (DENIALS_AT_LEAST - 1, DENIALS_AT_LEAST, False),
        (DENIALS_AT_LEAST, DENIALS_AT_LEAST, True),
        (DENIALS_AT_LEAST, 82, True),
        (10, 1000, False),
        (11, 1000, True),
    ],
)
def test_load_stops_at_five_denials_that_are_more_than_their_share(denied: int, ended: int, stops: bool) -> None:
    assert bool(DenialCount(denied, ended).reason_to_stop(ALLOWED)) is stops


def test_the_reason_says_how_many_and_why() -> None:
    assert DenialCount(8, 82).reason_to_stop(ALLOWED) == (
        "8 of 82 logins were denied; stopped so that no account is locked"
    )


def test_denials_that_no_worker_would_stop_for_alone_stop_all_of_them_together() -> None:
    each = DenialCount(DENIALS_AT_LEAST - 2, 40)
    assert not each.reason_to_stop(ALLOWED)
    assert (each + each).reason_to_stop(ALLOWED)
