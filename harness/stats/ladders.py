"""Which rates a search for capacity climbs, and when it has climbed high enough.

1. The first ladder is a scout: equal ratios from the lowest to the highest rate, until every arm is past its capacity.
2. The others look closely: a few rungs up from the lowest rate, then many between a little below the lower capacity
   and a little above the higher one. Rungs far from a capacity say nothing of it.
3. The ladders' rungs are staggered, so that together they lie densely and none of them repeats another's rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from harness.model.capacity import Rung
from harness.model.target import Arm

BELOW, ABOVE = 0.9, 1.25
"""How far the close rungs reach beyond the brackets that the scout found: the scout saw each rung but once."""
FOOT = 4
"""One rung of the foot for so many close ones."""
ROUNDING = 1e-9


def scout_rates(lowest: float, highest: float, step: float, shift: float = 0.0) -> tuple[float, ...]:
    """Rates from ``lowest`` up to ``highest``, each ``step`` times the one before, begun ``shift`` steps higher."""
    count = math.floor(math.log(highest / lowest) / math.log(step) - shift + ROUNDING) + 1
    return tuple(lowest * step ** (i + shift) for i in range(count))


def close_rates(
    scout: Mapping[Arm, Sequence[Rung]], highest: float, rungs: int, shift: float
) -> tuple[float, ...] | None:
    """The rates of a ladder around both arms' capacities as the scout saw them; None where it saw no arm fail.

    ``shift``, in [0, 1), is by which share of the distance between two rungs this ladder's lie higher; no rate is above
    ``highest``.
    """
    found = [bracket(of_arm) for of_arm in scout.values()]
    failed = [high for _, high in found if math.isfinite(high)]
    if not failed:
        return None
    lowest = min(rung.rate for of_arm in scout.values() for rung in of_arm)
    to = min(highest, ABOVE * max(high if math.isfinite(high) else low for low, high in found))
    since = max(lowest, min(BELOW * min(low for low, _ in found), to / ABOVE))
    ratio = (to / since) ** (1.0 / (rungs - 1))
    foot = max(rungs // FOOT, 1) if since > lowest else 0
    up_to_there = [lowest * (since / lowest) ** (i / foot) for i in range(foot)]
    close = [min(max(since * ratio ** (i + shift - 0.5), lowest), highest) for i in range(rungs)]
    return tuple(sorted(up_to_there + close))


def bracket(rungs: Sequence[Rung]) -> tuple[float, float]:
    """The last rate held before the first failure, and the failure's; 0 if none was held, infinite if none failed."""
    failure = first_failure(rungs)
    if failure is None:
        return max((rung.rate for rung in rungs if rung.state == "held"), default=0.0), math.inf
    return rungs[failure - 1].rate if failure else 0.0, rungs[failure].rate


def first_failure(rungs: Sequence[Rung]) -> int | None:
    """The first rung that was not held and whose next was not held either, or that is the last one; None if none is.

    One failure between two rungs that were held is the moment's.
    """
    lost = [rung.state != "held" for rung in rungs]
    return next((i for i, (this, after) in enumerate(pairwise([*lost, True])) if this and after), None)


def all_are_past(rungs: Mapping[Arm, Sequence[Rung]]) -> bool:
    """Whether every arm has failed two rungs in a row, so that the scout need not go on."""
    return all(any(a.state != "held" and b.state != "held" for a, b in pairwise(of_arm)) for of_arm in rungs.values())
