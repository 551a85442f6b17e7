"""Were both arms loaded alike? From their logins pair by pair, where no plan says how many were due."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import chdtrc, ndtr, stdtr

from harness.model.attempt import Floats, Ints

DISPERSION_P = (0.01, 0.1)
"""Below the first, counts vary less than Poisson's, and below the second more; then their own spread is taken."""
LEAST_PAIRS = 3
FEWER_P, MORE_P = 0.005, 0.001
"""One-sided: so often a candidate that is loaded as the baseline seems to have been sent fewer logins, or more. Fewer
flatter it, and are found with more power: 15 % fewer of 1,200 Poisson logins in 85 % of runs, of 1,400 in 92 %."""
RATE_P = 0.0005
"""The same of the rate within blocks, on either side."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """In what the arms' loads differ, and how much each had: logins in all, or logins a second."""

    what: Literal["logins", "logins a second"]
    baseline: float
    candidate: float


def unlike(logins: Ints, span_s: Floats, waits: bool, imbalance: float, exact_s: float) -> Unlike | None:
    """In what the loads of both arms differ beyond chance and by more than ``imbalance``; None where in nothing.

    ``logins`` and the ``span_s`` from the first to the last of each block, known to within ``exact_s``, are
    (pairs, arms). Where blocks last longer on one arm, the rates within them are compared too; ``exact_s`` is infinite
    where both blocks of a pair are the same time.

    Of arrivals that come by themselves the counts are Poisson's. Where their differences vary less (a timetable, one
    list replayed on both arms) or more (crowds), and where arrivals wait for answers (``waits``), their own spread over
    the pairs is taken, with Student's t. Of arms that are loaded alike, 0.4 to 0.9 % of 4,000 simulated comparisons
    were told apart (4 to 40 pairs of 100 to 750 logins); where crowds come on one arm at a time, 1 to 2 %, and 6 % of
    those with 4 pairs, which are too few to show that they are crowds.
    """
    whole = logins.sum(axis=0)
    if _apart(whole, imbalance):
        baseline, candidate = logins.T.astype(np.float64)
        allowed = FEWER_P if whole[1] < whole[0] else MORE_P
        if _chance(candidate - baseline, baseline + candidate, waits) < allowed:
            return Unlike("logins", float(whole[0]), float(whole[1]))
    here = (logins > 2).all(axis=1) & (span_s > 0).all(axis=1)
    n = logins[here].astype(np.float64)
    lasts_s = span_s[here].sum(axis=0)
    # From first to last is short of the block by a gap or so on either side.
    known_s = (exact_s + (span_s[here] / n).max(axis=1, initial=0) * 2).sum()
    if not here.any() or np.ptp(lasts_s) <= imbalance * lasts_s.max() + known_s:
        return None
    rates = (n - 1) / span_s[here]
    usual = (n - 1).sum(axis=0) / lasts_s
    weight = n.prod(axis=1) / n.sum(axis=1)
    if _apart(usual, imbalance) and _chance(weight * np.log(rates[:, 1] / rates[:, 0]), weight, waits) < RATE_P:
        return Unlike("logins a second", float(usual[0]), float(usual[1]))
    return None


def _apart(values: Ints | Floats, imbalance: float) -> bool:
    return bool(np.ptp(values) > imbalance * values.max())


def _chance(difference: Floats, variance: Floats, waits: bool) -> float:
    """The one-sided p-value of differences with a mean of 0, whose variances are in proportion to those given.

    They are those given, or else the differences' own: where they ``waits``, and where their spread is another.
    """
    here = variance > 0
    difference, variance = difference[here], variance[here]
    whole, total, pairs = float(variance.sum()), float(difference.sum()), len(variance)
    if pairs < LEAST_PAIRS:
        return 1.0 if waits or not pairs else float(ndtr(-abs(total) / math.sqrt(whole)))
    freedom = pairs - 1
    squares = float(((difference - total / whole * variance) ** 2 / variance).sum())
    above = float(chdtrc(freedom, squares))
    if not waits and DISPERSION_P[0] < 1 - above and DISPERSION_P[1] < above:
        return float(ndtr(-abs(total) / math.sqrt(whole)))
    # Counts are whole, and each but a rounded one: a spread of less than that is none.
    spread = max(squares / freedom, pairs / (6 * whole))
    return float(stdtr(freedom, -abs(total) / math.sqrt(spread * whole)))
