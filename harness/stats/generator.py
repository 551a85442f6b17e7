"""The load generator's own delays, one arm against the other: could their difference have moved a verdict?

Absolute limits (``validity``) can't tell: where a login takes 9 ms, processes beside the generator moved one arm by a
fifth and kept every limit of 25 ms.

1. A resource's difference is the mean over pairs of candidate minus baseline. It counts only where it is beyond chance
   (one-sided 97.5 %), so that equal arms are seldom said to differ; then all of it, since only its mean takes the bias
   out: with its bound towards zero instead, of runs whose candidate stood exactly at its margin up to 40 % passed.
2. Of several resources the largest counts: they are ways to see one disturbance, and don't add up.
3. It has a direction. A disturbed baseline makes the candidate look better: a PASS must hold against the baseline
   without it. A disturbed candidate looks worse: a BLOCK must hold without it, and a PASS in spite of it is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.model.comparison import QuantileShift
from harness.model.health import ArmHealth, Delay
from harness.model.metric import Statistic
from harness.model.policy import Margin, Margins
from harness.model.steps import LOGIN
from harness.stats.samples import margin_of

LEAST_PAIRS = 3
CHANCE = 0.975


@dataclass(frozen=True, slots=True)
class Gap:
    """By how much (ms) a candidate's login carries more of the generator than a baseline's, and by which resource."""

    ms: float
    resource: str


NO_GAP = Gap(0.0, "")


def gaps(baseline: ArmHealth, candidate: ArmHealth) -> Mapping[Statistic, Gap]:
    """The difference that counts at each quantile; empty where too little is known of either arm."""
    found: dict[Statistic, Gap] = {}
    others = {delay.resource: delay for delay in candidate.delays}
    for delay in baseline.delays:
        other = others.get(delay.resource)
        for statistic in delay.by_pair if other is not None else ():
            gap = Gap(_beyond_chance(delay, other, statistic), delay.resource)
            if abs(gap.ms) > abs(found.get(statistic, NO_GAP).ms):
                found[statistic] = gap
    return found


def _beyond_chance(baseline: Delay, candidate: Delay | None, statistic: Statistic) -> float:
    values = () if candidate is None else candidate.by_pair.get(statistic, ())
    if len(values) != len(baseline.by_pair[statistic]) or len(values) < LEAST_PAIRS:
        return 0.0
    from scipy.special import stdtrit

    differences = np.array(values) - np.array(baseline.by_pair[statistic])
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return mean if abs(mean) > float(stdtrit(len(differences) - 1, CHANCE)) * error else 0.0


def decides_alone(shift: QuantileShift, gap: Gap, steps: int, margins: Margins) -> bool:
    """Whether a bound that lies on the deciding side of its margin does so without the gap too.

    A step of a login, which takes ``steps``, bears its part of the gap. A baseline without its delay has less to add a
    share of, so that a relative margin is less too.
    """
    moved_s = (gap.ms if shift.metric.step == LOGIN else gap.ms / max(steps, 1)) / 1e3
    if shift.low > shift.margin and moved_s > 0:
        left = 1 - moved_s / shift.candidate
        return left > 0 and shift.low + math.log(left) > shift.margin
    if shift.high < shift.margin and moved_s < 0:
        allowed = margin_of(shift.metric, margins)
        assert isinstance(allowed, Margin)  # of a time, since no other metric is in log ratios
        alone_s = max(shift.baseline + moved_s, 0.0)
        longest_s = max(alone_s * (1 + allowed.relative), alone_s + allowed.floor_ms / 1e3)
        return shift.baseline * math.exp(shift.high) < longest_s
    return True
