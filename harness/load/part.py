"""A worker's side of a run or a plain test: its share of the logins, prepared, sent and counted.

Its seats are greenlets of its own and no Locust users: Locust moves users between workers when one comes or goes, and
ends them in the middle of a login.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Group

from harness.errors import RunError
from harness.guards.denial_share import DenialCount
from harness.load import messages
from harness.load.accounts import with_accounts
from harness.load.asked import Asked, targets_digest
from harness.load.clock import MasterClock, clock_id
from harness.load.journals import Journals
from harness.load.locust_stats import fire_requests
from harness.load.worker import ArmWorker
from harness.model.attempt import Attempt
from harness.model.plan import Plan, make_plan
from harness.model.policy import Policy
from harness.model.shard import Shard, of_services
from harness.record.completeness import plan_digest
from harness.record.protocol import as_json
from harness.record.schema import SEAT_WAIT_FROM_NS
from harness.system.cache import scratch

log = logging.getLogger(__name__)

REPORT_EVERY_S = 0.25
ALIVE_EVERY_S = 1.0
"""So often the master hears that this worker is there, also where it has nothing new to tell."""
STILL_UNDER_WAY_S = 1.0
"""For how long logins that are under way may still end when a test is stopped."""
CLOCK_WITHIN_S = 10.0
MASTER_SILENT_S = 5.0
"""Nobody counts the denials of all workers any more once their master has been silent for so long."""


class Part:
    """One worker's share of one test; ``tell`` sends a message to the master."""

    def __init__(self, environment: Any, data: Mapping[str, Any], tell: Callable[..., None]) -> None:
        self._tell = tell
        self._environment = environment
        asked = Asked.of(data)
        self._scratch = scratch()
        sent, ages = data.get("accounts", {}), data.get("accounts_age_s", {})
        targets = with_accounts(asked.targets, asked.arm, sent, Path(self._scratch.name), ages)
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
            targets,
            mine,
            on_attempt=self._keep,
            on_denied=lambda user, key: tell(messages.DENIED, user=user, key=key),
            shard=shard,
            told=data["denied"],
        )
        folder, elsewhere = Path(data["folder"]), bool(data["elsewhere"])
        self._journals = Journals(folder, asked.arm, shard.index, self.test, elsewhere, tell)
        # Of a master on this machine nothing need be asked: both read one clock.
        self._clock = None if data["clock"] == clock_id() else MasterClock(tell)
        self._arm = asked.arm
        self._origin = 0
        self._counted = DenialCount()
        self._failed = self._waited = 0
        self._reported: tuple[object, ...] = ()
        self._reported_at = 0.0
        self._working = Group()
        self._beside = Group()
        self._done = False

    def prepare(self) -> None:
        """Prepare the accounts of this share, and say how the first login went; raises AuthgateError."""
        self._beside.spawn(self._journals.send)
        if self._clock is not None:
            self._beside.spawn(self._clock.run)
        first = self._worker.prepare()
        deadline = time.monotonic() + CLOCK_WITHIN_S
        while self._clock is not None and not self._clock.known:
            if time.monotonic() > deadline:
                raise RunError(f"expected the master to answer what time it is within {CLOCK_WITHIN_S:.0f} s")
            gevent.sleep(REPORT_EVERY_S / 10)
        if first.outcome.status != "ok":
            log.warning("%s: the first login ended %s %s", self._arm, first.outcome.status, first.outcome.code)
        self._tell(
            messages.READY,
            arm=self._arm,
            outcome=first.outcome.status,
            steps=[{"step": s.step, "status": s.outcome.status, "code": s.outcome.code} for s in first.steps],
            **self._said,
            **({} if self._worker.protocol is None else {"protocol": as_json(self._worker.protocol)}),
        )

    def begin(self, origin: int) -> None:
        """Let the seats begin; ``origin`` is in the master's monotonic ns."""
        self._origin = origin
        here = self._keep_time()
        self._beside.spawn(self._worker.meter.watch_hub)
        writing = self._beside.spawn(self._journals.run, self._worker.meter, lambda: self._worker.origin)
        writing.link_exception(self._cannot_write)
        self._worker.start(here)
        for _ in range(self._seats):
            self._working.spawn(self._worker.work)
        self._beside.spawn(self._report_until_done)

    def _keep_time(self) -> int:
        """The origin on this machine's clock, as far as that is known by now."""
        if self._clock is None:
            return self._origin
        self._worker.meter.clock_error_ms = self._clock.error_ms
        self._worker.origin = self._clock.here(self._origin)
        return self._worker.origin

    def answered_time(self, sent: int, told: int) -> None:
        """What the master said of its clock."""
        if self._clock is not None:
            self._clock.answered(sent, told)
            if self._origin:
                self._keep_time()

    def has(self, kind: str, size: int) -> None:
        """The master has so many bytes of a journal."""
        if self._journals.sender is not None:
            self._journals.sender.acknowledged(kind, size)

    def withhold(self, user: str) -> None:
        """Another worker was denied this account."""
        self._worker.withhold(user)

    def halt(self) -> None:
        """Send nothing more; what is under way may still end."""
        self._worker.halt()

    def close(self) -> bool:
        """Halt, wait a moment for what is under way, and close the journals; whether all is where it is read."""
        self.halt()
        deadline = time.monotonic() + STILL_UNDER_WAY_S
        while self._worker.meter.busy_seats and time.monotonic() < deadline:
            gevent.sleep(0.02)
        self._working.kill()
        self._beside.kill()
        self._report()
        whole = self._journals.close()
        self._scratch.cleanup()
        return whole

    def _keep(self, attempt: Attempt) -> None:
        self._journals.keep(attempt)
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
            "clock": {} if self._clock is None else self._clock.document(),
        }
        now = time.monotonic()
        told = tuple(value for name, value in counts.items() if name != "clock")
        if told != self._reported or now - self._reported_at >= ALIVE_EVERY_S:
            self._reported, self._reported_at = told, now
            self._tell(messages.PROGRESS, **counts)

    def _cannot_write(self, greenlet: Any) -> None:
        self.halt()
        self._tell(messages.FAILED, arm=self._arm, message=f"what is measured can't be written: {greenlet.exception}")
