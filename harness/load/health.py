"""The generator's own health, a row a second: a slow generator must not be read as a slow server."""

from __future__ import annotations

import os
import time
from pathlib import Path

import gevent

from harness.model.attempt import Attempt
from harness.model.health import NS_PER_MS, quantile
from harness.model.target import Arm
from harness.record.schema import SEAT_WAIT_FROM_NS, HealthSecond

TICK_S = 0.01


class HealthMeter:
    """Collects what happens in a second, and gives it as a row."""

    def __init__(self, arm: Arm, worker: int = 0) -> None:
        self._arm = arm
        self._worker = worker
        self.busy_seats = 0
        self.clock_error_ms: float | None = 0.0
        self.journal_ms = 0.0
        """How long the slowest write to the journals took in the second."""
        self._stalls: list[float] = []
        self._lags: list[float] = []
        self._pool_waits: list[float] = []
        self._cpu_s = time.process_time()
        self._wall_ns = time.monotonic_ns()
        self._queued_ms = _queued_ms()

    def watch_hub(self) -> None:
        """Note how much later than asked the hub wakes a sleeper; runs until killed."""
        while True:
            asked = time.monotonic_ns()
            gevent.sleep(TICK_S)
            self._stalls.append(max(0.0, (time.monotonic_ns() - asked) / NS_PER_MS - TICK_S * 1e3))

    def note(self, attempt: Attempt) -> None:
        """Take a finished login into account."""
        if attempt.seat_wait < SEAT_WAIT_FROM_NS:
            self._lags.append((attempt.started - attempt.intended) / NS_PER_MS)
        self._pool_waits.extend(step.pool_wait / NS_PER_MS for step in attempt.steps)

    def second(self, origin: int) -> HealthSecond:
        """The row of the time since the last call, and a fresh start."""
        now, cpu_s, queued_ms = time.monotonic_ns(), time.process_time(), _queued_ms()
        row = HealthSecond(
            arm=self._arm,
            worker=self._worker,
            clock_error_ms=self.clock_error_ms,
            t=now - origin,
            started=len(self._lags),
            send_lag_p99_ms=quantile(self._lags, 0.99),
            send_lag_max_ms=max(self._lags, default=None),
            pool_wait_max_ms=max(self._pool_waits, default=0.0),
            hub_stall_p99_ms=quantile(self._stalls, 0.99),
            hub_stall_max_ms=max(self._stalls, default=None),
            cpu=(cpu_s - self._cpu_s) / max((now - self._wall_ns) / 1e9, 1e-9),
            busy_seats=self.busy_seats,
            rss_mb=_rss_mb(),
            journal_ms=self.journal_ms,
            run_queue_ms=None if queued_ms is None or self._queued_ms is None else queued_ms - self._queued_ms,
        )
        self._cpu_s, self._wall_ns, self._queued_ms = cpu_s, now, queued_ms
        self._stalls, self._lags, self._pool_waits = [], [], []
        return row


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _queued_ms() -> float | None:
    """How long this process's main thread, the event loop's, has waited for a processor since its start.

    The second figure of /proc/self/schedstat (Documentation/scheduler/sched-stats.rst); None where the kernel keeps
    none.
    """
    try:
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / NS_PER_MS
    except (OSError, ValueError, IndexError):
        return None
