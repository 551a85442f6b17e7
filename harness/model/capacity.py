"""How many logins a second each arm serves within its budgets, and what its queue would do at other rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.target import Arm
from harness.model.verdict import Kind

RungState = Literal["sustained", "failed", "unknown"]
"""``unknown``: the rate was not sustained, and the load generator may have been why."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a rung has to keep: the p95 of the login's response time (s), and the share of logins that may fail."""

    within_s: float
    failure_rate: float


@dataclass(frozen=True, slots=True)
class Times:
    """Mean and p95, in seconds, of the logins or of one step on one rung; the mean is over those that succeeded."""

    mean_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Rung:
    """One arm under one constant rate for one block, after the trim.

    ``rate`` is planned and ``offered`` was sent, ``served`` succeeded within the block, all in logins a second;
    ``failed`` is the share of ``logins`` that failed. ``growth`` is by how many seconds the response time grew in a
    second: in a queue that is served in order, the offered rate over the served one, less 1.
    """

    rate: float
    offered: float
    served: float
    logins: int
    failed: float
    growth: float
    login: Times
    steps: Mapping[str, Times]
    state: RungState
    growing: bool
    """The queue grew throughout the rung, so that its logins would become too slow sooner or later."""
    why: str = ""
    """Why the rate was not sustained, or what is not known of it; empty where it was."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One run: each arm's rungs, from the lowest rate; ``trouble`` says why the run can't be used, if so."""

    run_id: str
    coarse: bool
    """The coarse sweep, which finds where the fine ladders have to look; it has no part in the comparison."""
    rungs: Mapping[Arm, tuple[Rung, ...]]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A positive quantity with its interval; ``estimate`` is None where a side is open (low 0, high infinite)."""

    estimate: float | None
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high or (self.estimate is not None and not math.isfinite(self.estimate)):
            raise ValueError(f"expected 0 <= low <= high and a finite estimate, got {self}")


@dataclass(frozen=True, slots=True)
class ArmCapacity:
    """The highest rate that one arm serves within its budget, in logins a second: on each ladder, and over them.

    A ladder's span is a point where it could be determined, and open to one side where every rung was sustained, or
    none was.
    """

    ladders: tuple[Span, ...]
    over_all: Span


@dataclass(frozen=True, slots=True)
class CapacityShift:
    """The change of capacity from baseline to candidate, in ln-units: each ladder's, their mean, and its interval.

    Bounds are infinite where a capacity was not reached. ``margin`` is the least change that is allowed, below 0.
    """

    ladders: tuple[tuple[float, float], ...]
    """A lower and an upper value for each ladder, equal where both capacities are known."""
    estimate: float | None
    low: float
    high: float
    margin: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both arms' capacities and their difference."""

    arms: Mapping[Arm, ArmCapacity]
    shift: CapacityShift
    by_budget: bool
    """True where logins grew too slow while the queue was steady; else capacity is what can be sustained."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Response times at one rate (logins a second) by the queueing model, in seconds; None beyond saturation."""

    rate: float
    mean_s: Span | None
    p95_s: Span | None


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """What the queueing model says of one arm's login or of one step.

    ``saturation`` is the rate, in logins a second, beyond which the queue grows without end; None where nothing can be
    predicted, and then ``refused`` says why. ``servers`` is the fitted number of parallel servers (known roughly at
    best), ``error`` the fit's relative residual (root mean square), ``highest`` the highest rate that was fitted.
    """

    subject: str
    """``login``, or the name of a step."""
    highest: float
    refused: str
    saturation: Span | None
    servers: int | None
    error: float | None
    fixed_s: float | None
    """What a login takes while nobody else logs in."""
    curve: tuple[tuple[float, float, float], ...]
    """Points of the fitted curve: rate, mean and p95 in seconds; empty where refused."""
    at_peak: Prediction | None
    """At the hospital's stated peak, where one is stated."""


@dataclass(frozen=True, slots=True)
class CapacityVerdict:
    """The answer on capacity, with its reasons and what is to be read with it, in sentences."""

    kind: Kind
    sentence: str
    reasons: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CapacityEvidence:
    """Everything that a capacity report is made of; ``started`` is ISO 8601, ``stated_peak`` in logins a second."""

    search_id: str
    scenario: str
    policy: str
    environment: str
    started: str
    block_s: float
    trim_s: float
    budget: Budget
    stated_peak: float | None
    ladders: tuple[Ladder, ...]
    comparison: Comparison
    extrapolations: Mapping[Arm, tuple[Extrapolation, ...]]
    verdict: CapacityVerdict
