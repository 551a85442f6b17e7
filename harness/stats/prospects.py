"""What a run of so many pairs will be able to tell, before it is made: from the noise of earlier ones at the site.

Simulated rather than computed: a PASS needs every metric's bound below its margin at one look, which no closed form
says. Metrics are drawn as independent, though they rise and fall together in life: the chance of a PASS is then too
small rather than too large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from harness.model.calibration import Noise
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.site import NO_SPREAD
from harness.stats.bounds import critical_value
from harness.stats.serial import USUAL_WIDENING
from harness.stats.shift import LEAST_LOOK, POWER, above_the_peak, block_alphas, first_look
from harness.stats.spread import reach

RUNS = 2000


@dataclass(frozen=True, slots=True)
class Prospect:
    """One metric: after how many differences it is judged, and the change that then blocks with 80 % probability, in
    the metric's unit; infinite where no look is taken."""

    noise: Noise
    differences: int
    detectable: float


@dataclass(frozen=True, slots=True)
class Prospects:
    """Each metric's, and the chance that equal arms pass within the pairs."""

    metrics: tuple[Prospect, ...]
    passes: float


def prospects(noise: Sequence[Noise], design: Design, policy: Policy, pairs: int, seed: int = 2016) -> Prospects:
    """What a run that ends after ``pairs`` of its plan will tell; the plan's horizon sets its bounds."""
    alphas = block_alphas([item.metric for item in noise], policy.alpha, above_the_peak(design, policy))
    found = [_prospect(item, alpha, design, policy, pairs) for item, alpha in zip(noise, alphas, strict=True)]
    return Prospects(tuple(found), _passes(noise, design, policy, pairs, seed))


def _counted(item: Noise, pairs: int, policy: Policy) -> int:
    """How many differences of a metric the first ``pairs`` pairs of a run make."""
    return int((pairs - policy.discard_pairs) / item.pairs_each + 1e-9)


def _prospect(item: Noise, alpha: float, design: Design, policy: Policy, pairs: int) -> Prospect:
    count = _counted(item, pairs, policy)
    horizon = max(_counted(item, design.horizon_pairs, policy), count)
    first = first_look(policy.looks.block_from, item.pairs_each)
    if count < first:
        return Prospect(item, count, math.inf)
    spread = item.deployments or NO_SPREAD
    se = item.pair_sd / math.sqrt(count)
    down = math.hypot(critical_value(alpha, count, first, horizon) * se, reach(spread, alpha))
    certain = float(stdtrit(max(count - 1, 1), POWER)) * math.hypot(se, spread.sd)
    return Prospect(item, count, item.margin + down + certain)


def _passes(noise: Sequence[Noise], design: Design, policy: Policy, pairs: int, seed: int) -> float:
    """The share of simulated runs of equal arms in which every metric is within its margin at one look."""
    old = 0 if policy.quick else math.ceil(policy.looks.pass_after_s / design.pair_s)
    from_pair = max(policy.looks.pass_from + policy.discard_pairs, old)
    if from_pair > pairs or not noise:
        return 0.0
    rng = np.random.default_rng(seed)
    looks = range(from_pair, pairs + 1)
    within = np.ones((RUNS, len(looks)), dtype=np.bool_)
    for item in noise:
        count = _counted(item, pairs, policy)
        horizon = max(_counted(item, design.horizon_pairs, policy), count)
        first = min(
            first_look(max(policy.looks.pass_from, old - policy.discard_pairs), item.pairs_each), max(horizon, 3)
        )
        if count < max(first, LEAST_LOOK):
            return 0.0
        spread = item.deployments or NO_SPREAD
        lasting = rng.normal(0.0, spread.sd, (RUNS, 1)) if spread.sd > 0 else 0.0
        drawn = rng.normal(0.0, item.pair_sd, (RUNS, count)) + lasting
        n = np.arange(1, count + 1)
        mean = np.cumsum(drawn, axis=1) / n
        square = np.cumsum(drawn**2, axis=1) / n - mean**2
        se = USUAL_WIDENING * np.sqrt(np.maximum(square, 0.0) / np.maximum(n - 1, 1))
        for place, look in enumerate(looks):
            seen = _counted(item, look, policy)
            if seen < first:
                within[:, place] = False
                continue
            wide = critical_value(policy.alpha, seen, first, horizon) * se[:, seen - 1]
            high = mean[:, seen - 1] + np.hypot(wide, reach(spread, policy.alpha))
            within[:, place] &= high < item.margin
    return float(within.any(axis=1).mean())
