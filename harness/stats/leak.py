"""Does the candidate grow slower with age? The slope of its p50 shift against the minutes it has lived."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr

from harness.model.attempt import Floats
from harness.model.comparison import QUANTILES, LeakTest
from harness.stats.samples import Cells, needed_in_block

LEAST_PAIRS = 6
ROUNDING = 1e-9
"""Residuals below this, in ln-units, are rounding of floats and show no slope."""


def leak_test(cells: Cells, age_min: Floats) -> LeakTest | None:
    """The one-sided test that D(p50) of the login rises with ``age_min``, minutes at the middle of candidate blocks.

    Least squares with Student's t on n−2 degrees of freedom; D is the mean of cold and warm where both can be judged.
    None with fewer than 6 pairs, or where all are of one age.
    """
    if len(age_min) < LEAST_PAIRS:
        return None
    enough = np.median(cells.counts, axis=1).min(axis=1) >= needed_in_block(QUANTILES["p50"])
    logs = np.log(cells.quantile(QUANTILES["p50"])[enough])
    d = (logs[:, :, 1] - logs[:, :, 0]).sum(axis=0) / max(np.count_nonzero(enough), 1)
    # A pair in which a block holds nothing of a kind has no D.
    held = np.isfinite(d)
    x, y = age_min[held], d[held]
    spread = float(((x - x.mean()) ** 2).sum()) if len(x) >= LEAST_PAIRS and enough.any() else 0.0
    if spread == 0.0:
        return None
    slope = float(((x - x.mean()) * y).sum() / spread)
    residuals = y - y.mean() - slope * (x - x.mean())
    freedom = len(x) - 2
    se = math.sqrt(max(float((residuals**2).sum()) / freedom, ROUNDING**2) / spread)
    return LeakTest(slope=slope, se=se, p_value=float(stdtr(freedom, -slope / se)), minutes=float(x.max() - x.min()))
