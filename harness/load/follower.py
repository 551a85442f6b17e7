"""What a Locust worker answers to its master: it takes a share, prepares it, begins, and ends when it is told to."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore

from harness.errors import AuthgateError
from harness.load import messages
from harness.load.accounts import with_accounts
from harness.load.clock import MasterClock, clock_id
from harness.load.part import Part
from harness.model.diagnosis import Diagnosis
from harness.model.exit_codes import USAGE_ERROR
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.system.cache import scratch
from harness.version import __version__

log = logging.getLogger(__name__)


class Worker:
    """What a Locust worker answers to its master; a process that is both answers to itself."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._part: Part | None = None
        self._preparing: Any = None
        self._clock: MasterClock | None = None
        """The master's, while this machine is looked at; a part has its own."""
        self._closing = BoundedSemaphore(1)
        runner = environment.runner
        for name, listener in (
            (messages.CALL, self._called),
            (messages.PART, self._given),
            (messages.GO, self._go),
            (messages.HALT, self._halt),
            (messages.WITHHOLD, self._withhold),
            (messages.HAVE, self._has),
            (messages.TIME, self._time),
            (messages.REFUSED, self._refused),
            (messages.EXAMINE, self._asked_to_examine),
        ):
            runner.register_message(name, listener)
        environment.events.quitting.add_listener(lambda **_: self._close())

    def _tell(self, test: str, name: str, **data: object) -> None:
        self._environment.runner.send_message(name, {"test": test, **data})

    def _called(self, environment: Any, msg: Any, **_: Any) -> None:
        arm, index = (os.environ.get(name, "") for name in (messages.ARM_VARIABLE, messages.WORKER_VARIABLE))
        self._tell(
            msg.data["test"], messages.HERE, version=__version__, arm=arm, index=index, host=socket.gethostname()
        )

    def _given(self, environment: Any, msg: Any, **_: Any) -> None:
        self._close()
        self._preparing = gevent.spawn(self._prepare, msg.data)

    def _prepare(self, data: Mapping[str, Any]) -> None:
        test = str(data["test"])
        try:
            self._part = Part(self._environment, data, lambda name, **more: self._tell(test, name, **more))
            self._part.prepare()
        except AuthgateError as error:
            self._tell(test, messages.FAILED, arm=data["arm"], message=str(error))
        except Exception as error:
            self._tell(
                test, messages.FAILED, arm=data["arm"], message=f"unexpected {type(error).__name__}; see the log"
            )
            raise

    def _go(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._part is not None and self._part.test == msg.data["test"]:
            self._part.begin(int(msg.data["origin"]))

    def _withhold(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._part is not None and self._part.test == msg.data["test"]:
            self._part.withhold(msg.data["user"])

    def _halt(self, environment: Any, msg: Any, **_: Any) -> None:
        test = msg.data["test"]
        if self._part is not None:
            self._part.halt()  # at once; what comes after takes its time

        def close() -> None:
            self._tell(test, messages.CLOSED, whole=self._close())

        gevent.spawn(close)

    def _has(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._part is not None and self._part.test == msg.data["test"]:
            self._part.has(msg.data["kind"], int(msg.data["size"]))

    def _asked_to_examine(self, environment: Any, msg: Any, **_: Any) -> None:
        gevent.spawn(self._examine, msg.data)

    def _examine(self, data: Mapping[str, Any]) -> None:
        """Look at this machine and at the arms from it, and at the master's clock."""
        from harness.doctor.examine import examine  # of no use to a run

        test = str(data["test"])
        clock = None if data["clock"] == clock_id() else MasterClock(partial(self._tell, test))
        self._clock = clock
        asking = None if clock is None else gevent.spawn(clock.run)
        scenario = Scenario.model_validate(data["scenario"])
        targets = Targets.model_validate(data["targets"]).read_from(data["source"])
        with scratch() as folder:
            for arm in targets.arms:
                own = Path(folder) / arm
                own.mkdir()
                targets = with_accounts(targets, arm, data["accounts"].get(arm, {}), own)
            # In a thread, so that the master hears meanwhile that this worker is there.
            found: Diagnosis = gevent.get_hub().threadpool.apply(examine, (targets, scenario))
        if asking is not None:
            asking.kill()
        checks = [{"where": it.where, "check": it.name, **asdict(it.remark)} for it in found.checks]
        self._tell(test, messages.EXAMINED, checks=checks, clock={} if clock is None else clock.document())

    def _time(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._clock is not None:
            self._clock.answered(int(msg.data["sent"]), int(msg.data["told"]))
        if self._part is not None:
            self._part.answered_time(int(msg.data["sent"]), int(msg.data["told"]))

    def _refused(self, environment: Any, msg: Any, **_: Any) -> None:
        log.error("the master refuses this worker: %s", msg.data["why"])
        environment.process_exit_code = USAGE_ERROR
        gevent.spawn(environment.runner.quit)

    def _close(self) -> bool:
        """Return when the journals are closed, also where somebody else is closing them; whether all is there."""
        with self._closing:
            whole = True
            if self._preparing is not None:
                self._preparing.kill()
                self._preparing = None
            if self._part is not None:
                whole = self._part.close()
                self._part = None
            return whole
