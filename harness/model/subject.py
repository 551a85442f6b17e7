"""What a finding is about: a type for each kind of thing that is judged, which a reader sees by its label alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, assert_never

from harness.model.cohort import EVERYONE
from harness.model.metric import QUANTILES, Metric, Statistic
from harness.model.protocol import Difference
from harness.model.steps import LOGIN


@dataclass(frozen=True, slots=True)
class LeakSlope:
    """How much slower the candidate's median login gets, relative to the baseline's, with each minute of its age."""

    cohort: ClassVar[str] = EVERYONE
    step: ClassVar[str] = LOGIN
    label: ClassVar[str] = "login p50 growth"


@dataclass(frozen=True, slots=True)
class LoginBudget:
    """The candidate's login p95 against the policy's absolute limit."""

    cohort: ClassVar[str] = EVERYONE
    step: ClassVar[str] = LOGIN
    label: ClassVar[str] = "login p95 budget"


@dataclass(frozen=True, slots=True)
class Outage:
    """Blocks in which the candidate's logins failed while the baseline's succeeded."""

    cohort: ClassVar[str] = EVERYONE
    step: ClassVar[str] = LOGIN
    label: ClassVar[str] = "outage"


@dataclass(frozen=True, slots=True)
class SoakGrowth:
    """The trend of one figure of the login's in a soak of one arm."""

    cohort: str
    statistic: Statistic
    step: ClassVar[str] = LOGIN

    @property
    def label(self) -> str:
        """What a reader sees: login p50 growth."""
        return f"login {self.statistic.replace('_', ' ')} growth"


@dataclass(frozen=True, slots=True)
class DriftSince:
    """The sum of a metric's changes over all updates since a pinned release."""

    release: str
    metric: Metric

    @property
    def cohort(self) -> str:
        """Whose logins."""
        return self.metric.cohort

    @property
    def step(self) -> str:
        """The metric's step."""
        return self.metric.step

    @property
    def label(self) -> str:
        """What a reader sees: cold login p50 since 2026.01."""
        return f"{self.metric.label} since {self.release}"


Subject = Metric | LeakSlope | LoginBudget | Outage | SoakGrowth | Difference | DriftSince
"""Each has a ``cohort``, a ``step`` (``login`` for the whole login) and a ``label``."""
SubjectKind = Literal["metric", "leak", "budget", "outage", "soak", "wire", "drift"]
ChangeUnit = Literal["relative", "share", "per_minute", "share_per_hour", "seconds"]
"""What a finding's changes are in: ``relative`` (0.1 is +10 %), a difference of shares, either of them over time, or
seconds."""


def kind_of(subject: Subject) -> SubjectKind:
    """The name that files have for a subject's type."""
    match subject:
        case Metric():
            return "metric"
        case LeakSlope():
            return "leak"
        case LoginBudget():
            return "budget"
        case Outage():
            return "outage"
        case SoakGrowth():
            return "soak"
        case Difference():
            return "wire"
        case DriftSince():
            return "drift"
        case _:
            assert_never(subject)


def statistic_of(subject: Subject) -> Statistic | None:
    """The figure of the logins that it is about; None for what single logins show."""
    match subject:
        case Metric() | SoakGrowth():
            return subject.statistic
        case LeakSlope():
            return "p50"
        case LoginBudget():
            return "p95"
        case Outage():
            return "failure_rate"
        case DriftSince():
            return subject.metric.statistic
        case Difference():
            return None
        case _:
            assert_never(subject)


def unit_of(subject: Subject) -> ChangeUnit:
    """The unit of its changes."""
    match subject:
        case Metric():
            return "relative" if subject.unit == "log_ratio" else "share"
        case DriftSince():
            return "relative"
        case LeakSlope():
            return "per_minute"
        case LoginBudget():
            return "seconds"
        case SoakGrowth():
            return "per_minute" if subject.statistic in QUANTILES else "share_per_hour"
        case Outage() | Difference():
            return "share"
        case _:
            assert_never(subject)
