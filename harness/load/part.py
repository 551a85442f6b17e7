"""A worker's side of a run or a plain test: its share of the logins, prepared, sent and counted.

Its seats are greenlets of its own and no Locust users: Locust moves users between workers when one comes or goes, and
ends them in the middle of a login.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from gevent.pool import Group

from harness.errors import AuthgateError
from harness.guards.denial_share import DenialCount
from harness.load import messages
from harness.load.asked import Asked, targets_digest
from harness.load.clock import HEAD_START_NS, boot_id
from harness.load.locust_stats import fire_requests
from harness.load.recorder import Recorder
from harness.load.worker import ArmWorker
from harness.model.attempt import Attempt
from harness.model.plan import Plan, make_plan
from harness.model.policy import Policy
from harness.model.shard import Shard, of_services
from harness.model.target import Arm
from harness.record.completeness import plan_digest
from harness.record.folder import RunFolder
from harness.record.protocol import as_json
from harness.record.schema import SEAT_WAIT_FROM_NS
from harness.version import __version__

log = logging.getLogger(__name__)

REPORT_EVERY_S = 0.25
ALIVE_EVERY_S = 1.0
"""So often the master hears that this worker is there, also where it has nothing new to tell."""
STILL_UNDER_WAY_S = 1.0
"""For how long logins that are under way may still end when a test is stopped."""
MASTER_SILENT_S = 5.0
"""Nobody counts the denials of all workers any more once their master has been silent for so long."""


class Part:
    """One worker's share of one test; ``tell`` sends a message to the master."""

    def __init__(self, environment: Any, data: Mapping[str, Any], tell: Callable[..., None]) -> None:
        self._tell = tell
        self._environment = environment
        asked = Asked.of(data)
        self.test = str(data["test"])
        shard = Shard(int(data["index"]), int(data["of"]), of_services(asked.scenario))
        self._seats = shard.seats(asked.seats)
        self._alone = bool(data["alone"])
        self._allowed = Policy().limits.denied_share
        # In a thread: a plan of hours takes seconds, in which the master is to hear that this worker is there.
        plan: Plan = gevent.get_hub().threadpool.apply(make_plan, (asked.scenario, data["arms"]))
        mine = plan.of(asked.arm)
        self._said = {
            "digest": plan_digest(plan),
            "targets": targets_digest(asked.targets),
            "arrivals": shard.count(mine),
        }
        self._worker = ArmWorker(
            asked.arm,
            asked.scenario.model_copy(update={"seats": self._seats}),
            asked.targets,
            mine,
            on_attempt=self._keep,
            on_denied=lambda user: tell(messages.DENIED, user=user),
            shard=shard,
        )
        self._recorder = self._record(RunFolder(Path(data["folder"])), asked.arm, shard.index)
        self._arm = asked.arm
        self._origin = 0
        self._counted = DenialCount()
        self._failed = self._waited = 0
        self._reported: tuple[object, ...] = ()
        self._reported_at = 0.0
        self._working = Group()
        self._beside = Group()
        self._done = False

    @staticmethod
    def _record(folder: RunFolder, arm: Arm, index: int) -> Recorder | None:
        """The journals in the run's folder; None where that lies on another machine."""
        if not folder.path.is_dir():
            return None
        return Recorder(folder.journal("attempts", arm, index), folder.journal("health", arm, index))

    def prepare(self) -> None:
        """Prepare the accounts of this share, and say how the first login went; raises AuthgateError."""
        first = self._worker.prepare()
        if first.outcome.status != "ok":
            log.warning("%s: the first login ended %s %s", self._arm, first.outcome.status, first.outcome.code)
        self._tell(
            messages.READY,
            arm=self._arm,
            outcome=first.outcome.status,
            steps=[{"step": s.step, "status": s.outcome.status, "code": s.outcome.code} for s in first.steps],
            **self._said,
            journal=self._recorder is not None,
            **({} if self._worker.protocol is None else {"protocol": as_json(self._worker.protocol)}),
        )

    def begin(self, origin: int) -> None:
        """Let the seats begin; ``origin`` is in this machine's monotonic ns."""
        self._origin = origin
        self._beside.spawn(self._worker.meter.watch_hub)
        if self._recorder is not None:
            self._beside.spawn(self._recorder.run, self._worker.meter, lambda: origin).link_exception(
                self._cannot_write
            )
        self._worker.start(origin)
        for _ in range(self._seats):
            self._working.spawn(self._worker.work)
        self._beside.spawn(self._report_until_done)

    def withhold(self, user: str) -> None:
        """Another worker was denied this account."""
        self._worker.withhold(user)

    def halt(self) -> None:
        """Send nothing more; what is under way may still end."""
        self._worker.halt()

    def close(self) -> None:
        """Halt, wait a moment for what is under way, and close the journals."""
        self.halt()
        deadline = time.monotonic() + STILL_UNDER_WAY_S
        while self._worker.meter.busy_seats and time.monotonic() < deadline:
            gevent.sleep(0.02)
        self._working.kill()
        self._beside.kill()
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
        self._report()

    def _keep(self, attempt: Attempt) -> None:
        if self._recorder is not None:
            self._recorder.keep(attempt)
        fire_requests(self._environment, attempt)
        denied = attempt.outcome.status == "denied"
        self._counted += DenialCount(denied, 1)
        self._failed += attempt.outcome.status != "ok"
        self._waited += attempt.seat_wait >= SEAT_WAIT_FROM_NS
        if denied:
            # The master counts those of all workers; of a plain test, this one's alone are enough to stop it where
            # nobody hears it. A run's are judged together, over both arms.
            if self._alone and self._counted.reason_to_stop(self._allowed):
                self.halt()
            self._report()

    def _report_until_done(self) -> None:
        while not self._working.join(REPORT_EVERY_S):
            self._report()
            if self._master_is_silent():
                log.error("the master has been silent for %.0f s: nothing more is sent", MASTER_SILENT_S)
                self.halt()
        self._done = True
        self._report()

    def _master_is_silent(self) -> bool:
        heard = getattr(self._environment.runner, "last_heartbeat_timestamp", None)
        return heard is not None and time.time() - heard > MASTER_SILENT_S

    def _report(self) -> None:
        counts = {
            "ended": self._counted.ended,
            "denied": self._counted.denied,
            "failed": self._failed,
            "waited": self._waited,
            "busy": self._worker.meter.busy_seats,
            "done": self._done,
        }
        now = time.monotonic()
        if tuple(counts.values()) != self._reported or now - self._reported_at >= ALIVE_EVERY_S:
            self._reported, self._reported_at = tuple(counts.values()), now
            self._tell(messages.PROGRESS, **counts)

    def _cannot_write(self, greenlet: Any) -> None:
        self.halt()
        self._tell(messages.FAILED, arm=self._arm, message=f"what is measured can't be written: {greenlet.exception}")


class Worker:
    """What a Locust worker answers to its master; a process that is both answers to itself."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._part: Part | None = None
        self._preparing: Any = None
        self._closing = BoundedSemaphore(1)
        runner = environment.runner
        for name, listener in (
            (messages.CALL, self._called),
            (messages.PART, self._given),
            (messages.GO, self._go),
            (messages.HALT, self._halt),
            (messages.WITHHOLD, self._withhold),
        ):
            runner.register_message(name, listener)
        environment.events.quitting.add_listener(lambda **_: self._close())

    def _tell(self, test: str, name: str, **data: object) -> None:
        self._environment.runner.send_message(name, {"test": test, **data})

    def _called(self, environment: Any, msg: Any, **_: Any) -> None:
        arm, index = (os.environ.get(name, "") for name in (messages.ARM_VARIABLE, messages.WORKER_VARIABLE))
        self._tell(msg.data["test"], messages.HERE, version=__version__, arm=arm, index=index)

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
            same_clock = msg.data["boot"] == boot_id()
            self._part.begin(int(msg.data["origin"]) if same_clock else time.monotonic_ns() + HEAD_START_NS)

    def _withhold(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._part is not None and self._part.test == msg.data["test"]:
            self._part.withhold(msg.data["user"])

    def _halt(self, environment: Any, msg: Any, **_: Any) -> None:
        test = msg.data["test"]
        if self._part is not None:
            self._part.halt()  # at once; what comes after takes its time

        def close() -> None:
            self._close()
            self._tell(test, messages.CLOSED)

        gevent.spawn(close)

    def _close(self) -> None:
        """Return when the journals are closed, also where somebody else is closing them already."""
        with self._closing:
            if self._preparing is not None:
                self._preparing.kill()
                self._preparing = None
            if self._part is not None:
                self._part.close()
                self._part = None
