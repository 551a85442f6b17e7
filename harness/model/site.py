"""What a calibration shows about a site: the spread that no number of pairs averages out, and warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.metric import Metric


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation that stays however many pairs a run has, as some A/A runs have estimated it.

    ``sd`` and ``upper``, its upper 95 % confidence limit, are in the metric's unit; ``freedom`` is the estimate's
    degrees of freedom.
    """

    sd: float
    freedom: int
    upper: float

    def __post_init__(self) -> None:
        if not (0 <= self.sd <= self.upper and self.freedom >= 1):
            raise ValueError(f"expected 0 <= sd <= upper and a degree of freedom, got {self}")


NO_SPREAD = Spread(0.0, 1, 0.0)
UNKNOWN_SPREAD = Spread(math.inf, 1, math.inf)


@dataclass(frozen=True, slots=True)
class Site:
    """What is known about the site that is judged; the same for verdicts during a run and afterwards.

    ``deployments`` and ``levels`` are by metric; ``warnings`` say why the calibration may not fit, and ``refusal`` why
    nothing may be judged by it (empty where it may).
    """

    source: str = ""
    measured: str = ""
    runs: int = 0
    deployments: Mapping[Metric, Spread] = field(default_factory=dict)
    levels: Mapping[Metric, Spread] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    refusal: str = ""

    def spread(self, metric: Metric, interleaved: bool) -> Spread:
        """What the bounds of a metric have to include in addition to the noise of pairs.

        Between arms of one run that is the spread between deployments, zero where it was not measured. Between arms of
        different runs it is that of two levels as well, and infinite where it was not measured.
        """
        deployments = self.deployments.get(metric, NO_SPREAD)
        if interleaved:
            return deployments
        level = self.levels.get(metric)
        if level is None:
            return UNKNOWN_SPREAD
        sd = math.hypot(math.sqrt(2) * level.sd, deployments.sd)
        upper = math.hypot(math.sqrt(2) * level.upper, deployments.upper)
        freedom = min(level.freedom, deployments.freedom) if deployments.sd > 0 else level.freedom
        return Spread(sd, freedom, upper)


UNCALIBRATED = Site()
