"""What a run looks like while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.model.target import Arm
from harness.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a run looks like now; rates of all arms together in logins/s, latencies in s (None before there are any)."""

    block: int
    blocks: int
    arms: tuple[Arm, ...]
    """The arms under load now: one, or in a duet both."""
    pairs_judged: int
    offered: float
    achieved: float
    latencies: dict[Arm, tuple[float, float] | None]
    verdict: Verdict | None
    left_s: float


Display = Callable[[Snapshot | None], None]
"""Shows what a run looks like; None while its arms are prepared, before any load."""
