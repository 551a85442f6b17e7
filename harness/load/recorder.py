"""What a worker has measured, handed to the operating system while it goes on measuring."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from harness.load.health import HealthMeter
from harness.model.attempt import Attempt
from harness.model.health import NS_PER_MS
from harness.record.journal import FLUSH_EVERY_S, JournalWriter
from harness.record.schema import ATTEMPTS, HEALTH, attempts_batch, health_batch


class Recorder:
    """Journals an arm's attempts and the generator's health into a run's folder, twice a second."""

    def __init__(self, attempts: Path, health: Path) -> None:
        # Arrow imports pandas, where that is installed, at the first rows: half a second, in which no login would be
        # sent on time if these were the first of the load.
        attempts_batch([])
        self._attempts = JournalWriter(attempts, ATTEMPTS)
        self._health = JournalWriter(health, HEALTH)
        self._waiting: list[Attempt] = []
        self._closed = False
        self._slowest_ms = 0.0

    def keep(self, attempt: Attempt) -> None:
        """Write the attempt with the next flush."""
        self._waiting.append(attempt)

    def run(self, meter: HealthMeter, origin: Callable[[], int]) -> None:
        """Flush until killed or closed; a row of health every second flush."""
        while True:
            for _ in range(round(1.0 / FLUSH_EVERY_S)):
                gevent.sleep(FLUSH_EVERY_S)
                if self._closed:
                    return
                self.flush()
            meter.journal_ms, self._slowest_ms = self._slowest_ms, 0.0
            self._write(self._health, health_batch([meter.second(origin())]))

    def flush(self) -> None:
        """Hand what is waiting to the operating system."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write(self._attempts, attempts_batch(waiting))

    def _write(self, journal: JournalWriter, batch: Any) -> None:
        """Write to the disk, which holds up the event loop for as long as it takes."""
        began = time.monotonic_ns()
        journal.write(batch)
        self._slowest_ms = max(self._slowest_ms, (time.monotonic_ns() - began) / NS_PER_MS)

    def close(self) -> None:
        """Flush and end both journals."""
        self._closed = True
        self.flush()
        self._attempts.close()
        self._health.close()
