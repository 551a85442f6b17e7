"""What the gate answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from harness.model.metric import Metric, Stage, Statistic
from harness.model.subject import ChangeUnit, Subject, statistic_of, unit_of

Decision = Literal["pass", "notice", "inconclusive", "likely slower", "block", "not judged"]


class Kind(Enum):
    """The four verdicts with their exit codes; 1 is what a crash gives, so no verdict uses it."""

    PASS = 0
    BLOCK = 10
    INCONCLUSIVE = 20
    INVALID = 30

    @property
    def exit_code(self) -> int:
        """The exit code of ``gate`` and ``compare``."""
        return self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one subject: the decision with its evidence, as far as there is any.

    ``estimate``, ``low``, ``high``, ``margin`` and ``detectable`` are in the subject's ``unit``, in which 0.1 is +10 %
    where it is ``relative``; ``baseline`` and ``candidate`` are seconds or shares. ``low`` and ``high`` are None where
    no bound exists yet.
    """

    subject: Subject
    decision: Decision
    baseline: float | None = None
    candidate: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    detectable: float | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """What a reader sees of the subject."""
        return self.subject.label

    @property
    def cohort(self) -> str:
        """Whose logins; ``all`` for all together."""
        return self.subject.cohort

    @property
    def step(self) -> str:
        """The step, or ``login`` for the whole login."""
        return self.subject.step

    @property
    def statistic(self) -> Statistic | None:
        """The figure of the logins that it is about; None for what single logins show."""
        return statistic_of(self.subject)

    @property
    def unit(self) -> ChangeUnit:
        """The unit of its changes."""
        return unit_of(self.subject)

    @property
    def stage(self) -> Stage:
        """Whether it is about the expected load or that above the peak."""
        return self.subject.stage if isinstance(self.subject, Metric) else "expected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, its reasons in sentences, and a finding for each thing judged, the most severe first."""

    kind: Kind
    sentence: str
    """One sentence that a hospital director understands."""
    reasons: tuple[str, ...]
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    blamed_step: str | None
    pairs_used: int
    load_s: float
    final: bool
    """True where more pairs could not change the verdict: the run may stop."""

    @property
    def exit_code(self) -> int:
        """The exit code of the verdict."""
        return self.kind.exit_code
