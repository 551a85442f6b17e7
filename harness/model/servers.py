"""Which server answered each step, where an arm has several."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.target import Arm


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """One server's part in a step on one arm: its share of the steps taken, and quantiles of their service time.

    ``server`` is empty for steps that none answered. Failed steps last at least as long as the time-out.
    """

    arm: Arm
    cohort: str
    step: str
    server: str
    count: int
    share: float
    p50_s: float
    p95_s: float
