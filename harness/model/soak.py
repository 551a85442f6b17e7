"""What a soak says: one arm under constant low load for hours, and how its logins change with its age."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.model.attempt import Floats, Ints
from harness.model.comparison import Fade
from harness.model.metric import QUANTILES, Statistic, Unit
from harness.model.steps import CACHES
from harness.model.target import Arm


@dataclass(frozen=True, slots=True)
class Growth:
    """The trend of one figure of the login's over the soak; out of a latency's a fading cold start is taken.

    ``start`` and ``end`` are the straight line's own values at both ends of the soak (seconds, or a share). ``slope``,
    its bounds and ``margin`` are a minute's, in ln-units of a latency or as a share: ``low`` is the bound of the BLOCK
    rule, ``high`` that of the PASS rule, ``detectable`` the slope that would have been blocked with 80 % probability.
    ``p_value`` is one-sided, of a slope of zero or below.
    """

    statistic: Statistic
    start: float
    end: float
    slope: float
    low: float
    high: float
    margin: float
    detectable: float
    p_value: float

    def __post_init__(self) -> None:
        if not self.low <= self.slope <= self.high:
            raise ValueError(f"{self.statistic}: expected low <= slope <= high")

    @property
    def unit(self) -> Unit:
        """The unit of the slope, a minute."""
        return "log_ratio" if self.statistic in QUANTILES else "share"


@dataclass(frozen=True, slots=True)
class StepGrowth:
    """A step's mean service time at both ends of the soak, by the straight line through its blocks; in seconds."""

    step: str
    start_s: float
    end_s: float

    @property
    def added_s(self) -> float:
        """How much longer it takes at the end, in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class SoakBlocks:
    """The soak's blocks in order of time, as arrays of one length: middle (minutes), quantiles (s), shares, logins."""

    minute: Floats
    p50: Floats
    p95: Floats
    failure_rate: Floats
    slow_rate: Floats
    logins: Ints

    def __post_init__(self) -> None:
        for values in (self.minute, self.p50, self.p95, self.failure_rate, self.slow_rate, self.logins):
            values.flags.writeable = False

    def of(self, statistic: Statistic) -> Floats:
        """The values of one statistic."""
        found: Floats = getattr(self, statistic)
        return found


@dataclass(frozen=True, slots=True)
class Soak:
    """Everything that the gate needs to know of a soak; ``minutes`` of load were judged, in whole blocks."""

    arm: Arm
    minutes: float
    blocks: SoakBlocks
    growths: tuple[Growth, ...]
    not_judged: tuple[tuple[Statistic, str], ...]
    """What could not be judged, and why."""
    fade: Fade | None
    """None where no cold start is shown."""
    steps: tuple[StepGrowth, ...]
    failed_share: float
    """The share of all logins that did not succeed."""
    cohort: str = CACHES[0]
    """Whose logins were sent."""

    def growth(self, statistic: Statistic) -> Growth | None:
        """The trend of one statistic, where it could be judged."""
        return next((growth for growth in self.growths if growth.statistic == statistic), None)

    @property
    def doubles_min(self) -> float:
        """In how many minutes the median login doubles at this growth; infinite where it does not grow."""
        growth = self.growth("p50")
        return math.log(2) / growth.slope if growth is not None and growth.slope > 0 else math.inf
