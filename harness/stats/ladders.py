"""Which rates a search for capacity tries, and when it has tried enough.

1. The first ladder is a coarse sweep: equal ratios from the lowest to the highest rate, until every arm is past its
   capacity.
2. The others are fine: a short ramp up from the lowest rate, then many rungs between a little below the lower capacity
   and a little above the higher one. Rungs far from a capacity say nothing of it.
3. The ladders' rungs are staggered, so that together they lie densely and none of them repeats another's rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from harness.model.capacity import Rung
from harness.model.target import Arm

FINE_FROM, FINE_TO = 0.9, 1.25
"""How far the fine rungs reach beyond the brackets of the coarse sweep, which tried each rate only once."""
FINE_A_RAMP_RUNG = 4
"""A ladder's ramp has one rung for every so many fine ones."""
ROUNDING = 1e-9


def coarse_rates(lowest: float, highest: float, step: float, shift: float = 0.0) -> tuple[float, ...]:
    """Rates from ``lowest`` up to ``highest``, each ``step`` times the one before, begun ``shift`` steps higher."""
    count = math.floor(math.log(highest / lowest) / math.log(step) - shift + ROUNDING) + 1
    return tuple(lowest * step ** (i + shift) for i in range(count))


def fine_rates(
    coarse: Mapping[Arm, Sequence[Rung]], highest: float, rungs: int, shift: float
) -> tuple[float, ...] | None:
    """The rates of a ladder around both arms' capacities as the coarse sweep found them; None if no arm failed there.

    ``shift``, in [0, 1), is by which share of the distance between two rungs this ladder's lie higher; no rate is above
    ``highest``.
    """
    found = [bracket(of_arm) for of_arm in coarse.values()]
    failed = [high for _, high in found if math.isfinite(high)]
    if not failed:
        return None
    lowest = min(rung.rate for of_arm in coarse.values() for rung in of_arm)
    to = min(highest, FINE_TO * max(high if math.isfinite(high) else low for low, high in found))
    since = max(lowest, min(FINE_FROM * min(low for low, _ in found), to / FINE_TO))
    ratio = (to / since) ** (1.0 / (rungs - 1))
    steps = max(rungs // FINE_A_RAMP_RUNG, 1) if since > lowest else 0
    ramp = [lowest * (since / lowest) ** (i / steps) for i in range(steps)]
    fine = [min(max(since * ratio ** (i + shift - 0.5), lowest), highest) for i in range(rungs)]
    return tuple(sorted(ramp + fine))


def bracket(rungs: Sequence[Rung]) -> tuple[float, float]:
    """The last rate sustained before the first failure, and the failure's; 0 and infinite where there is none."""
    failure = first_failure(rungs)
    if failure is None:
        return max((rung.rate for rung in rungs if rung.state == "sustained"), default=0.0), math.inf
    return rungs[failure - 1].rate if failure else 0.0, rungs[failure].rate


def first_failure(rungs: Sequence[Rung]) -> int | None:
    """The first rung that was not sustained and whose next was not either, or that is the last one; None if none is.

    One failure between two rungs that were sustained is an accident of the moment.
    """
    lost = [rung.state != "sustained" for rung in rungs]
    return next((i for i, (this, after) in enumerate(pairwise([*lost, True])) if this and after), None)


def all_are_past(rungs: Mapping[Arm, Sequence[Rung]]) -> bool:
    """Whether every arm has failed two rungs in a row, so that the coarse sweep need not go on."""
    return all(
        any(a.state != "sustained" and b.state != "sustained" for a, b in pairwise(of_arm)) for of_arm in rungs.values()
    )
