"""The difference of one metric between the arms, with repeated bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy.special import stdtrit

from harness.model.attempt import Floats
from harness.model.comparison import Design, QuantileShift
from harness.model.metric import Family, Metric, Statistic
from harness.model.policy import Margin, Margins, Policy
from harness.model.site import NO_SPREAD, UNCALIBRATED, Site, Spread
from harness.stats.bounds import critical_value
from harness.stats.periodic import without
from harness.stats.robust import trimmed
from harness.stats.samples import Sample, margin_of
from harness.stats.serial import widening
from harness.stats.spread import reach

RESOLUTION_S = 1e-4
"""A generator's times are no finer: its sleeps wake some tenths of a millisecond late. Arms that agree to the
nanosecond in every pair are known to agree within this, not exactly."""
POWER = 0.8

FAMILY_SHARES: dict[Family, float] = {"login": 0.5, "rate": 0.1, "step": 0.15, "headroom": 0.25}
"""How the error of a false BLOCK is split among the families. Above the peak there are few pairs, and much noise: with
0.08 there a lost server was blocked half as often."""
WEIGHTS: dict[Statistic, float] = {"p50": 6, "p95": 3, "p99": 1, "failure_rate": 3, "slow_rate": 3}
"""How it is split within a family: most goes where it has the most effect. The median is known best, and an even
slowdown passes its margin there first; a run has a p99 only for every few pairs."""
USUAL: tuple[Statistic, ...] = ("p50", "p95")
"""The quantiles that say how an ordinary login or a usual block of them went."""
IN_TROUBLE, BY_CHANCE = 10.0, 2.0
"""For a PASS a block has so many margins of slow logins at most: by the default policy 2 %, 5 of 250. Slow logins come
in bursts, in one block of 50 half of them on either arm, and the plain bounds would be those of that one block. One
such block in ten, on the candidate alone, uses up the margin. Two slow logins always count: in a block of few they are
more than 2 %, and no burst."""
LEAST_LOOK = 3
"""From fewer differences there is no useful bound."""


class Counted(Protocol):
    """Anything that says which metric it is of, and how many pairs make one of its differences."""

    @property
    def metric(self) -> Metric: ...

    @property
    def grouped(self) -> int: ...


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


def boundings(counted: Sequence[Counted], design: Design, policy: Policy, site: Site = UNCALIBRATED) -> list[Bounding]:
    """The bounds of metrics that are judged together; the policy's looks, in pairs of the run, become differences."""
    shares = block_alphas([item.metric for item in counted], policy.alpha, above_the_peak(design, policy))
    old_enough = 0 if policy.quick else math.ceil(policy.looks.pass_after_s / design.pair_s) - policy.discard_pairs
    found = []
    for item, block_alpha in zip(counted, shares, strict=True):
        stage = item.metric.stage
        # Looks that can't decide spend none of the error: before them the bounds are open.
        pairs_each = item.grouped / design.share(stage)
        pass_from = first_look(max(policy.looks.pass_from, old_enough), pairs_each)
        horizon = design.horizon(stage, policy.discard_pairs) // item.grouped
        # Beyond a plan that has spent its error no look is taken at what it holds, and those after it share less.
        fresh = design.spent(stage, policy.discard_pairs) // item.grouped + 1 if design.spent_pairs else 0
        found.append(
            Bounding(
                block_alpha=block_alpha * design.error_share,
                block_from=max(first_look(policy.looks.block_from, pairs_each), fresh),
                pass_alpha=policy.alpha * design.error_share,
                pass_from=max(min(pass_from, max(horizon, LEAST_LOOK)), fresh),
                horizon=horizon,
                spread=site.spread(item.metric, design.interleaved),
            )
        )
    return found


def above_the_peak(design: Design, policy: Policy) -> bool:
    """Whether anything above the expected peak is to be judged."""
    return design.headroom_every is not None and policy.margins.headroom.any


def block_alphas(metrics: Sequence[Metric], alpha: float, above: bool) -> list[float]:
    """What each metric may spend of a false BLOCK's one-sided error ``alpha``, of metrics judged together.

    In a run without pairs ``above`` the peak the other families have their share. They add up to ``alpha`` where every
    family is there, so that all errors together stay below it (Bonferroni, with weights: Holm, *A simple sequentially
    rejective multiple test procedure*, Scand. J. Stat. 6, 1979, section 4).
    """
    whole: dict[Family, float] = dict.fromkeys(FAMILY_SHARES, 0.0)
    for metric in metrics:
        whole[metric.family] += WEIGHTS[metric.statistic]
    spent = 1.0 if above else 1.0 - FAMILY_SHARES["headroom"]
    return [alpha / spent * FAMILY_SHARES[m.family] * WEIGHTS[m.statistic] / whole[m.family] for m in metrics]


def first_look(pairs: int, pairs_each: float) -> int:
    """After how many differences the look is taken that a policy wants after so many pairs of the run.

    ``pairs_each`` is how many pairs of the run make one difference.
    """
    return max(LEAST_LOOK, math.floor(pairs / pairs_each))


def shift_of(sample: Sample, bounding: Bounding, margins: Margins) -> QuantileShift:
    """The shift of a judgeable sample; with a single difference its standard error is infinite."""
    before, after = sample.values.T
    pairs = len(before)
    allowed = margin_of(sample.metric, margins)
    assert allowed is not None  # judgeable() leaves out what has no margin
    if isinstance(allowed, float):
        baseline, candidate = (float(arm.mean()) for arm in (before, after))
        differences = after - before
        margin = allowed
        least_se = binomial_se(sample)
    else:
        logs = np.log(sample.values)
        differences = logs[:, 1] - logs[:, 0]
        taken_out = 0.0
        if sample.met_more is not None:
            kept = without(differences, sample.met_more)
            taken_out, differences = float(differences.mean() - kept.mean()), kept
        middle = logs.mean(axis=0)
        baseline, candidate = math.exp(middle[0] + taken_out / 2), math.exp(middle[1] - taken_out / 2)
        margin = log_margin(allowed, baseline)
        # A uniform rounding error of one resolution has this standard deviation, and D is relative to the baseline.
        least_se = RESOLUTION_S / baseline / math.sqrt(12 * pairs)
    estimate = float(differences.mean())
    wider = widening(differences)
    of_pairs = float(differences.std(ddof=1)) / math.sqrt(pairs) if pairs > 1 else math.inf
    se = max(of_pairs, least_se)
    down = bounding.down(pairs, se)
    high = estimate + bounding.up(pairs, max(wider * of_pairs, least_se))
    if pairs > 1:
        high = min(high, max(estimate, _robust_high(sample, differences, wider, least_se, bounding, margin)))
    return QuantileShift(
        metric=sample.metric,
        pairs=pairs,
        grouped=sample.grouped,
        baseline=baseline,
        candidate=candidate,
        differences=differences,
        estimate=estimate,
        se=se,
        low=estimate - down,
        high=high,
        margin=margin,
        detectable=margin + down + float(stdtrit(max(pairs - 1, 1), POWER)) * math.hypot(se, bounding.spread.sd),
    )


def _robust_high(
    sample: Sample, differences: Floats, wider: float, least_se: float, bounding: Bounding, margin: float
) -> float:
    """The upper bound from what a pair usually shows, where a few noisy pairs would decide the plain one; else +inf.

    It begins at the plain mean where that is the higher one, so that what an update does in a few blocks counts; p99
    and failures, which are there for that, have the plain bound alone.
    """
    pairs = len(differences)
    if sample.metric.statistic in USUAL:
        middle = trimmed(differences, wider)
        at = max(middle.estimate, float(differences.mean()))
        return at + bounding.up(pairs, max(middle.se, least_se))
    if sample.metric.statistic == "slow_rate":
        most = np.maximum(IN_TROUBLE * margin, BY_CHANCE / np.maximum(sample.counts, 1))
        capped = replace(sample, values=np.minimum(sample.values, most))
        differences = capped.values[:, 1] - capped.values[:, 0]
        se = max(wider * float(differences.std(ddof=1)) / math.sqrt(pairs), binomial_se(capped))
        return float(differences.mean()) + bounding.up(pairs, se)
    return math.inf


def pairs_to_settle(shift: QuantileShift, bounding: Bounding) -> float:
    """About how many differences in all show whether the shift is within its margin or beyond it.

    At present noise and estimate; infinite where the estimate is on the margin, or so close to it that the spread
    which no number of pairs averages out hides it.
    """
    beyond = shift.estimate > shift.margin
    first = bounding.block_from if beyond else bounding.pass_from
    last = max(bounding.horizon, shift.pairs, first)
    alpha = bounding.block_alpha if beyond else bounding.pass_alpha
    width = critical_value(alpha, last, first, last)
    certain = reach(bounding.spread, alpha)
    se, now = shift.se, shift.high - shift.estimate
    if not beyond and certain < now < math.inf:  # neither the robust bound nor the widened one is the plain one
        se = math.sqrt(now**2 - certain**2) / bounding.to_pass(shift.pairs)
    gap = (shift.estimate - shift.margin) ** 2 - certain**2
    return max(float(first), shift.pairs * (width * se) ** 2 / gap) if gap > 0 else math.inf


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
