"""How much slower is too much: margins, budgets, error rates, and limits on the measurement itself.

The defaults are the shipped policy ``default`` (scenarios/policies/default.yaml); a test holds the two together.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field, model_validator

from harness.model.base import Configured, Document, Name, NonNegative, Positive, Share
from harness.model.protocol import Change

PAIRS_AT_MOST = 10_000
"""Of a run, as a scenario may plan them."""


class Margin(Configured):
    """A non-inferiority margin: the candidate may be slower by ``relative``, or by ``floor_ms``, whichever is more."""

    relative: Positive
    floor_ms: NonNegative = 0.0


class LoginMargins(Configured):
    """Margins on the login's response time, a quantile each; null is not judged, one left out takes the default."""

    p50: Margin | None = Margin(relative=0.10, floor_ms=5)
    p95: Margin | None = Margin(relative=0.15, floor_ms=10)
    p99: Margin | None = Margin(relative=0.25, floor_ms=25)


class StepMargins(Configured):
    """Margins on each step's service time."""

    p50: Margin | None = Margin(relative=0.25, floor_ms=2)
    p95: Margin | None = Margin(relative=0.40, floor_ms=5)


class HeadroomMargins(Configured):
    """Margins above the expected peak, where queues make small differences large; null is not judged."""

    p95: Margin | None = Margin(relative=0.50, floor_ms=50)
    failure_rate: Positive | None = 0.01

    @property
    def any(self) -> bool:
        """Whether anything above the peak is judged."""
        return self.p95 is not None or self.failure_rate is not None


class Margins(Configured):
    """Every margin of a policy; rates are differences of shares (0.002 is 0.2 percentage points)."""

    login: LoginMargins = LoginMargins()
    step: StepMargins = StepMargins()
    headroom: HeadroomMargins = HeadroomMargins()
    failure_rate: Positive = 0.002
    slow_rate: Positive = 0.002
    capacity: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """By what share the highest rate that is served within the budgets may fall (``authgate capacity``)."""


class Budgets(Configured):
    """Absolute limits, independent of the baseline."""

    login_p95_s: Positive | None = 3.0
    """The candidate's p95 of the login's response time, in seconds."""
    outage_share: Share = 0.5
    """Two pairs in a row in which more than this of the candidate's logins fail, while the baseline serves, block from
    the first look."""


class Drift(Configured):
    """How much slower logins may get over several updates since a pinned release, each of them allowed by itself."""

    pinned: Annotated[str, Field(min_length=1, max_length=64)]
    """The release, as the targets name what is deployed (``arms.baseline.release``)."""
    login: LoginMargins = LoginMargins(
        p50=Margin(relative=0.15, floor_ms=5),
        p95=Margin(relative=0.20, floor_ms=10),
        p99=Margin(relative=0.35, floor_ms=25),
    )
    """Margins on the sum of all changes since then."""


class Looks(Configured):
    """When the sequential judge may stop a run; the discarded first pairs don't count."""

    block_from: Annotated[int, Field(ge=3, le=PAIRS_AT_MOST)] = 3
    pass_from: Annotated[int, Field(ge=3, le=PAIRS_AT_MOST)] = 12
    pass_after_s: Annotated[float, Field(ge=0, le=86_400)] = 660.0
    """The candidate's least age at a PASS, in seconds: an earlier PASS would defeat the test for a leak."""


class Leak(Configured):
    """The test on the slope of the shift against the candidate's age."""

    suspect_p: Share = 0.05
    """No PASS below this p-value."""
    block_p: Share = 0.001
    """BLOCK below this p-value, at the end of the run."""

    @model_validator(mode="after")
    def _what_blocks_was_suspected(self) -> Leak:
        if self.block_p > self.suspect_p:
            raise ValueError("expected block_p of suspect_p at most: a run that passed may not be blocked at its end")
        return self


class Soak(Configured):
    """How much slower an arm may get with its age, over the hours of a soak."""

    growth_per_minute: Positive = 0.0005
    """Of the login's p50 and p95: 0.0005 is +0.05 % a minute, which doubles them in a day. A rate may grow in an hour
    by as much as ``margins`` let an update add at once."""


class Limits(Configured):
    """Limits on the measurement; beyond them it is INVALID, never PASS."""

    send_lag_p99_ms: Positive = 25.0
    pool_wait_p99_ms: Positive = 25.0
    hub_stall_p99_ms: Positive = 50.0
    generator_cpu: Share = 0.8
    """The share of one core that a worker may use, at the 95th percentile of its seconds."""
    executed_share: Share = 0.99
    """The share of the planned logins that must have been started."""
    imbalance: Share = 0.02
    """The largest relative difference of the arms' numbers of logins."""
    baseline_failures: Share = 0.05
    """With a baseline that fails more than this no candidate can be compared."""
    denied_share: Share = 0.01
    """The run stops when more logins than this were denied, so that no real account is locked."""


class CalibrationLimits(Configured):
    """When a site's calibration is stale."""

    max_age_days: Positive = 30.0


class Wire(Configured):
    """Which differences between single logins on the arms block; all others are reported only."""

    block: tuple[Change, ...] = ("enctype-weaker", "tls-weaker")
    """Kinds of difference. By default weaker encryption, which no load test shows."""


class Policy(Document):
    """What the gate allows, and what it needs to be sure."""

    name: Name = "default"
    description: str = ""
    margins: Margins = Margins()
    slow_after_s: Positive = 1.0
    slow_times_usual: Positive = 5.0
    """A login is slow if it takes longer than ``slow_after_s`` and than so many times a usual login."""
    budgets: Budgets = Budgets()
    alpha: Annotated[float, Field(gt=0, le=0.1)] = 0.025
    """One-sided error: of a false PASS for each metric, and of a false BLOCK for the whole family of metrics."""
    looks: Looks = Looks()
    leak: Leak = Leak()
    soak: Soak = Soak()
    limits: Limits = Limits()
    calibration: CalibrationLimits = CalibrationLimits()
    protocol: Wire = Wire()
    drift: Drift | None = None
    """Null: each update is judged by itself."""
    discard_pairs: Annotated[int, Field(ge=0, le=PAIRS_AT_MOST)] = 1
    quick: bool = False
    """A quick policy may pass early; its verdict says that leaks were not tested."""

    @property
    def digest(self) -> str:
        """SHA-256 of what the policy demands of a run's load, without its name: two with one digest judge it alike."""
        apart_from = {"name", "description", "calibration", "protocol", "drift"}
        return hashlib.sha256(self.model_dump_json(exclude=apart_from).encode()).hexdigest()

    @model_validator(mode="after")
    def _quick_is_said(self) -> Policy:
        if self.looks.pass_after_s < 600 and not self.quick:
            raise ValueError("expected quick: true where looks.pass_after_s is below 600")
        return self
