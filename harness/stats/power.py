"""Before a run: how many pairs it needs, from the noise of an earlier one."""

from __future__ import annotations

import math

from scipy.special import ndtri

from harness.model.site import NO_SPREAD, Spread
from harness.stats.bounds import critical_value
from harness.stats.spread import reach

PAIRS_AT_MOST = 2000
"""About 16 hours of 15 s blocks; a question that needs more can't be answered in practice."""


def pairs_needed(
    pair_sd: float, distance: float, alpha: float, first_look: int, power: float, spread: Spread = NO_SPREAD
) -> float:
    """The least number of pairs, as a run's horizon, whose bound clears ``distance`` with probability ``power``.

    ``pair_sd`` is the standard deviation of a pair's difference and ``distance`` how far the true difference lies from
    the margin, in one unit. The bound is the repeated one at ``alpha`` and carries the ``spread`` that no pair averages
    out; the run's mean is taken as normal. Infinite where the distance is zero or below, or more than PAIRS_AT_MOST
    pairs would be needed.
    """
    if distance <= 0:
        return math.inf
    certain = float(ndtri(power))

    def clears(pairs: int) -> bool:
        se = pair_sd / math.sqrt(pairs)
        bound = math.hypot(critical_value(alpha, pairs, first_look, pairs) * se, reach(spread, alpha))
        return bound + certain * math.hypot(se, spread.sd) <= distance

    if not clears(PAIRS_AT_MOST):
        return math.inf
    low, high = first_look, PAIRS_AT_MOST
    while low < high:  # the width falls with every pair
        middle = (low + high) // 2
        low, high = (low, middle) if clears(middle) else (middle + 1, high)
    return float(low)
