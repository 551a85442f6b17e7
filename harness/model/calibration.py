"""What repeated A/A runs of a site showed: its noise, its false BLOCKs, and what no number of pairs averages out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.metric import Metric
from harness.model.site import Spread


@dataclass(frozen=True, slots=True)
class Noise:
    """One metric over all repeats: the spread of a pair's difference, its margin, the smallest detectable change.

    All in the metric's unit; ``detectable`` is the median over repeats of what a run would have blocked with 80 %
    probability. ``deployments`` is how two deployments of the same bits differ, None where only one was measured;
    ``levels`` how the baseline's level differs from run to run, None with a single run.
    """

    metric: Metric
    pair_sd: float
    margin: float
    detectable: float
    pairs_each: float = 1.0
    """Pairs of a run that one difference takes: the group of a rare quantile, or a stage that has its turn."""
    deployments: Spread | None = None
    levels: Spread | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What repeated A/A runs of one scenario under one policy have shown.

    ``scenario_digest`` is that of the workload without its seed, ``targets`` holds the digest of each arm's endpoints,
    ``began`` and ``measured`` are the ISO 8601 times at which the first and the last run began.
    """

    scenario: str
    scenario_digest: str
    policy: str
    policy_digest: str
    alpha: float
    targets: Mapping[str, str]
    version: str
    began: str
    measured: str
    runs: tuple[str, ...]
    verdicts: Mapping[str, int]
    noise: tuple[Noise, ...]
