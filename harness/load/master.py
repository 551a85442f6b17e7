"""The master's part: it lets all arms begin at one instant and passes on which accounts were denied."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from harness.load import messages

HEAD_START_NS = 1_000_000_000
"""Between the word and the first arrival: time enough for every worker to hear it."""


class Conductor:
    """Starts the arms together once each has prepared; tells the process that started it, a line of JSON an event."""

    def __init__(self, runner: Any, workers: int) -> None:
        self._runner = runner
        self._awaited = workers
        runner.register_message(messages.READY, self._ready)
        runner.register_message(messages.FAILED, self._failed)
        runner.register_message(messages.DENIED, self._denied)

    def _ready(self, environment: Any, msg: Any, **_: Any) -> None:
        self._tell("ready", **msg.data)
        self._awaited -= 1
        if self._awaited == 0:
            origin = time.monotonic_ns() + HEAD_START_NS
            self._runner.send_message(messages.GO, {"origin": origin})
            self._tell("go", origin=origin, wall=time.time() + HEAD_START_NS / 1e9)

    def _failed(self, environment: Any, msg: Any, **_: Any) -> None:
        self._tell("failed", **msg.data)

    def _denied(self, environment: Any, msg: Any, **_: Any) -> None:
        self._runner.send_message(messages.WITHHOLD, msg.data)

    def _tell(self, event: str, **data: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **data}) + "\n")
        sys.stdout.flush()
