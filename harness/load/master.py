"""The master's part in a run: it shares the plan out, lets all begin at one instant, and tells what happens.

The process that started it judges, by the journals; here nobody does. What that process has to know comes to it as a
line of JSON an event, on standard output.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import gevent

from harness.errors import AuthgateError, RunError
from harness.load import messages
from harness.load.accounts import ages_s, to_send
from harness.load.asked import Asked, patience_s, targets_digest
from harness.load.crew import POLL_S, Crew, Expected, until
from harness.load.progress import Share, counted, named
from harness.model.shard import worker_name
from harness.model.target import Arm
from harness.record.completeness import written_of
from harness.record.folder import RunFolder

FINISH = signal.SIGUSR1
"""By this the process that judges says that the load is to end."""
CLOSED_WITHIN_S = 15.0


class Conductor:
    """Conducts one run, by the folder that lies ready for it."""

    def __init__(self, environment: Any, folder: RunFolder) -> None:
        self._crew = Crew(environment.runner, self._stop_at_once)
        self._folder = folder
        self._allowed = folder.policy().limits.denied_share
        self._elsewhere = bool(folder.manifest().get("elsewhere"))
        self._crew.refuse_late(environment)
        environment.events.test_start.add_listener(lambda environment, **_: self._conduct())
        gevent.signal_handler(FINISH, self._finish)

    def _conduct(self) -> None:
        try:
            self._crew.reset()
            self._share_out()
            written = written_of(self._folder.manifest())
            if written is None:
                raise RunError("manifest.json: expected the digest of the plan, got none")
            arrivals = sum(written.planned.values())
            expected = Expected(written.plan_digest, targets_digest(self._folder.targets()), arrivals)
            patience = patience_s(self._folder.scenario(), self._folder.targets())
            self._crew.wait_until_ready(expected, patience, self._tell_ready)
        except AuthgateError as error:
            self._tell("failed", message=str(error))
            raise gevent.GreenletExit from None
        origin, wall = self._crew.go()
        self._tell("go", origin=origin, wall=wall)
        gevent.spawn(self._watch)

    def _share_out(self) -> None:
        folder = self._folder
        arms, counts = folder.arms(), folder.shares()
        scenario, targets = folder.scenario(), folder.targets()
        by_card = any(scenario.mix[name].authentication == "smart-card" for name in scenario.expected)
        free = dict(self._crew.call())
        parts = {}
        for arm in arms:
            asked = Asked(scenario, targets, arm, scenario.seats, folder.path.parent)
            message = {**asked.message(), "arms": list(arms), "of": len(counts[arm]), "alone": False}
            message |= {"folder": str(folder.path.resolve()), "elsewhere": self._elsewhere}
            if messages.SEND_VARIABLE in os.environ:
                message["accounts"] = to_send(targets.arms[arm], by_card)
                message["accounts_age_s"] = ages_s(targets.arms[arm])
            for index, count in enumerate(counts[arm]):
                client = _one_for(free, arm, index)
                if client is None:
                    raise RunError(f"{worker_name(arm, index, len(counts[arm]))}: expected it to be there, it is not")
                del free[client]
                parts[client] = Share(client, index, count, arm=arm), {**message, "index": index}
        for client in free:
            self._crew.refuse(client, "no share is left for it")
        self._crew.give(parts, folder)

    def _tell_ready(self, client: str) -> None:
        first, share = self._crew.first[client], self._crew.shares[client]
        known = ("arm", "outcome", "steps", "protocol")
        self._tell("ready", worker=share.index, **{key: first[key] for key in known if key in first})

    def _watch(self) -> None:
        """Tell of workers that are lost or can't go on: whoever judges ends the load."""
        told: set[str] = set()
        while True:
            gevent.sleep(POLL_S)
            self._crew.notice_lost()
            for share in self._crew.lost:
                if share.client not in told:
                    told.add(share.client)
                    self._tell("lost", who=named(share, self._crew.shares), why=share.why)
            if self._crew.failure:
                self._tell("failed", message=self._crew.failure)
                self._crew.halt()
                return

    def _finish(self) -> None:
        """The load is to end: tell when all that workers elsewhere have measured is here, or which of it is not."""
        self._crew.halt()
        shares = self._crew.shares
        # Also those that count as lost: one that was cut off may come back with what it measured.
        until(lambda: all(share.closed for share in shares.values()), CLOSED_WITHIN_S)
        lacking = [named(share, shares) for share in shares.values() if not (share.closed and share.whole)]
        clocks = {named(share, shares): share.clock for share in shares.values() if share.clock}
        self._tell("finished", lacking=lacking, clocks=clocks)

    def _stop_at_once(self) -> None:
        """Nothing more is sent from the denial on that is one too many."""
        reason = counted(self._crew.shares.values()).reason_to_stop(self._allowed)
        if reason and not self._crew.halted:
            self._crew.halt()
            self._tell("denials", reason=reason)

    def _tell(self, event: str, **data: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **data}) + "\n")
        sys.stdout.flush()


def _one_for(free: dict[str, Any], arm: Arm, index: int) -> str | None:
    """Which of the free workers takes an arm's share: the one that was started for it, else one started for none."""
    for wanted in ((arm, str(index)), ("", "")):
        for client, said in free.items():
            if (said["arm"], said["index"]) == wanted:
                return client
    return None
