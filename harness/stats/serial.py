"""Pairs that resemble their neighbours: how much less such a run knows than as many independent pairs.

What the arms share cancels within a pair. What each arm's host does by itself does not, and where it lasts for longer
than a pair, neighbouring differences tell the same.
"""

from __future__ import annotations

import math

import numpy as np

from harness.model.attempt import Floats

AT_MOST = 0.85
"""A larger correlation can't be told from growth in a run's few dozen pairs; standard errors are 3.5 times as wide."""
LEAST = 4
"""Of fewer differences no correlation is asked."""
CLIPPED = 0.1
"""At each end of the differences, so that no single pair is all of the correlation."""


def widening(differences: Floats) -> float:
    """The factor, 1 or more, by which the standard error of a mean of differences in order of time is to be widened.

    √((1 + r) / (1 − r)) with the first autocorrelation r, the exact limit for an autoregressive process of first order
    (Bartlett, *On the theoretical specification and sampling properties of autocorrelated time series*, Suppl. J. R.
    Stat. Soc. 8, 1946); a negative r narrows nothing.
    """
    count = len(differences)
    if count < LEAST:
        return 1.0
    ordered = np.sort(differences)
    out = int(CLIPPED * count)
    apart = np.clip(differences, ordered[out], ordered[count - 1 - out])
    apart = apart - apart.mean()
    variance = float(apart @ apart)
    if variance <= 0.0:
        return 1.0
    r = min(max(float(apart[1:] @ apart[:-1]) / variance, 0.0), AT_MOST)
    return math.sqrt((1 + r) / (1 - r))
