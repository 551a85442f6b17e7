"""Critical values of repeated confidence bounds: one look at every pair, and one error over all of them.

A bound is mean ± c(n)·s/√n with c(n) = t⁻¹ at 1 − a·n/N with n−1 degrees of freedom. The factor ``a`` spends the error
alpha over exactly the looks first_look … N and was calibrated by simulation (tests/benchmarks/calibrate_bounds.py).
Sources: Jennison & Turnbull, *Interim analyses: the repeated confidence interval approach*, JRSS B 51 (1989);
Lan & DeMets, *Discrete sequential boundaries for clinical trials*, Biometrika 70 (1983).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.special import stdtrit

from harness.stats.bounds_table import ALPHAS, A

INTERPOLATION = 0.995
"""Between two entries of the table the true ``a`` is up to 0.5 % below linear interpolation in logs."""


def critical_value(alpha: float, n: int, first_look: int, horizon: int) -> float:
    """How many standard errors wide the bound is after ``n`` of ``horizon`` pairs, at a one-sided error of ``alpha``.

    The error is over all looks first_look … horizon together. Infinite where no look is taken (n below first_look).
    Raises ValueError for an alpha outside (0, 0.1], a first look below 3, or n beyond the horizon.
    """
    if n > horizon:
        raise ValueError(f"expected at most {horizon} pairs, as the bounds were planned for, got {n}")
    a = spending_factor(alpha, first_look, max(horizon, first_look))
    return math.inf if n < first_look else float(stdtrit(n - 1, 1.0 - a * n / horizon))


@cache
def spending_factor(alpha: float, first_look: int, horizon: int) -> float:
    """The calibrated ``a``, rounded towards wider bounds.

    A first look that is not in the table takes the next smaller one, which pays for looks that are not taken. Outside
    the table's alphas and horizons the value errs towards wider bounds too: a/alpha rises with alpha, and ln a falls
    ever more slowly with ln N.
    """
    if not 0 < alpha <= 0.1:
        raise ValueError(f"expected alpha in (0, 0.1], got {alpha:g}")
    if first_look < min(A):
        raise ValueError(f"expected a first look at pair {min(A)} or later, got {first_look}")
    if alpha < ALPHAS[0]:
        return alpha * horizon / sum(range(first_look, horizon + 1))  # Bonferroni over the looks
    rows = A[max(first for first in A if first <= first_look)]
    log_n = np.log(list(rows))
    log_alpha = math.log(min(alpha, ALPHAS[-1]))
    log_a = np.array([np.interp(log_alpha, np.log(ALPHAS), np.log(row)) for row in rows.values()])
    at = math.log(horizon)
    if at <= log_n[-1]:
        found = float(np.interp(at, log_n, log_a))
    else:
        slope = (log_a[-1] - log_a[-2]) / (log_n[-1] - log_n[-2])
        found = float(log_a[-1] + slope * (at - log_n[-1]))
    return INTERPOLATION * math.exp(found) * max(alpha / ALPHAS[-1], 1.0)
