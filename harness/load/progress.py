"""What a plain test is doing now, true at every moment: for the web UI, the log, and the run's manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harness.guards.denial_share import DenialCount
from harness.model.shard import worker_name

Phase = Literal["ready", "preparing", "running", "done", "stopped", "failed"]
TOO_SMALL_FROM = 0.01
"""The share of logins that may wait for a seat before the run says that its generator was too small: what the gate
allows (policy.limits.executed_share)."""


@dataclass(slots=True)
class Share:
    """One worker's share of a test, and how far it has come."""

    client: str
    index: int
    planned: int
    ended: int = 0
    denied: int = 0
    failed: int = 0
    waited: int = 0
    busy: int = 0
    done: bool = False
    lost: bool = False
    closed: bool = False
    ready: bool = False
    arm: str = ""
    silent_s: float = 0.0
    """For how long nothing has been heard from it, while the load goes on."""
    why: str = ""
    """Why it counts as lost, in words."""
    whole: bool = True
    """Whether all that it measured is in the run's folder."""
    clock: dict[str, float] = field(default_factory=dict)
    """How far its clock is from the master's, where it has another."""

    @property
    def missing(self) -> int:
        """How many of its logins nobody knows the end of."""
        return self.planned - self.ended


def counted(shares: Iterable[Share]) -> DenialCount:
    """The logins of some shares that have ended, and of those the denied ones."""
    each = [DenialCount(share.denied, share.ended) for share in shares]
    return sum(each, DenialCount())


@dataclass(slots=True)
class Progress:
    """A test's phase, what it says of itself, and its shares."""

    phase: Phase = "ready"
    says: str = ""
    title: str = ""
    seats: int = 0
    folder: str = ""
    began: float = 0.0
    """Unix seconds of the first arrival's origin; 0 before."""
    lasts_s: float = 0.0
    shares: dict[str, Share] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    """What was wrong with the form, by field."""

    @property
    def under_way(self) -> bool:
        """Whether a test is preparing or running."""
        return self.phase in ("preparing", "running")

    @property
    def planned(self) -> int:
        """How many logins the whole plan has."""
        return sum(share.planned for share in self.shares.values())

    @property
    def counted(self) -> DenialCount:
        """The logins that have ended on all workers, and of those the denied ones."""
        return counted(self.shares.values())

    @property
    def waited(self) -> int:
        """How many logins waited for a seat."""
        return sum(share.waited for share in self.shares.values())

    @property
    def generator(self) -> str:
        """What is to be said of the generator's size; empty where no login waited for a seat."""
        if not self.waited:
            return ""
        ended = self.counted.ended
        said = f"{self.waited} of {ended} logins waited for a seat, which their times hold (seats: {self.seats})"
        if self.waited > TOO_SMALL_FROM * ended:
            return f"the generator was too small: {said}; their times are not the servers'"
        return said

    @property
    def lost(self) -> str:
        """Which workers were lost, and what with them; empty where none was."""
        parts = [
            f"worker {share.index + 1} of {len(self.shares)} ({share.client}) {share.why}, and with it "
            f"{share.missing} of its {share.planned} logins"
            for share in self.shares.values()
            if share.lost
        ]
        return "; ".join(parts)

    def sums(self) -> str:
        """How many of the planned logins have ended, in words."""
        return f"{self.counted.ended} of {self.planned}"

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {
            "phase": self.phase,
            "says": self.says,
            "title": self.title,
            "seats": self.seats,
            "folder": self.folder,
            "began": self.began,
            "lasts_s": self.lasts_s,
            "planned": self.planned,
            "ended": self.counted.ended,
            "denied": self.counted.denied,
            "failed": sum(share.failed for share in self.shares.values()),
            "waited": self.waited,
            "generator": self.generator,
            "lost": self.lost,
            "fields": self.fields,
            "shares": [asdict(share) for share in self.shares.values()],
        }


def named(share: Share, shares: Mapping[str, Share]) -> str:
    """A worker as words name it, by its arm and its number where the arm has several."""
    of = sum(other.arm == share.arm for other in shares.values())
    return worker_name(share.arm, share.index, of)
