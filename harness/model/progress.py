"""What a run looks like while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model.comparison import Comparison
from harness.model.health import ArmHealth
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.scenario import Scenario
from harness.model.target import Arm
from harness.model.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Preparing:
    """A run before any load: its inputs and its folder, and what is being prepared."""

    folder: str
    scenario: Scenario
    policy: Policy
    arms: tuple[Arm, ...]
    ready: tuple[Arm, ...] = ()
    """The arms whose accounts are prepared and whose first logins are done."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the judge saw when it last looked."""

    verdict: Verdict
    comparison: Comparison
    health: Mapping[Arm, ArmHealth]


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
    """p50 and p95 of an arm's logins of late; while it rests, those of its last block."""
    look: Look | None
    left_s: float
    length_s: float = 0.0
    pass_from_s: float | None = None
    """Seconds from the run's origin to its earliest possible PASS; None where the run is not judged."""
    failed: Mapping[Arm, tuple[int, int]] = field(default_factory=dict)
    """How many of an arm's logins have failed, and how many have ended."""
    failures: Mapping[tuple[Arm, str, str], int] = field(default_factory=dict)
    """Failed logins by arm, step and code."""
    generators: Mapping[Arm, Mapping[str, Any]] = field(default_factory=dict)
    """The last second of each arm's generator, a row of HEALTH."""
    differences: tuple[Difference, ...] = ()
    recent: Any = None
    """The logins of the last minute, an Arrow table of ATTEMPTS."""
    now: int = 0
    """When this was, in ns from the run's origin."""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict so far."""
        return None if self.look is None else self.look.verdict


Display = Callable[[Snapshot | Preparing], None]
"""Shows what a run looks like."""
