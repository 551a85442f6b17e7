"""The difference of one metric between the arms, with repeated bounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from harness.model.attempt import Floats
from harness.model.comparison import Design, Metric, QuantileShift
from harness.model.policy import Margin, Margins, Policy
from harness.model.site import NO_SPREAD, UNCALIBRATED, Site, Spread
from harness.stats.bounds import critical_value
from harness.stats.samples import Sample
from harness.stats.spread import reach

RESOLUTION_S = 1e-4
"""A generator can't promise finer times: its sleeps wake some tenths of a millisecond late. Arms that agree to the
nanosecond in every pair are known to agree within this, not exactly."""
POWER = 0.8

FAMILY_SHARES = {"login": 0.5, "rate": 0.2, "step": 0.3}
"""How the error of a false BLOCK is split; within a family its metrics share it evenly (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Bounding:
    """How far a metric's bounds lie from its estimate, in a run of ``horizon`` usable pairs.

    ``spread`` is what pairs don't average out. Its part and that of the pairs' standard error are independent, and add
    as the distances of their limits do: by squares (Zou & Donner, *Construction of confidence limits about effect
    measures*, Stat. Med. 27, 2008).
    """

    block_alpha: float
    block_from: int
    pass_alpha: float
    pass_from: int
    horizon: int
    spread: Spread = NO_SPREAD

    def to_block(self, pairs: int) -> float:
        """In standard errors, to the lower bound of the BLOCK rule; a longer run than planned is its own horizon."""
        return critical_value(self.block_alpha, pairs, self.block_from, max(self.horizon, pairs))

    def to_pass(self, pairs: int) -> float:
        """In standard errors, to the upper bound of the PASS rule."""
        return critical_value(self.pass_alpha, pairs, self.pass_from, max(self.horizon, pairs))

    def down(self, pairs: int, se: float) -> float:
        """From the estimate down to the lower bound, in the metric's unit."""
        return math.hypot(self.to_block(pairs) * se, reach(self.spread, self.block_alpha))

    def up(self, pairs: int, se: float) -> float:
        """From the estimate up to the upper bound, in the metric's unit."""
        return math.hypot(self.to_pass(pairs) * se, reach(self.spread, self.pass_alpha))


def boundings(metrics: Sequence[Metric], design: Design, policy: Policy, site: Site = UNCALIBRATED) -> list[Bounding]:
    """The bounds of metrics that are judged together."""
    families = Counter(metric.family for metric in metrics)
    horizon = design.horizon_pairs - policy.discard_pairs
    return [
        Bounding(
            block_alpha=policy.alpha * FAMILY_SHARES[metric.family] / families[metric.family],
            block_from=policy.looks.block_from,
            pass_alpha=policy.alpha,
            pass_from=policy.looks.pass_from,
            horizon=horizon,
            spread=site.spread(str(metric), design.interleaved),
        )
        for metric in metrics
    ]


def shift_of(sample: Sample, bounding: Bounding, margins: Margins) -> QuantileShift:
    """The shift of a sample of at least one pair; with one alone its standard error is infinite."""
    before, after = sample.values.T
    pairs = len(before)
    baseline = float(np.median(before))
    if sample.margin is None:
        differences = after - before
        margin = margins.failure_rate if sample.metric.statistic == "failure_rate" else margins.slow_rate
        least_se = binomial_se(sample)
    else:
        differences = np.log(after / before)
        margin = log_margin(sample.margin, baseline)
        # A uniform rounding error of one resolution has this standard deviation, and D is relative to the baseline.
        least_se = RESOLUTION_S / baseline / math.sqrt(12 * pairs)
    estimate = float(differences.mean())
    se = max(float(differences.std(ddof=1)) / math.sqrt(pairs), least_se) if pairs > 1 else math.inf
    down = bounding.down(pairs, se)
    return QuantileShift(
        metric=sample.metric,
        pairs=pairs,
        baseline=baseline,
        candidate=float(np.median(after)),
        differences=differences,
        estimate=estimate,
        se=se,
        low=estimate - down,
        high=estimate + bounding.up(pairs, se),
        margin=margin,
        detectable=margin + down + float(stdtrit(max(pairs - 1, 1), POWER)) * math.hypot(se, bounding.spread.sd),
    )


def pairs_to_settle(shift: QuantileShift, bounding: Bounding) -> float:
    """About how many pairs in all show the shift to be within its margin or beyond it, at present noise and estimate.

    Infinite where the estimate lies on the margin, or so near it that the spread which no pair averages out hides it.
    """
    beyond = shift.estimate > shift.margin
    first = bounding.block_from if beyond else bounding.pass_from
    last = max(bounding.horizon, shift.pairs, first)
    alpha = bounding.block_alpha if beyond else bounding.pass_alpha
    width = critical_value(alpha, last, first, last)
    gap = (shift.estimate - shift.margin) ** 2 - reach(bounding.spread, alpha) ** 2
    return max(float(first), shift.pairs * (width * shift.se) ** 2 / gap) if gap > 0 else math.inf


def log_margin(margin: Margin, baseline_s: float) -> float:
    """The margin on ln(candidate / baseline): the relative one, or the floor in ms where that allows more."""
    return max(math.log1p(margin.relative), math.log1p(margin.floor_ms / 1e3 / baseline_s))


def binomial_se(sample: Sample) -> float:
    """The least standard error of a difference of rates: that of independent logins, one event more and one less.

    √(p̃_c(1−p̃_c)/ñ_c + p̃_b(1−p̃_b)/ñ_b) with p̃ = (x+1)/(n+2) and ñ = n+2 over all pairs: Agresti & Caffo, *Simple and
    effective confidence intervals for proportions and differences of proportions*, Am. Stat. 54 (2000). With no event
    in n logins an arm it is about √2/n, so that the bound is of the order of 3/n, as by the rule of three.
    """
    n: Floats = sample.counts.sum(axis=0) + 2.0
    p: Floats = ((sample.values * sample.counts).sum(axis=0) + 1.0) / n
    return math.sqrt(float((p * (1.0 - p) / n).sum()))
