"""The workers of a run, as its master has them: one way for the gate's runs, plain tests, and workers elsewhere.

1. The workers that answer a call get a share each (``harness.model.shard``), told by message. Locust's own
   ``worker_index`` and its users are not used: it gives an index by who connects when and never again, and moves users
   about when workers come and go.
2. A share is good when its worker says the digests of plan and targets, and the count of its logins, that the master
   has itself. Only then may the load begin: at one instant for all.
3. Shares never change while the load goes on. A worker that is gone, or silent for ``SILENT_AT_MOST_S``, is lost, and
   its logins with it: nobody takes them over, since a due time can't be made up for.
4. What holds for an arm is told to all of its workers: an account that one was denied is withheld by all, and one
   denial too many on all together halts all.
5. Workers journal into the run's folder, and who judges reads it there. From another machine a journal comes in pieces
   (``harness.load.stream``), and instants by the master's clock (``harness.load.clock``).

A process that is master and worker in one speaks to itself by the same messages.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gevent
from locust.runners import STATE_MISSING, MasterRunner

from harness.errors import RunError
from harness.load import messages
from harness.load.clock import HEAD_START_NS, clock_id
from harness.load.progress import Share, named
from harness.load.stream import Copy
from harness.login.caution import Caution
from harness.model.plan import NS
from harness.record.folder import SCHEMAS, RunFolder
from harness.version import __version__

log = logging.getLogger(__name__)

ANSWERED_WITHIN_S = 10.0
"""One that does not is lost before that, by Locust's heartbeat."""
SILENT_AT_MOST_S = 3.0
POLL_S = 0.1
LISTENS_AFTER_S = 1.0
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Expected:
    """What all workers have to say of their inputs before the load begins."""

    plan_digest: str
    targets_digest: str
    arrivals: int
    """Of all shares together."""


class Crew:
    """Gives shares, lets all begin together, and knows how far each has come; ``on_counts`` hears of new counts."""

    def __init__(self, runner: Any, on_counts: Callable[[], None]) -> None:
        self._runner = runner
        self._on_counts = on_counts
        self._copies: dict[str, Copy] = {}
        self._cautions: dict[str, Caution] = {}
        self.shares: dict[str, Share] = {}
        """By client."""
        self.first: dict[str, dict[str, Any]] = {}
        """What each client said of its first login."""
        self.failure = ""
        """What one said that can't go on."""
        self.halted = False
        self._test = ""
        self._here: dict[str, Mapping[str, Any]] = {}
        self._began = 0.0
        self._looked = 0.0
        for name, listener in (
            (messages.HERE, self._answered),
            (messages.READY, self._ready),
            (messages.FAILED, self._failed),
            (messages.DENIED, self._denied),
            (messages.PROGRESS, self._heard),
            (messages.PIECE, self._piece),
            (messages.ASK_TIME, self._asked_time),
            (messages.CLOSED, self._closed),
        ):
            runner.register_message(name, listener)

    def reset(self) -> None:
        """Forget the last test, and begin a new one."""
        self._test = secrets.token_hex(4)
        self._here, self.shares, self.first, self.failure = {}, {}, {}, ""
        self._copies = {}
        self.halted, self._began = False, 0.0

    @property
    def test(self) -> str:
        """The test under way."""
        return self._test

    def call(self) -> dict[str, Mapping[str, Any]]:
        """The workers that answer now, with what they say of themselves; raises RunError where there are none.

        One that was killed a moment ago is still in Locust's list.
        """
        if not isinstance(self._runner, MasterRunner):
            return {LOCAL: {}}
        self.tell(messages.CALL)
        until(lambda: not self._connected() - self._here.keys(), ANSWERED_WITHIN_S)
        there = {client: said for client, said in self._here.items() if client in self._connected()}
        if not there:
            raise RunError("workers: expected one or more that answer, got none")
        for client, said in there.items():
            if said.get("version") != __version__:
                why = f"expected authgate {__version__}, got {said.get('version')}"
                self.refuse(client, why)
                raise RunError(f"worker {client}: {why}")
        return there

    def refuse(self, client: str, why: str) -> None:
        """Tell a worker that it takes no part."""
        log.error("worker %s was refused: %s", client, why)
        self.tell(messages.REFUSED, client, why=why)

    def refuse_late(self, environment: Any) -> None:
        """From now on tell each worker that connects after the shares were given that it is too late."""

        def connected(client_id: str, **_: Any) -> None:
            if self.shares and client_id not in self.shares:
                why = "it came when the shares of the run had been given"
                # A moment later: it connects before it listens.
                gevent.spawn_later(LISTENS_AFTER_S, self.refuse, client_id, why)

        environment.events.worker_connect.add_listener(connected)

    def give(self, parts: Mapping[str, tuple[Share, Mapping[str, Any]]], folder: RunFolder) -> None:
        """Give each client its share, by the message that describes it; ``folder`` gets what comes in pieces."""
        self.shares.update({client: share for client, (share, _) in parts.items()})
        for client, share in self.shares.items():
            files = {kind: folder.journal(kind, share.arm, share.index) for kind in SCHEMAS}
            self._copies[client] = Copy(files)
        targets = folder.targets()
        self._cautions = {arm: Caution(targets, arm) for arm in targets.arms}
        told = {arm: caution.told() for arm, caution in self._cautions.items()}
        for client, (share, message) in parts.items():
            self.tell(messages.PART, client, clock=clock_id(), denied=told[share.arm], **message)

    def wait_until_ready(self, expected: Expected, patience_s: float, on_ready: Callable[[str], None]) -> None:
        """Until each has prepared, and their shares add up to the plan; ``on_ready`` hears of each client.

        Raises RunError.
        """
        deadline = time.monotonic() + patience_s
        told: set[str] = set()
        while True:
            for client in self.first.keys() - told:
                told.add(client)
                on_ready(client)
            if all(share.ready for share in self.shares.values()):
                break
            gevent.sleep(POLL_S)
            self.notice_lost()
            if self.failure:
                raise RunError(self.failure)
            if lost := "; ".join(f"{named(share, self.shares)} {share.why}" for share in self.lost):
                raise RunError(f"ended before the load began: {lost}")
            if time.monotonic() > deadline:
                late = ", ".join(client for client, share in self.shares.items() if not share.ready)
                raise RunError(f"{late}: not ready within {patience_s:.0f} s")
        self._check(expected)

    def _check(self, expected: Expected) -> None:
        for client, share in self.shares.items():
            said = self.first[client]
            for key, wanted in (
                ("digest", expected.plan_digest),
                ("targets", expected.targets_digest),
                ("arrivals", share.planned),
            ):
                if said.get(key) != wanted:
                    why = f"{key}: expected {wanted}, got {said.get(key)}: do all run one version?"
                    self.refuse(client, why)
                    raise RunError(f"{named(share, self.shares)} ({client}): {why}")
        if (planned := sum(share.planned for share in self.shares.values())) != expected.arrivals:
            raise RunError(f"workers: expected shares of {expected.arrivals} logins, got {planned}")

    def go(self) -> tuple[int, float]:
        """Let all begin; the run's origin in monotonic ns, and in Unix seconds."""
        origin, wall = time.monotonic_ns() + HEAD_START_NS, time.time() + HEAD_START_NS / NS
        self._began = self._looked = time.monotonic()
        self.tell(messages.GO, origin=origin)
        return origin, wall

    @property
    def lost(self) -> list[Share]:
        """The shares whose workers are gone or silent."""
        return [share for share in self.shares.values() if share.lost]

    def notice_lost(self) -> None:
        """Look who is gone, and who has been silent for too long since the load began."""
        now = time.monotonic()
        # By looks, so that a master that stood still itself does not blame its workers.
        passed, self._looked = min(now - self._looked, 5 * POLL_S), now
        if not isinstance(self._runner, MasterRunner):
            return
        there = self._connected()
        for client, share in self.shares.items():
            if share.lost or share.closed:
                continue
            if self._began and not share.done:
                share.silent_s += passed
            if client not in there:
                share.why = "was lost"
            elif share.silent_s > SILENT_AT_MOST_S:
                share.why = f"was silent for {SILENT_AT_MOST_S:.0f} s"
            if share.why:
                share.lost = True
                log.error("worker %s %s", client, share.why)

    def halt(self) -> None:
        """Let nobody send anything more."""
        self.halted = True
        self.tell(messages.HALT)

    def all_closed(self) -> bool:
        """Whether nothing more comes from anybody who is there."""
        self.notice_lost()
        return all(share.closed or share.lost for share in self.shares.values())

    def tell(self, name: str, client: str | None = None, **data: object) -> None:
        """Send a message to one worker, or to all."""
        message = {"test": self._test, **data}
        if isinstance(self._runner, MasterRunner):
            self._runner.send_message(name, message, client_id=client)
        else:
            self._runner.send_message(name, message)

    def _connected(self) -> set[str]:
        return {client.id for client in self._runner.clients.all if client.state != STATE_MISSING}

    # What workers say.

    def _share(self, msg: Any) -> Share | None:
        share = self.shares.get(msg.node_id) if msg.data["test"] == self._test else None
        if share is not None:
            share.silent_s = 0.0
        return share

    def _answered(self, environment: Any, msg: Any, **_: Any) -> None:
        if msg.data["test"] == self._test:
            self._here[msg.node_id] = msg.data

    def _ready(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            self.first[msg.node_id] = {key: value for key, value in msg.data.items() if key != "test"}
            share.ready = True

    def _failed(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None and not self.failure:
            self.failure = f"{named(share, self.shares)}: {msg.data['message']}"

    def _denied(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            self.tell(messages.WITHHOLD, user=msg.data["user"])
            if msg.data["key"]:
                with suppress(OSError):  # the worker's own machine remembers it all the same
                    self._cautions[share.arm].hear([{"user": msg.data["user"], "key": msg.data["key"], "ago_s": 0.0}])

    def _heard(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            for name in ("ended", "denied", "failed", "waited", "busy", "done", "clock"):
                setattr(share, name, msg.data[name])
            self._on_counts()

    def _piece(self, environment: Any, msg: Any, **_: Any) -> None:
        if self._share(msg) is None:
            return
        try:
            size = self._copies[msg.node_id].take(msg.data)
        except OSError as error:
            self.failure = self.failure or f"what is measured can't be written: {error.strerror}"
            return
        self.tell(messages.HAVE, msg.node_id, kind=msg.data["kind"], size=size)

    def _asked_time(self, environment: Any, msg: Any, **_: Any) -> None:
        self.tell(messages.TIME, msg.node_id, sent=msg.data["sent"], told=time.monotonic_ns())

    def _closed(self, environment: Any, msg: Any, **_: Any) -> None:
        if (share := self._share(msg)) is not None:
            share.closed, share.whole = True, bool(msg.data["whole"])


def until(true: Callable[[], bool], for_s: float) -> None:
    """Wait for something, but no longer."""
    deadline = time.monotonic() + for_s
    while not true() and time.monotonic() < deadline:
        gevent.sleep(POLL_S / 4)
