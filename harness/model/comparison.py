"""What a comparison of two arms says, metric by metric, before any policy has judged it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model.attempt import Floats
from harness.model.site import UNCALIBRATED, Site
from harness.model.steps import LOGIN, Cache

Statistic = Literal["p50", "p95", "p99", "failure_rate", "slow_rate"]
QUANTILES: dict[Statistic, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
Family = Literal["login", "rate", "step"]
Unit = Literal["log_ratio", "share"]
"""``log_ratio``: ln(candidate / baseline) of a latency; ``share``: candidate − baseline of a probability."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is compared; rates are over all logins, latencies over cold or warm ones apart."""

    cache: Cache | Literal["all"]
    step: str
    statistic: Statistic

    @property
    def family(self) -> Family:
        """The family that shares one part of the error of a false BLOCK."""
        if self.statistic not in QUANTILES:
            return "rate"
        return "login" if self.step == LOGIN else "step"

    @property
    def unit(self) -> Unit:
        """The unit of the metric's differences, bounds and margin."""
        return "log_ratio" if self.statistic in QUANTILES else "share"

    def __str__(self) -> str:
        if self.family == "rate":
            return f"login {self.statistic.replace('_', ' ')}"
        return f"{self.cache} {self.step} {self.statistic}"


@dataclass(frozen=True, slots=True)
class Design:
    """How the run was cut, as far as its comparison depends on it; times in seconds.

    ``interleaved`` is false where the arms were measured one after the other: such a comparison can't support a PASS.
    """

    block_s: float
    trim_s: float
    horizon_pairs: int
    timeout_s: float
    interleaved: bool = True


@dataclass(frozen=True, slots=True)
class QuantileShift:
    """The difference of one metric over the pairs seen so far, with its repeated confidence bounds.

    ``baseline`` and ``candidate`` are the medians over pairs of the blocks' values (seconds, or a share);
    ``differences`` holds one value a pair, ``estimate`` their mean, ``se`` its standard error, ``low`` the lower bound
    of the BLOCK rule, ``high`` the upper bound of the PASS rule, ``margin`` the policy's, ``detectable`` the
    difference that this many pairs would have blocked with 80 % probability: all in the metric's unit. ``low`` and
    ``high`` are −inf and +inf at a number of pairs where no look is taken.
    """

    metric: Metric
    pairs: int
    baseline: float
    candidate: float
    differences: Floats
    estimate: float
    se: float
    low: float
    high: float
    margin: float
    detectable: float

    def __post_init__(self) -> None:
        if not self.low <= self.estimate <= self.high:
            raise ValueError(f"{self.metric}: expected low <= estimate <= high")
        self.differences.flags.writeable = False


@dataclass(frozen=True, slots=True)
class LeakTest:
    """The slope of the cold-and-warm login's p50 shift against the candidate's age.

    ``slope`` and ``se`` are in ln-units a minute; ``p_value`` is one-sided, of a slope of zero or below.
    """

    slope: float
    se: float
    p_value: float
    minutes: float


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A metric that the policy names and this run can't judge, and why."""

    metric: Metric
    reason: str


@dataclass(frozen=True, slots=True)
class StepShare:
    """How much of the cold or warm login's mean slowdown lies in one step; ``added_s`` in seconds."""

    cache: Cache
    step: str
    added_s: float
    baseline_s: float
    candidate_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """What one step adds to a slowdown, in seconds, and its share of the whole, each with a 95 % interval.

    The shares are None where the whole slowdown is not shown to differ from zero: they would be shares of noise.
    """

    step: str
    added_s: float
    low_s: float
    high_s: float
    share: float | None
    share_low: float | None
    share_high: float | None


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Of what the slowdown at one quantile of the cold or warm login is made: the parts add up to the whole.

    ``elsewhere`` among the parts is response time outside every step: the wait for a seat, and the generator's own.
    """

    cache: Cache
    quantile: Statistic
    added_s: float
    low_s: float
    high_s: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the gate needs to know of two arms."""

    design: Design
    pairs: int
    load_s: float
    """Seconds of load on both arms together, up to the last pair judged."""
    candidate_age_s: float
    shifts: tuple[QuantileShift, ...]
    leak: LeakTest | None
    attribution: tuple[StepShare, ...]
    not_judged: tuple[NotJudged, ...]
    outage_blocks: tuple[int, ...]
    """Candidate blocks, by number of their pair, in which logins failed as in an outage while the baseline's served."""
    candidate_p95_s: float
    """The lower bound, of the BLOCK rule, of the candidate's login p95 in seconds; 0 where nothing is known."""
    candidate_p95_high_s: float
    """Its upper bound, of the PASS rule; infinite where nothing is known."""
    site: Site = UNCALIBRATED
    """What was known of the site, as far as bounds and verdict rest on it."""
