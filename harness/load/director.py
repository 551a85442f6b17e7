"""The master's side of plain Locust tests: it shares the plan out, lets all begin at once, counts, and ends the test.

A process that is master and worker in one speaks to itself by the same messages, so there is one code path.

1. Shares are given at a test's start to the workers that answer then, and never change while it goes on.
2. The load begins when each has prepared its own and their logins add up to the plan's.
3. The denials of all workers are counted together, by the rule that every run has.
4. A test whose plan is done ends by itself; one that ends otherwise says what is missing.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import gevent
from locust.runners import STATE_MISSING, STATE_SPAWNING, MasterRunner

from harness.errors import AuthgateError, RunError
from harness.load import messages
from harness.load.asked import Asked, AskedError, asked_of
from harness.load.part import HEAD_START_NS, boot_id
from harness.load.progress import Phase, Progress, Share
from harness.load.stopped import stop_without_the_missing
from harness.model.exit_codes import CRASH, USAGE_ERROR
from harness.model.plan import NS, Plan, make_plan, preparations
from harness.model.policy import Policy
from harness.model.shard import Shard, shards
from harness.record.folder import RunFolder
from harness.run.plain import finish_plain, open_plain

log = logging.getLogger(__name__)

ANSWERED_WITHIN_S = 10.0
"""One that does not is lost before that, by Locust's heartbeat."""
PREPARED_WITHIN_S = 120.0
CLOSED_WITHIN_S = 4.0
CSV_WRITTEN_WITHIN_S = 1.5
POLL_S = 0.1
LOCAL = "local"


class Director:
    """Directs the plain tests of a Locust master, one after the other; ``progress`` is that of the last."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._runner = environment.runner
        self.progress = Progress()
        self.asked: Asked | None = None
        """What the next test is asked to do, where a form has said so; else the options say it."""
        self._test = ""
        self._folder: RunFolder | None = None
        self._here: list[str] = []
        self._first: dict[str, dict[str, Any]] = {}
        self._failure = ""
        self._closing = False
        self._allowed = Policy().limits.denied_share
        for name, listener in (
            (messages.HERE, self._answered),
            (messages.READY, self._ready),
            (messages.FAILED, self._failed),
            (messages.DENIED, self._denied),
            (messages.PROGRESS, self._heard),
            (messages.CLOSED, self._closed),
        ):
            self._runner.register_message(name, listener)
        environment.events.test_start.add_listener(lambda environment, **_: self._begin())
        environment.events.test_stopping.add_listener(lambda environment, **_: self._stopping())
        stop_without_the_missing(environment)

    # A test from its start to its first arrival.

    def _begin(self) -> None:
        """Prepare a test, and return when its load begins; where it can't, the test is ended and this greenlet too."""
        # Locust's own state first: its page stops asking in any other, and shows neither what happens nor Stop.
        self._runner.update_state(STATE_SPAWNING)
        self._test, self._folder, self._failure = secrets.token_hex(4), None, ""
        self._here, self._first, self._closing = [], {}, False
        self._environment.process_exit_code = None
        self.progress = Progress()
        self._say("preparing", "preparing: inputs are read")
        try:
            asked, self.asked = self.asked or self._by_options(), None
            plan = make_plan(asked.scenario, [asked.arm])
            self._share_out(asked, plan)
            self._wait_until_ready(asked, plan)
            self._go(plan)
        except AuthgateError as error:
            self.progress.fields = error.fields if isinstance(error, AskedError) else {}
            self._environment.process_exit_code = USAGE_ERROR
            self._end("failed", str(error))
            raise gevent.GreenletExit from None
        gevent.spawn(self._watch, self._test)

    def _by_options(self) -> Asked:
        given = vars(self._environment.parsed_options)
        return asked_of({**given, "seats": given.get("seats") or self._runner.target_user_count or None})

    def _workers(self) -> list[str]:
        """Who takes part: the workers that answer now. One that was killed a moment ago is still in Locust's list."""
        if not isinstance(self._runner, MasterRunner):
            return [LOCAL]
        self._tell(messages.CALL)
        self._until(lambda: not self._connected() - set(self._here), ANSWERED_WITHIN_S)
        there = [client for client in self._here if client in self._connected()]
        if not there:
            raise RunError("workers: expected one or more that answer, got none")
        return there

    def _share_out(self, asked: Asked, plan: Plan) -> None:
        workers = self._workers()
        self._folder = open_plain(asked.results, asked.scenario, asked.targets, plan, workers=len(workers))
        shares = shards(len(workers), asked.scenario.population.users)
        progress = self.progress
        progress.title, progress.seats, progress.folder = asked.title, asked.seats, str(self._folder.path)
        progress.lasts_s = plan.length / NS
        progress.shares = {
            client: Share(client, shard.index, _count(plan, shard))
            for client, shard in zip(workers, shares, strict=False)
        }
        self._environment.host = asked.title  # Locust's header and its report have no other place for it
        self._say("preparing", f"preparing: keys, first logins and warm caches of {asked.arm}")
        for client, share in progress.shares.items():
            part = {
                **asked.message(),
                "index": share.index,
                "of": len(shares),
                "folder": str(self._folder.path.resolve()),
            }
            self._tell(messages.PART, client, **part)

    def _wait_until_ready(self, asked: Asked, plan: Plan) -> None:
        rate = asked.targets.max_rate
        patience_s = PREPARED_WITHIN_S + (3 * preparations(asked.scenario) / rate if rate else 0.0)
        deadline = time.monotonic() + patience_s
        shares = self.progress.shares
        while not all(share.ready for share in shares.values()):
            gevent.sleep(POLL_S)
            self._notice_lost()
            if self._failure:
                raise RunError(self._failure)
            if self.progress.lost:
                raise RunError(f"ended before the load began: {self.progress.lost}")
            if time.monotonic() > deadline:
                late = ", ".join(share.client for share in shares.values() if not share.ready)
                raise RunError(f"{late}: not ready within {patience_s:.0f} s")
        theirs = {client: (first["digest"], first["arrivals"]) for client, first in self._first.items()}
        expected = {client: (plan.scenario_digest, share.planned) for client, share in shares.items()}
        total = sum(len(block.arrivals) for block in plan.blocks)
        if theirs != expected or self.progress.planned != total:
            raise RunError("workers: expected shares that add up to the plan, got others: do all run one version?")

    def _go(self, plan: Plan) -> None:
        assert self._folder is not None
        origin = time.monotonic_ns() + HEAD_START_NS
        wall = time.time() + HEAD_START_NS / NS
        self._folder.update_manifest(origin_wall=wall, first_logins=self._first)
        self.progress.began = wall
        self._say("running", f"running: 0 of {self.progress.planned} logins")
        self._tell(messages.GO, origin=origin, boot=boot_id())

    # While it goes on.

    def _watch(self, test: str) -> None:
        while test == self._test and self.progress.phase == "running":
            gevent.sleep(POLL_S)
            if test != self._test or self.progress.phase != "running":
                return
            self._notice_lost()
            progress = self.progress
            progress.says = f"running: {progress.sums()} logins"
            if self._failure:
                self._environment.process_exit_code = CRASH
                self._end("failed", self._failure)
            elif reason := progress.counted.reason_to_stop(self._allowed):
                self._environment.process_exit_code = CRASH
                self._end("stopped", reason, denials=True)
            elif all(share.done or share.lost for share in progress.shares.values()):
                whole = progress.counted.ended == progress.planned
                if not whole:
                    self._environment.process_exit_code = CRASH
                self._end("done" if whole else "stopped", self._sentence())

    def _sentence(self) -> str:
        progress = self.progress
        if progress.counted.ended == progress.planned:
            return f"plan done: {progress.sums()} logins"
        return f"plan not done: {progress.sums()} logins" + (f"; {progress.lost}" if progress.lost else "")

    def _connected(self) -> set[str]:
        return {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}

    def _notice_lost(self) -> None:
        if not isinstance(self._runner, MasterRunner):
            return
        there = self._connected()
        for share in self.progress.shares.values():
            if share.client not in there and not share.lost:
                share.lost = True
                log.error("worker %s was lost", share.client)

    # Its end.

    def _end(self, phase: Phase, says: str, denials: bool = False) -> None:
        """End the test for a reason of its own: first the load, then what was measured is kept, then Locust's part."""
        self._close(phase, says, denials)
        if phase != "failed":
            (log.info if phase == "done" else log.error)("%s", self.progress.says)
        else:
            log.error("%s", says)
        if self.progress.generator:
            log.warning("%s", self.progress.generator)
        # From another greenlet, since a runner ends the one that starts its test first. With the web UI there is
        # somebody who looks at what came of it; without it, nobody waits for anything.
        gevent.spawn(self._end_runner)

    def _end_runner(self) -> None:
        if getattr(self._environment.parsed_options, "csv_prefix", None):
            gevent.sleep(CSV_WRITTEN_WITHIN_S)  # Locust writes its files once a second, and not at its end
        (self._runner.quit if self._environment.web_ui is None else self._runner.stop)()

    def _stopping(self) -> None:
        """Locust ends the test: by somebody's wish or its time limit, or since it has ended already."""
        if self._closing:
            self._until(lambda: not self.progress.under_way, 2 * CLOSED_WITHIN_S)
        elif self.progress.under_way:
            began = self.progress.phase == "running"
            self._close("stopped", "" if began else "stopped before the load began")
            log.warning("%s", self.progress.says)
            if self.progress.generator:
                log.warning("%s", self.progress.generator)

    def _close(self, phase: Phase, says: str, denials: bool = False) -> None:
        self._closing = True
        self._tell(messages.HALT)
        self._until(self._all_closed, CLOSED_WITHIN_S)
        if not says:
            says = f"stopped: {self.progress.sums()} logins" + (f"; {self.progress.lost}" if self.progress.lost else "")
        self._say(
            phase, says if self._folder is None else finish_plain(self._folder, self.progress, phase, says, denials)
        )

    def _all_closed(self) -> bool:
        self._notice_lost()
        return all(share.closed or share.lost for share in self.progress.shares.values())

    @staticmethod
    def _until(true: Callable[[], bool], for_s: float) -> None:
        deadline = time.monotonic() + for_s
        while not true() and time.monotonic() < deadline:
            gevent.sleep(POLL_S / 4)

    # What workers say.

    def _answered(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["test"] == self._test:
            self._here.append(msg.node_id)

    def _share(self, msg: Any) -> Share | None:
        return self.progress.shares.get(msg.node_id) if msg.data["test"] == self._test else None

    def _ready(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            self._first[msg.node_id] = {key: value for key, value in msg.data.items() if key != "test"}
            share.ready = True

    def _failed(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._share(msg) is not None and not self._failure:
            self._failure = msg.data["message"]

    def _denied(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._share(msg) is not None:
            self._tell(messages.WITHHOLD, user=msg.data["user"])

    def _heard(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            for name in ("ended", "denied", "failed", "waited", "busy", "done"):
                setattr(share, name, msg.data[name])
            self._stop_at_once()

    def _stop_at_once(self) -> None:
        """Nothing more is sent from the denial on that is one too many; the watch then ends the test."""
        if self.progress.phase == "running" and self.progress.counted.reason_to_stop(self._allowed):
            self._tell(messages.HALT)

    def _closed(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            share.closed = True

    def _say(self, phase: Phase, says: str) -> None:
        self.progress.phase, self.progress.says = phase, says

    def _tell(self, name: str, client: str | None = None, **data: object) -> None:
        message = {"test": self._test, **data}
        if isinstance(self._runner, MasterRunner):
            self._runner.send_message(name, message, client_id=client)
        else:
            self._runner.send_message(name, message)


def _count(plan: Plan, shard: Shard) -> int:
    return sum(len(block.arrivals) for block in shard.part(plan.blocks))
