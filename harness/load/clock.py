"""Whose monotonic clock an instant is of, when a load begins on it, and how far the master's is from a worker's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import gevent

from harness.load import messages
from harness.stats.clocks import Clock, RoundTrip, clock_of

HEAD_START_NS = 1_000_000_000
"""Between the word and the first arrival: time enough for every worker to hear it."""
ASK_EVERY_S = 0.5
AT_FIRST_EVERY_S = 0.05
AT_FIRST = 40
"""So many questions are asked soon after each other: one of them is answered without delay."""
ENOUGH = 20
BIN_NS = 5_000_000_000
BINS_AT_MOST = 720
"""An hour of least delayed round trips."""


def clock_id() -> str:
    """Which machine, since when, in which time namespace: two processes with the same one read the same clock."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        return f"{boot} {Path('/proc/self/ns/time').readlink()}"
    except OSError:
        return boot


class MasterClock:
    """A worker's knowledge of its master's clock, by questions all along; ``tell`` sends a message to the master."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell
        self._least: dict[int, RoundTrip] = {}
        self._answers = 0
        self.clock: Clock | None = None

    def run(self) -> None:
        """Ask until killed."""
        asked = 0
        while True:
            self._tell(messages.ASK_TIME, sent=time.monotonic_ns())
            asked += 1
            gevent.sleep(AT_FIRST_EVERY_S if asked < AT_FIRST else ASK_EVERY_S)

    def answered(self, sent: int, told: int) -> None:
        """The master's clock stood at ``told`` when it heard what was ``sent``."""
        trip = RoundTrip(sent, told, time.monotonic_ns())
        self._answers += 1
        place = sent // BIN_NS
        if place not in self._least or trip.delay < self._least[place].delay:
            self._least[place] = trip
        while len(self._least) > BINS_AT_MOST:
            del self._least[next(iter(self._least))]
        self.clock = clock_of(list(self._least.values()))

    @property
    def known(self) -> bool:
        """Whether enough has been heard to begin by it."""
        return self._answers >= ENOUGH

    def here(self, master: int) -> int:
        """An instant of the master's clock on this machine's, both in monotonic ns."""
        assert self.clock is not None
        offset = self.clock.offset_at(time.monotonic_ns())
        return round(master - offset)

    @property
    def error_ms(self) -> float | None:
        """How far that may be wrong."""
        return None if self.clock is None else self.clock.error / 1e6

    def document(self) -> dict[str, float]:
        """For the manifest."""
        found = self.clock
        if found is None:
            return {}
        return {
            "offset_ms": found.offset / 1e6,
            "drift_ppm": found.drift * 1e6,
            "error_ms": found.error / 1e6,
            "round_trip_ms": found.delay / 1e6,
        }
