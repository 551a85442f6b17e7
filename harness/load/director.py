"""The master's side of plain Locust tests: it shares the plan out, lets all begin at once, counts, and ends the test.

1. Shares are given at a test's start to the workers that answer then, and never change while it goes on
   (``harness.load.crew``).
2. The load begins when each has prepared its own and their logins add up to the plan's.
3. The denials of all workers are counted together, by the rule that every run has.
4. A test whose plan is done ends by itself; one that ends otherwise says what is missing.
"""

from __future__ import annotations

import logging
from typing import Any

import gevent
from locust.runners import STATE_SPAWNING

from harness.errors import AuthgateError
from harness.load.asked import Asked, AskedError, asked_of, patience_s, targets_digest
from harness.load.crew import POLL_S, Crew, Expected, until
from harness.load.progress import Phase, Progress, Share
from harness.load.stopped import stop_without_the_missing
from harness.model.exit_codes import CRASH, USAGE_ERROR
from harness.model.plan import NS, Plan, make_plan
from harness.model.policy import Policy
from harness.model.shard import shards
from harness.record.completeness import plan_digest
from harness.record.folder import RunFolder
from harness.run.plain import finish_plain, open_plain

log = logging.getLogger(__name__)

CLOSED_WITHIN_S = 4.0
CSV_WRITTEN_WITHIN_S = 1.5


class Director:
    """Directs the plain tests of a Locust master, one after the other; ``progress`` is that of the last."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self._runner = environment.runner
        self._crew = Crew(environment.runner, self._stop_at_once)
        self.progress = Progress()
        self.asked: Asked | None = None
        """What the next test is asked to do, where a form has said so; else the options say it."""
        self._folder: RunFolder | None = None
        self._closing = False
        self._allowed = Policy().limits.denied_share
        environment.events.test_start.add_listener(lambda environment, **_: self._begin())
        environment.events.test_stopping.add_listener(lambda environment, **_: self._stopping())
        stop_without_the_missing(environment)

    # A test from its start to its first arrival.

    def _begin(self) -> None:
        """Prepare a test, and return when its load begins; where it can't, the test is ended and this greenlet too."""
        # Locust's own state first: its page stops asking in any other, and shows neither what happens nor Stop.
        self._runner.update_state(STATE_SPAWNING)
        self._crew.reset()
        self._folder, self._closing = None, False
        self._environment.process_exit_code = None
        self.progress = Progress(shares=self._crew.shares)
        self._say("preparing", "preparing: inputs are read")
        try:
            asked, self.asked = self.asked or self._by_options(), None
            plan = make_plan(asked.scenario, [asked.arm])
            self._share_out(asked, plan)
            arrivals = sum(len(block.arrivals) for block in plan.blocks)
            expected = Expected(plan_digest(plan), targets_digest(asked.targets), arrivals)
            self._crew.wait_until_ready(expected, patience_s(asked.scenario, asked.targets), lambda client: None)
            self._go()
        except AuthgateError as error:
            self.progress.fields = error.fields if isinstance(error, AskedError) else {}
            self._environment.process_exit_code = USAGE_ERROR
            self._end("failed", str(error))
            raise gevent.GreenletExit from None
        gevent.spawn(self._watch, self._crew.test)

    def _by_options(self) -> Asked:
        given = vars(self._environment.parsed_options)
        return asked_of({**given, "seats": given.get("seats") or self._runner.target_user_count or None})

    def _share_out(self, asked: Asked, plan: Plan) -> None:
        workers = tuple(self._crew.call())
        shares = shards(len(workers), asked.scenario.model_copy(update={"seats": asked.seats}))
        self._folder = open_plain(asked.results, asked.scenario, asked.targets, plan, workers=len(shares))
        progress = self.progress
        progress.title, progress.seats, progress.folder = asked.title, asked.seats, str(self._folder.path)
        progress.lasts_s = plan.length / NS
        self._environment.host = asked.title  # Locust's header and its report have no other place for it
        self._say("preparing", f"preparing: keys, first logins and warm caches of {asked.arm}")
        folder = str(self._folder.path.resolve())
        message = {
            **asked.message(),
            "arms": [asked.arm],
            "of": len(shares),
            "folder": folder,
            "alone": True,
            "elsewhere": False,
        }
        self._crew.give(
            {
                client: (Share(client, it.index, it.count(plan.blocks), arm=asked.arm), {**message, "index": it.index})
                for client, it in zip(workers, shares, strict=False)
            },
            self._folder,
        )

    def _go(self) -> None:
        assert self._folder is not None
        self._say("running", f"running: 0 of {self.progress.planned} logins")
        _, wall = self._crew.go()
        self._folder.update_manifest(origin_wall=wall, first_logins=self._crew.first)
        self.progress.began = wall

    # While it goes on.

    def _watch(self, test: str) -> None:
        while test == self._crew.test and self.progress.phase == "running":
            gevent.sleep(POLL_S)
            if test != self._crew.test or self.progress.phase != "running":
                return
            self._crew.notice_lost()
            progress = self.progress
            progress.says = f"running: {progress.sums()} logins"
            if self._crew.failure:
                self._environment.process_exit_code = CRASH
                self._end("failed", self._crew.failure)
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
            until(lambda: not self.progress.under_way, 2 * CLOSED_WITHIN_S)
        elif self.progress.under_way:
            began = self.progress.phase == "running"
            self._close("stopped", "" if began else "stopped before the load began")
            log.warning("%s", self.progress.says)
            if self.progress.generator:
                log.warning("%s", self.progress.generator)

    def _close(self, phase: Phase, says: str, denials: bool = False) -> None:
        self._closing = True
        self._crew.halt()
        until(self._crew.all_closed, CLOSED_WITHIN_S)
        if not says:
            says = f"stopped: {self.progress.sums()} logins" + (f"; {self.progress.lost}" if self.progress.lost else "")
        self._say(
            phase, says if self._folder is None else finish_plain(self._folder, self.progress, phase, says, denials)
        )

    def _stop_at_once(self) -> None:
        """Nothing more is sent from the denial on that is one too many; the watch then ends the test."""
        if self.progress.phase == "running" and self.progress.counted.reason_to_stop(self._allowed):
            self._crew.halt()

    def _say(self, phase: Phase, says: str) -> None:
        self.progress.phase, self.progress.says = phase, says
