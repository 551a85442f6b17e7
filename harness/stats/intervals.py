"""Intervals over pairs that describe a run at its end; they are not repeated bounds and take no part in the verdict."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from harness.model.attempt import Floats

CONFIDENCE = 0.95


def mean_interval(values: Floats) -> tuple[float, float, float]:
    """Mean and its interval by Student's t."""
    center = float(values.mean())
    width = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / math.sqrt(len(values)))
    return center, center - width, center + width


def ratio_interval(part: Floats, whole: Floats) -> tuple[float, float, float]:
    """The ratio of means and its interval by the jackknife over pairs (Miller, Biometrika 61, 1974)."""
    n = len(whole)
    ratio = float(part.sum() / whole.sum())
    without = (part.sum() - part) / (whole.sum() - whole)
    se = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))
    width = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * se
    return ratio, ratio - width, ratio + width
