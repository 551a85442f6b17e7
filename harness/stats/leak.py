"""Does the candidate get slower with age? The slope of its p50 shift against the minutes it has run.

A cold start that fades is not a leak, and would hide one: its fall pulls the slope down. So where the shift is shown to
fade exponentially at first, slope and fade are fitted together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import fdtrc, stdtr

from harness.model.attempt import Floats
from harness.model.comparison import Fade, LeakTest
from harness.model.metric import QUANTILES
from harness.stats.samples import Sample
from harness.stats.serial import widening
from harness.stats.settled import least_in_block

LEAST_PAIRS = 6
FADE_FROM_PAIRS = 12
FADE_P = 0.001
"""Below this a fade is taken as shown."""
FADE_STEPS = 12
"""Time constants that are tried, from the distance of two pairs to a quarter of the time seen, evenly in logs."""
ROUNDING = 1e-9
"""Residuals below this, in ln-units, are rounding of floats and show no slope."""


def leak_test(samples: Sequence[Sample], age_min: Floats) -> LeakTest | None:
    """The one-sided test that D(p50) of a login rises with ``age_min``, minutes at the middle of candidate blocks.

    ``samples`` are the p50 of the cohorts. Of several that can be tested the most significant is reported, its p-value
    multiplied by their number (Bonferroni): a leak in one kind of login is not diluted by the others. None where there
    is no cohort to test: with fewer than 6 pairs, where p50 needs groups of pairs, or where all are of one age.
    """
    tests = [(sample, found) for sample in samples if (found := _of_cohort(sample, age_min)) is not None]
    if not tests:
        return None
    sample, worst = min(tests, key=lambda test: test[1].p_value)
    named = sample.metric.cohort if len(tests) > 1 else ""
    p_value, p_alike = (min(len(tests) * p, 1.0) for p in (worst.p_value, worst.p_alike))
    return replace(worst, p_value=p_value, p_alike=p_alike, cohort=named)


def _of_cohort(sample: Sample, age_min: Floats) -> LeakTest | None:
    """The slope of one cohort, by least squares with Student's t."""
    counts = sample.counts
    usual = np.median(counts, axis=0).min() if len(counts) else 0
    if sample.grouped > 1 or usual < least_in_block(QUANTILES["p50"]):
        return None
    d = np.log(sample.values[:, 1] / sample.values[:, 0])
    # A pair in which a block holds nothing of the cohort has no D.
    held = np.isfinite(d) & np.isfinite(age_min)
    x, y = age_min[held], d[held]
    span = float(np.ptp(x)) if len(x) >= LEAST_PAIRS else 0.0
    if span == 0.0:
        return None
    line = np.column_stack([np.ones(len(x)), x - x.mean()])
    fade, columns = _fade(x, y, line), line
    if fade is not None:
        # The second column is how the curve changes with its time constant, which is known no better than the rest.
        curve = _curve(x, fade.minutes)
        columns = np.column_stack([line, curve, (x - x.min()) * curve])
    slope, se, freedom, wider = _slope(columns, y)
    p_value, p_alike = (float(stdtr(freedom, -slope / error)) for error in (se, wider * se))
    return LeakTest(slope, se, p_value, p_alike, minutes=span, fade=fade)


def _slope(columns: Floats, y: Floats) -> tuple[float, float, int, float]:
    """The slope, its standard error, degrees of freedom, and by what pairs that resemble their neighbours widen it."""
    found, *_ = np.linalg.lstsq(columns, y, rcond=None)
    freedom = len(y) - columns.shape[1]
    rest = y - columns @ found
    variance = max(float((rest**2).sum()) / freedom, ROUNDING**2)
    se = math.sqrt(variance * float(np.linalg.inv(columns.T @ columns)[1, 1]))
    return float(found[1]), se, freedom, widening(rest, columns.shape[1])


def _fade(x: Floats, y: Floats, line: Floats) -> Fade | None:
    """The best exponential fade in addition to a straight line, if an F test shows it."""
    if len(x) < FADE_FROM_PAIRS:
        return None
    span = float(np.ptp(x))
    straight = _rest(line, y)
    tried = [
        (_rest(np.column_stack([line, _curve(x, minutes)]), y), minutes)
        for minutes in np.geomspace(span / len(x), span / 4, FADE_STEPS)
    ]
    rest, minutes = min(tried)
    freedom = len(x) - 4
    p_value = float(fdtrc(2, freedom, (straight - rest) / 2 / max(rest / freedom, ROUNDING**2)))
    found, *_ = np.linalg.lstsq(np.column_stack([line, _curve(x, minutes)]), y, rcond=None)
    shown = p_value < FADE_P and found[2] > 0
    return Fade(float(found[2]), float(minutes), p_value) if shown else None


def _curve(x: Floats, minutes: float) -> Floats:
    return np.asarray(np.exp(-(x - x.min()) / minutes))


def _rest(columns: Floats, y: Floats) -> float:
    found, *_ = np.linalg.lstsq(columns, y, rcond=None)
    return float(((y - columns @ found) ** 2).sum())
