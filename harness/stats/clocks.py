"""How far another machine's clock is from this one's, by round trips: the least delayed of many, and their drift.

Who asks at ``sent`` and hears at ``heard`` (own clock) that it was ``told`` (the other's) knows the other's offset to
within half of the round trip, whatever the way there and the way back took of it (NTP, RFC 5905, section 8). Of many
round trips the least delayed says most; over minutes the offset drifts, as two quartzes do, which a line fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BIN_NS = 5_000_000_000
DRIFTS_FROM_NS = 30_000_000_000
"""Over a shorter time no drift is fitted: it would be that of the delays."""
SLOWEST = 1.5
"""Round trips of more than so many least ones say nothing of the drift."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One question and its answer, in ns."""

    sent: int
    told: int
    heard: int

    @property
    def at(self) -> float:
        """When, on the own clock, if both ways took as long."""
        return (self.sent + self.heard) / 2

    @property
    def offset(self) -> float:
        """The other's clock minus the own one."""
        return self.told - self.at

    @property
    def delay(self) -> int:
        """How long question and answer took together."""
        return self.heard - self.sent


@dataclass(frozen=True, slots=True)
class Clock:
    """The other's clock minus the own one: ``offset`` (ns) at the own instant ``at``, changing by ``drift`` (ns a ns).

    ``error`` (ns) bounds how far that is wrong: half of the delays, as they weigh in it, and what the fit leaves.
    """

    at: float
    offset: float
    drift: float
    error: float
    delay: int

    def offset_at(self, instant: float) -> float:
        """The offset (ns) at an instant of the own clock."""
        return self.offset + self.drift * (instant - self.at)


def clock_of(trips: Sequence[RoundTrip]) -> Clock | None:
    """What some round trips say of the other's clock; None where there are none."""
    if not trips:
        return None
    best = min(trips, key=lambda trip: trip.delay)
    binned: dict[int, RoundTrip] = {}
    for trip in trips:
        place = trip.sent // BIN_NS
        if place not in binned or trip.delay < binned[place].delay:
            binned[place] = trip
    good = [trip for trip in binned.values() if trip.delay <= SLOWEST * best.delay]
    latest = max(trip.heard for trip in trips)
    if len(good) < 3 or max(trip.at for trip in good) - min(trip.at for trip in good) < DRIFTS_FROM_NS:
        return Clock(best.at, best.offset, 0.0, best.delay / 2, best.delay)
    # About their own middle: offsets are as large as the machines' uptimes differ, and a float has 53 bits.
    middle, level = float(np.mean([trip.at for trip in good])), good[0].offset
    x = np.array([trip.at - middle for trip in good])
    y = np.array([trip.offset - level for trip in good])
    drift, constant = np.polyfit(x, y, 1)
    left = float(np.abs(y - (constant + drift * x)).max())
    now = latest - middle
    # The line's value now is a weighted sum of the offsets, and each of these is wrong by half its delay at most.
    weights = np.abs(1 / len(x) + now * x / float(x @ x))
    bound = float(weights @ np.array([trip.delay / 2 for trip in good]))
    return Clock(latest, level + float(constant + drift * now), float(drift), bound + left, best.delay)
