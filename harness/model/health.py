"""How sound the measurement itself was: the load generator's side of every arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Floats
from harness.model.metric import Statistic

NS_PER_MS = 1e6
"""Nanoseconds in the milliseconds that the generator's figures are in."""


def quantile(values: Floats | list[float], q: float) -> float | None:
    """The q-quantile of a generator's figure; None of none: what was not recorded is not known."""
    return float(np.quantile(values, q)) if len(values) else None


@dataclass(frozen=True, slots=True)
class Delay:
    """What of the generator's own one login of an arm carries, pair by pair in ms: the same pairs for both arms.

    ``resource`` says what the login waited for. ``by_pair`` has, for each quantile of the login's time, the delay's.
    """

    resource: str
    by_pair: Mapping[Statistic, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class ArmHealth:
    """One arm's generator over the judged part of a run; times in ms, ``generator_cpu`` as a share of one core.

    The generator's own figures are None where they are not known, and what is not known is not sound; unless another
    tool measured, which tells of none (``foreign``).
    """

    planned: int
    started: int
    denied: int
    failed: int
    send_lag_p99_ms: float | None
    """Of logins that did not wait for a seat: the generator's own lateness."""
    pool_wait_p99_ms: float | None
    hub_stall_p99_ms: float | None
    generator_cpu: float | None
    seat_waits: int
    """Logins that waited because all seats were taken; the wait is charged to the login."""
    worker_lost: bool = False
    tried: int = 0
    """Logins sent in all, those of incomplete pairs too, of which ``denied`` were denied; 0 where only ``started`` is
    known."""
    silent_s: float | None = 0.0
    """The longest time within the judged part in which nothing was recorded of the generator, in seconds; None where
    nothing was at all."""
    delays: tuple[Delay, ...] = ()
    """What the generator itself may have added to a login, a resource each."""
    foreign: bool = False
    """Measured by another tool, which tells of the logins alone."""
    workers: int = 1
    """How many processes sent the arm's load; the generator's figures are those of the worst of them."""
    clock_error_ms: float | None = 0.0
    """In a duet, how wrong the clock of one of them may be against the others'; None where that is not known."""
    journal_ms: float | None = 0.0
    """How long writing to disk what was measured held up the event loop: the 95th percentile of each second's
    slowest write."""


@dataclass(frozen=True, slots=True)
class RunState:
    """How a run came to its end, as far as the verdict depends on it."""

    complete: bool
    """Every planned pair was executed (or the judge stopped the run)."""
    interrupted: str = ""
    """Why the run ended early for another reason than the judge's decision; empty where it did not."""
    stopped_for_denials: bool = False
    faults: tuple[str, ...] = ()
    """What of the evidence is missing, damaged or can't have happened: with any of it there is no verdict."""
