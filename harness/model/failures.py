"""Which causes make up a difference in failed logins."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.attempt import Status


@dataclass(frozen=True, slots=True)
class Cause:
    """Why logins failed: the step that did (empty: none), how it ended, and the protocol's own code."""

    step: str
    status: Status
    code: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.step or "outside every step", self.code or self.status)))


@dataclass(frozen=True, slots=True)
class CausePart:
    """What one cause adds to the share of failed logins, and its part of the whole, each with a 95 % interval.

    ``baseline`` and ``candidate`` are shares of all logins of an arm. The parts of the whole are None where the whole
    is not shown to differ from zero. ``cause`` is None for all causes that are too rare to be named.
    """

    cause: Cause | None
    baseline: float
    candidate: float
    added: float
    low: float
    high: float
    part: float | None
    part_low: float | None
    part_high: float | None


@dataclass(frozen=True, slots=True)
class FailureAnatomy:
    """The difference of the arms' shares of failed logins, over pairs; the causes' differences add up to it."""

    added: float
    low: float
    high: float
    parts: tuple[CausePart, ...]

    @property
    def shown(self) -> bool:
        """Whether the whole is shown to differ from zero."""
        return self.low > 0 or self.high < 0
