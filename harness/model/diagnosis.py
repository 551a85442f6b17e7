"""What was found when arms and machine were checked before a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem", "n/a"]
LEVELS: tuple[Level, ...] = ("ok", "warning", "problem", "n/a")
"""``problem``: logins will fail, or no run may begin; ``warning``: a run is possible, but may mislead; ``n/a``: there
is nothing to check, or no way to."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was found, in a sentence, and what to do about it where something is to be done."""

    level: Level
    found: str
    advice: str = ""

    def __post_init__(self) -> None:
        if bool(self.advice) != (self.level in ("warning", "problem")):
            raise ValueError(f"{self.level}: expected advice for warnings and problems, and for nothing else")


@dataclass(frozen=True, slots=True)
class Check:
    """One remark: where (an arm, both arms, this machine), and by which check."""

    where: str
    name: str
    remark: Remark


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks, in the order in which they were made."""

    checks: tuple[Check, ...]

    def at(self, level: Level) -> Iterator[Check]:
        """The checks of this level."""
        return (check for check in self.checks if check.remark.level == level)

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; there may be warnings."""
        return not any(self.at("problem"))


def ok(found: str) -> Remark:
    """All is as it should be."""
    return Remark("ok", found)


def warning(found: str, advice: str) -> Remark:
    """A run is possible, but may mislead, or may soon be possible no longer."""
    return Remark("warning", found, advice)


def problem(found: str, advice: str) -> Remark:
    """Logins will fail, or no run may begin."""
    return Remark("problem", found, advice)


def not_applicable(found: str) -> Remark:
    """There is nothing to check, or no way to."""
    return Remark("n/a", found)
