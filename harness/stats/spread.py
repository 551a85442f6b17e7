"""What no number of pairs averages out: the spread between deployments of the same bits, and of levels between runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import bdtrc, chdtri, stdtrit

from harness.model.attempt import AttemptTable, Floats
from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.site import Spread
from harness.stats.logins import usable_pairs
from harness.stats.samples import judgeable, measure

CONFIDENCE = 0.95
TOO_OFTEN_P = 0.05


def between_deployments(differences: Floats, ses: Floats) -> Spread:
    """The spread of the true differences behind the estimates of A/A runs, each between two deployments of its own.

    By moments (DerSimonian & Laird, *Meta-analysis in clinical trials*, Control. Clin. Trials 7, 1986, with equal
    weights, as the runs are of one design): mean square of the differences, less the mean square of their standard
    errors. About zero and not about their mean: the bits are the same, so that what lasts is no update's either, and
    each run is a degree of freedom. Never below what that estimate's own standard error is where there is no spread,
    √(2/K) of the mean square error: K runs can't tell less from none, and without this floor the bounds blocked up to
    twice as often as they should at a spread of 2 %.
    """
    runs = len(differences)
    square, noise = float(np.mean(differences**2)), float(np.mean(ses**2))
    least = math.sqrt(2 / runs) * noise
    upper = max(_upper(square, runs) - noise, least)
    return Spread(math.sqrt(max(square - noise, least)), runs, math.sqrt(upper))


def between_levels(levels: Floats) -> Spread:
    """The spread of a level from run to run, of two runs or more; the noise within each run is part of it."""
    freedom = len(levels) - 1
    square = float(np.var(levels, ddof=1))
    return Spread(math.sqrt(square), freedom, math.sqrt(_upper(square, freedom)))


def _upper(square: float, freedom: int) -> float:
    return square * freedom / float(chdtri(freedom, CONFIDENCE))


def reach(spread: Spread, alpha: float) -> float:
    """How far one draw from the spread lies from zero at most, at a one-sided error of ``alpha``.

    By Student's t, for the spread is an estimate. One draw applies to a whole run, so repeated looks don't matter.
    """
    return float(stdtrit(spread.freedom, 1.0 - alpha)) * spread.sd if spread.sd > 0 else 0.0


def levels_of(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> dict[Metric, float]:
    """The baseline's level of each metric over a run: the mean over pairs of ln(seconds), or of a share."""
    measured = measure(table, design, policy, usable_pairs(pairs, design, policy))
    samples, _ = judgeable(measured, design, policy.margins)
    return {
        s.metric: float((s.values[:, 0] if s.metric.unit == "share" else np.log(s.values[:, 0])).mean())
        for s in samples
    }


def too_often(blocked: int, runs: int, alpha: float) -> bool:
    """Whether so many of the A/A runs blocked that ``alpha`` can't account for it: exact binomial test, p < 0.05."""
    return runs > 0 and bool(bdtrc(blocked - 1, runs, alpha) < TOO_OFTEN_P)
