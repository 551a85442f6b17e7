"""A change in the share of logins that go one way on the wire, as a difference of the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.gate.words import seconds, share
from harness.model.cohort import EVERYONE
from harness.model.protocol import Difference
from harness.stats.ways import Way

EVERYBODY = 0.99
"""A way that so many took on one arm and nobody on the other is what single logins show already."""


def with_ways(differences: Sequence[Difference] | None, ways: Sequence[Way]) -> tuple[Difference, ...] | None:
    """Those between single logins (None: not known) and those between the ways of the load's; None without either."""
    found = tuple(of_ways(ways))
    return None if differences is None and not found else (*(differences or ()), *found)


def of_ways(ways: Sequence[Way]) -> Iterator[Difference]:
    """What more logins of the candidate did than of the baseline, then what fewer did; the largest change first."""
    for way in sorted(ways, key=lambda it: it.baseline - it.candidate):
        lower, upper = sorted((way.baseline, way.candidate))
        if upper >= EVERYBODY and lower <= 1 - EVERYBODY:
            continue
        slower = ""
        if way.candidate > way.baseline and way.took_s == way.took_s and way.others_s == way.others_s:
            slower = f"{seconds(way.took_s)} in the median, other logins {seconds(way.others_s)}"
        yield Difference(
            "way-changed",
            way.step,
            EVERYONE,
            f"logins by {way.way or 'none of these ways'}",
            share(way.baseline),
            share(way.candidate),
            slower,
        )
