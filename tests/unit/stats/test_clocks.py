"""Another machine's clock by round trips: true to within what is said, whatever the ways there and back take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.clocks import RoundTrip, clock_of

S = 1_000_000_000


def trips(
    offset: int, drift: float, seconds: float, base_ns: int, seed: int, skew: float = 0.5, every_s: float = 0.5
) -> list[RoundTrip]:
    """Round trips of ``base_ns`` and more, of which a share ``skew`` is the way there."""
    rng = np.random.default_rng(seed)
    found = []
    for at in np.arange(0.0, seconds, every_s):
        sent = round(at * S)
        delay = base_ns + round(rng.exponential(2 * base_ns))
        there = round(delay * skew)
        found.append(RoundTrip(sent, round(sent + there + offset + drift * (sent + there)), sent + delay))
    return found


@settings(max_examples=60)
@given(
    offset=st.integers(-(10**15), 10**15),
    ppm=st.floats(-100, 100),
    seconds=st.floats(2, 600),
    base_ns=st.integers(20_000, 20_000_000),
    skew=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_the_offset_lies_within_its_stated_error(
    offset: int, ppm: float, seconds: float, base_ns: int, skew: float, seed: int
) -> None:
    found = clock_of(trips(offset, ppm * 1e-6, seconds, base_ns, seed, skew))
    assert found is not None
    true = offset + ppm * 1e-6 * found.at
    # A drift that is not fitted yet moves the clock by what it does in half a minute.
    moved = abs(ppm) * 1e-6 * 35 * S if not found.drift else 0.0
    assert abs(found.offset_at(found.at) - true) <= 1.001 * found.error + moved + 1_000
    assert found.error >= found.delay / 2


def test_a_drift_is_found_over_minutes() -> None:
    found = clock_of(trips(5 * S, 30e-6, 300, 200_000, 1))
    assert found is not None and found.drift == pytest.approx(30e-6, abs=2e-6)
    assert found.offset_at(600 * S) == pytest.approx(5 * S + 30e-6 * 600 * S, abs=2_000_000)


def test_one_slow_answer_among_many_changes_nothing() -> None:
    good = trips(7 * S, 0.0, 20, 100_000, 2)
    slow = RoundTrip(3 * S, 10 * S + 900_000_000, 4 * S)
    assert clock_of([*good, slow]) == clock_of(good)


def test_of_no_answer_nothing_is_known() -> None:
    assert clock_of([]) is None
