"""Pairs that resemble their neighbours: how much less such a run knows than as many independent pairs.

What the arms share cancels within a pair. What each arm's host does by itself does not, and where it lasts for longer
than a pair, neighbouring differences tell the same. For a PASS that counts, and for growth with age. It does not
for a BLOCK by the mean: an update that is slow from some minute on looks alike.
"""

from __future__ import annotations

import math

import numpy as np

from harness.model.attempt import Floats

AT_MOST = 0.85
"""A larger correlation can't be told from growth in a run's few dozen pairs; standard errors are 3.5 times as wide."""
LEAST = 8
"""Of fewer differences no correlation is asked: chance alone would widen their bounds by a fifth."""
USUAL_WIDENING = 1.1
"""By how much the bounds of a dozen independent pairs are widened on average; those of fifty by half of that."""
CLIPPED = 0.1
"""At each end of the differences, so that no single pair is all of the correlation."""


def widening(differences: Floats, fitted: int = 0) -> float:
    """The factor, 1 or more, by which the standard error of a mean of differences in order of time is to be widened.

    √((1 + r) / (1 − r)) with the first autocorrelation r, the exact limit for an autoregressive process of first order
    (Bartlett, *On the theoretical specification and sampling properties of autocorrelated time series*, Suppl. J. R.
    Stat. Soc. 8, 1946); a negative r narrows nothing. Of k coefficients ``fitted`` to n differences, which are what is
    left, r comes out too low by about (k + (k + 2) r) / n (Marriott & Pope, *Bias in the estimation of
    autocorrelations*, Biometrika 41, 1954; Tanaka, *An asymptotic expansion associated with the maximum likelihood
    estimators in ARMA models*, J. R. Stat. Soc. B 46, 1984). Of a mean this is left as it is: put right, it would make
    the bounds of a dozen independent pairs 16 % wider and not 10 %.
    """
    count = len(differences)
    if count < LEAST:
        return 1.0
    out = int(CLIPPED * count)
    ordered = np.sort(differences)
    low, high = ordered[out], ordered[count - 1 - out]
    if low == high:
        return 1.0
    apart = (np.clip(differences, low, high) - low) / (high - low)
    apart -= apart.mean()
    r = float(apart[1:] @ apart[:-1] / (apart @ apart))
    r += (fitted + (fitted + 2) * r) / count
    r = min(max(r, 0.0), AT_MOST)
    return math.sqrt((1 + r) / (1 - r))
