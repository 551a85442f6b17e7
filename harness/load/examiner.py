"""The master's part in looking at generators before a run: each is asked what it finds, one after the other.

One after the other, since each tries accounts: one that is refused on the first is tried on no other.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import gevent

from harness.errors import AuthgateError
from harness.load import messages
from harness.load.accounts import to_send
from harness.load.clock import clock_id
from harness.load.crew import Crew, until
from harness.record.folder import RunFolder

EXAMINED_WITHIN_S = 180.0


class Examiner:
    """Asks the workers that came; tells the process that started it, a line of JSON an event."""

    def __init__(self, environment: Any, folder: RunFolder) -> None:
        self._crew = Crew(environment.runner, lambda: None)
        self._folder = folder
        self._said: dict[str, dict[str, Any]] = {}
        environment.runner.register_message(messages.EXAMINED, self._examined)
        environment.events.test_start.add_listener(lambda environment, **_: self._ask_all())

    def _ask_all(self) -> None:
        try:
            self._crew.reset()
            scenario, targets = self._folder.scenario(), self._folder.targets()
            message: dict[str, Any] = {
                "scenario": scenario.model_dump(mode="json"),
                "targets": targets.model_dump(mode="json"),
                "source": targets.source,
                "clock": clock_id(),
                "accounts": {},
            }
            if messages.SEND_VARIABLE in os.environ:
                message["accounts"] = {arm: to_send(target, False) for arm, target in targets.arms.items()}
            for client, here in self._crew.call().items():
                self._crew.tell(messages.EXAMINE, client, **message)
                until(lambda client=client: client in self._said, EXAMINED_WITHIN_S)  # type: ignore[misc]
                found = self._said.get(client, {"checks": [], "clock": {}})
                self._tell("examined", who=here["host"], client=client, **found)
                if any(one["check"] == "accounts" and one["level"] == "problem" for one in found["checks"]):
                    break
            self._tell("done")
        except AuthgateError as error:
            self._tell("failed", message=str(error))
            raise gevent.GreenletExit from None

    def _examined(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["test"] == self._crew.test:
            self._said[msg.node_id] = {"checks": msg.data["checks"], "clock": msg.data["clock"]}

    def _tell(self, event: str, **data: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **data}) + "\n")
        sys.stdout.flush()
