"""What a comparison of two arms shows, metric by metric, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Flags, Floats, Ints
from harness.model.metric import Metric, Stage, Statistic
from harness.model.site import UNCALIBRATED, Site


@dataclass(frozen=True, slots=True)
class Design:
    """How the run was cut, as far as its comparison depends on it; times in seconds.

    ``interleaved`` is false where the arms were measured one after the other: such a comparison can't support a PASS.
    ``random_order`` says that the arms took turns in an order that was drawn, as in every plan of authgate's own.
    ``headroom_every`` says that each so-many-th pair is loaded above the expected peak (None: none is), ``duet`` that
    both arms' blocks run at once. Each arm has ``per_pair`` blocks in a pair, or above the peak one as long as these
    together. A run that was continued beyond its plan has spent its error by ``spent_pairs``; what comes after may
    spend ``error_share`` of it.
    """

    block_s: float
    trim_s: float
    horizon_pairs: int
    timeout_s: float
    interleaved: bool = True
    headroom_every: int | None = None
    duet: bool = False
    spent_pairs: int = 0
    error_share: float = 1.0
    per_pair: int = 1
    random_order: bool = False

    @property
    def pair_s(self) -> float:
        """How long a pair takes, in seconds."""
        return self.arm_s if self.duet else 2 * self.arm_s

    @property
    def arm_s(self) -> float:
        """How long each arm is loaded in a pair, in seconds."""
        return self.per_pair * self.block_s

    def blocks(self, stage: Stage) -> int:
        """How many blocks each arm has in a pair of a stage."""
        return 1 if stage == "headroom" else self.per_pair

    def trim(self, stage: Stage) -> float:
        """How many seconds at a block's beginning are not judged: above the peak half of it, while a queue grows."""
        return max(self.trim_s, self.arm_s / 2) if stage == "headroom" else self.trim_s

    def untrimmed(self, pair: Ints, offset_s: Floats) -> Flags:
        """Which logins of some pairs, due so long after their block's beginning, are judged."""
        above = (pair + 1) % self.headroom_every == 0 if self.headroom_every else np.zeros(pair.shape, dtype=bool)
        return offset_s >= np.where(above, self.trim("headroom"), self.trim("expected"))

    def share(self, stage: Stage) -> float:
        """The share of all pairs that belong to a stage."""
        above = 1 / self.headroom_every if self.headroom_every else 0.0
        return above if stage == "headroom" else 1 - above

    def stage(self, pair: int) -> Stage:
        """The stage that a pair belongs to."""
        above = self.headroom_every is not None and (pair + 1) % self.headroom_every == 0
        return "headroom" if above else "expected"

    def horizon(self, stage: Stage, discarded: int) -> int:
        """How many pairs of a stage the whole run holds, the ``discarded`` first pairs of the run left out."""
        return self._until(self.horizon_pairs, stage, discarded)

    def spent(self, stage: Stage, discarded: int) -> int:
        """After how many of them the error was spent; 0 where it is still being spent."""
        return self._until(self.spent_pairs, stage, discarded) if self.spent_pairs else 0

    def _until(self, pairs: int, stage: Stage, discarded: int) -> int:
        every = self.headroom_every
        end = max(pairs, discarded)
        above = end // every - discarded // every if every else 0
        return above if stage == "headroom" else end - discarded - above


@dataclass(frozen=True, slots=True)
class QuantileShift:
    """The difference of one metric over the pairs seen so far, with its repeated confidence bounds.

    ``pairs`` is the number of differences, of which each is made of ``grouped`` pairs of the metric's stage.
    ``baseline`` and ``candidate`` are the means over pairs of their values: plain ones of shares, geometric ones of
    seconds, so that their ratio is the estimate. Levels and differences of seconds are as though periodic interference
    had met both arms alike (``Comparison.periodic``).
    ``differences`` holds the differences, ``estimate`` their mean, ``se`` its standard error, ``low`` the lower bound
    of the BLOCK rule, ``high`` the upper bound of the PASS rule, ``margin`` the policy's, ``detectable`` the
    difference that this many pairs would have blocked with 80 % probability: all in the metric's unit. ``low`` and
    ``high`` are −inf and +inf at a number of pairs where no look is taken.
    """

    metric: Metric
    pairs: int
    grouped: int
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
            raise ValueError(f"{self.metric.label}: expected low <= estimate <= high")
        self.differences.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Fade:
    """A cold start that fades exponentially: p50, or its shift, began ``added`` ln-units above the straight line.

    After ``minutes``, the time constant, 37 % of it are left. ``p_value`` is that of there being none.
    """

    added: float
    minutes: float
    p_value: float


@dataclass(frozen=True, slots=True)
class LeakTest:
    """The slope of the p50 shift of one cohort's logins against the candidate's age: of the cohort that grows most
    significantly.

    ``slope`` and ``se`` are in ln-units a minute; ``p_value`` is one-sided, of a slope of zero or below in
    every cohort, and ``p_alike`` the same where neighbouring pairs resemble each other, as where a host drifts by
    itself. Where a cold start was seen to fade, the slope is fitted together with it.
    """

    slope: float
    se: float
    p_value: float
    p_alike: float
    minutes: float
    fade: Fade | None = None
    cohort: str = ""
    """Empty where one cohort alone was tested."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """Both arms were slower every ``period_s`` seconds, as beside a job on a host that they share.

    ``explained`` is its share of the variance between blocks. What met one arm more than the other is taken out of the
    shifts.
    """

    period_s: float
    explained: float


@dataclass(frozen=True, slots=True)
class NotJudged:
    """A metric that the policy names and this run can't judge, and why."""

    metric: Metric
    reason: str


@dataclass(frozen=True, slots=True)
class StepShare:
    """How much of the mean slowdown of a cohort's logins is in one step; ``added_s`` in seconds."""

    cohort: str
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
    """Which steps make up the slowdown at one quantile of a cohort's logins: the parts add up to the whole.

    ``elsewhere`` among the parts is response time outside every step: the wait for a seat, and the generator's own.
    """

    cohort: str
    quantile: Statistic
    added_s: float
    low_s: float
    high_s: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that the gate needs to know about two arms."""

    design: Design
    pairs: int
    """Pairs of the expected stage that count."""
    seen: int
    """All pairs that ran to their end, discarded ones and those above the peak among them."""
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
    """What was known about the site, as far as bounds and verdict depend on it."""
    periodic: Periodic | None = None
    """None where no periodic interference was found."""
