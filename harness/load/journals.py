"""A worker's journals: in the run's folder where that is on its machine, else kept here until the master has them."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import gevent

from harness.load.health import HealthMeter
from harness.load.recorder import Recorder
from harness.load.stream import Sender
from harness.model.attempt import Attempt
from harness.model.target import Arm
from harness.record.folder import SCHEMAS, RunFolder
from harness.system.cache import cache_home, private_folder

log = logging.getLogger(__name__)

WITH_THE_MASTER_WITHIN_S = 10.0
"""For how long a worker whose load has ended waits until the master has all that it measured."""


class Journals:
    """The journals of one share; ``elsewhere`` says that they go to the master in pieces, by ``tell``."""

    def __init__(
        self, folder: Path, arm: Arm, index: int, test: str, elsewhere: bool, tell: Callable[..., None]
    ) -> None:
        self.sender: Sender | None = None
        self._kept: Path | None = None
        self._began = False
        if elsewhere or not folder.is_dir():
            self._kept = private_folder(cache_home() / "worker-journals") / f"{test}-{arm}-{index}"
            self._kept.mkdir(mode=0o700)
            folder = self._kept
        files = {kind: RunFolder(folder).journal(kind, arm, index) for kind in SCHEMAS}
        self._recorder: Recorder | None = Recorder(files["attempts"], files["health"])
        if self._kept is not None:
            self.sender = Sender(files, tell)

    def keep(self, attempt: Attempt) -> None:
        """Write the attempt with the next flush."""
        if self._recorder is not None:
            self._recorder.keep(attempt)

    def run(self, meter: HealthMeter, origin: Callable[[], int]) -> None:
        """Write until killed or closed."""
        assert self._recorder is not None
        self._began = True
        self._recorder.run(meter, origin)

    def send(self) -> None:
        """Send to the master until killed, where it has no part of this machine's disk."""
        if self.sender is not None:
            self.sender.run()

    def close(self) -> bool:
        """End the files, and wait a while until the master has them; whether it has them all."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
        if self.sender is None or self._kept is None:
            return True
        deadline = time.monotonic() + WITH_THE_MASTER_WITHIN_S
        while self._began and not self.sender.whole and time.monotonic() < deadline:
            self.sender.send()
            gevent.sleep(0.05)
        if self.sender.whole or not self._began:
            shutil.rmtree(self._kept, ignore_errors=True)
        else:
            log.error("the master has not all of what was measured here; it stays in %s", self._kept)
        return self.sender.whole or not self._began
