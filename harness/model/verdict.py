"""What the gate answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from harness.model.metric import Stage

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
    """One metric's decision with its evidence.

    ``estimate``, ``low``, ``high``, ``margin`` and ``detectable`` are relative changes (0.1 is +10 %) where ``unit`` is
    ``relative``, and differences of shares where it is ``share``; ``baseline`` and ``candidate`` are seconds or shares.
    ``low`` and ``high`` are None where no bound exists yet.
    """

    metric: str
    cohort: str
    step: str
    quantile: str
    unit: Literal["relative", "share", "per_minute", "share_per_hour", "seconds"]
    baseline: float | None
    candidate: float | None
    estimate: float | None
    low: float | None
    high: float | None
    margin: float | None
    detectable: float | None
    decision: Decision
    note: str = ""
    stage: Stage = "expected"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, its reasons in sentences, and a finding for each metric, the gravest first."""

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
