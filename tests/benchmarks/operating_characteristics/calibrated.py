"""Calibrations of the simulated site: A/A runs in worlds that no judged run sees, some of them for each judged run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.model.metric import Metric
from harness.model.site import UNCALIBRATED, Site
from harness.stats.compare import compare
from harness.stats.spread import between_deployments, between_levels, levels_of
from tests.benchmarks.operating_characteristics.rows import CALIBRATION_SEED, EQUAL, policy_of
from tests.benchmarks.operating_characteristics.world import Layout, simulate

POOL = 60
"""A/A runs from which each judged run's calibration is drawn, so that no single calibration decides a cell."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One A/A run: estimate and standard error of each metric's difference, and the baseline's level of it."""

    differences: dict[Metric, tuple[float, float]]
    levels: dict[Metric, float]


def repeat_of(layout: Layout, number: int) -> Repeat:
    """The ``number``-th A/A run of a layout."""
    table, policy = simulate(EQUAL, layout, (CALIBRATION_SEED, number)), policy_of(layout)
    pairs = range(layout.pairs)
    shifts = compare(table, layout.design, policy, pairs).shifts
    return Repeat(
        {shift.metric: (shift.estimate, shift.se) for shift in shifts},
        levels_of(table, layout.design, policy, pairs),
    )


def site_of(layout: Layout, pool: list[Repeat], seed: tuple[int, ...]) -> Site:
    """The site as a calibration by some runs of the pool knows it."""
    if not layout.calibrated:
        return UNCALIBRATED
    drawn = np.random.default_rng(seed).choice(len(pool), layout.calibrated, replace=False)
    runs = [pool[i] for i in drawn]
    if layout.stored:
        levels = {it: between_levels(np.array([run.levels[it] for run in runs])) for it in runs[0].levels}
        return Site(source="pool", runs=len(runs), levels=levels)
    # A quantile that a pair just holds is judged on groups of pairs in some runs, of which there may be too few.
    known = set(runs[0].differences).intersection(*(run.differences for run in runs))
    found = {it: np.array([run.differences[it] for run in runs]).T for it in runs[0].differences if it in known}
    return Site(source="pool", runs=len(runs), deployments={n: between_deployments(*both) for n, both in found.items()})
