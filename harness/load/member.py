"""A worker's part in a run: it prepares its arm, says so, and begins when the master says so."""

from __future__ import annotations

import os
from typing import Any

import gevent

from harness.errors import AuthgateError
from harness.load import messages
from harness.load.recorder import Recorder
from harness.load.worker import ArmWorker
from harness.model.attempt import Attempt
from harness.model.exit_codes import CRASH
from harness.model.plan import make_plan
from harness.model.steps import LOGIN
from harness.model.target import Arm
from harness.record.folder import RunFolder
from harness.record.protocol import as_json


def fire_requests(environment: Any, attempt: Attempt) -> None:
    """Tell Locust's statistics of a login, in unrounded ms: a request for the whole, and a row for each of its steps.

    Steps are no requests: a login has several, and Locust's totals and rates are to be those of logins.
    """
    outcome = attempt.outcome
    environment.events.request.fire(
        request_type=attempt.cohort,
        name=LOGIN,
        response_time=(attempt.ended - attempt.intended) / 1e6,
        response_length=0,
        exception=None if outcome.status == "ok" else _in_words(attempt),
        context={},
    )
    for step in attempt.steps:
        entry = environment.stats.get(step.step, attempt.cohort)
        entry.log((step.ended - step.started) / 1e6, 0)
        if step.outcome.status != "ok":
            entry.log_error(None)  # what it was is told once, of the login


def _in_words(attempt: Attempt) -> str:
    """How a login failed, and at which step."""
    outcome = attempt.outcome
    at = next((f" at {step.step}" for step in reversed(attempt.steps) if step.outcome.status != "ok"), "")
    return f"{outcome.status} {outcome.code}".rstrip() + at


def join_run(environment: Any, folder: RunFolder, arm: Arm) -> ArmWorker | None:
    """The worker of one arm of a run, whose preparation goes on in the background; None where it can't be."""
    runner = environment.runner
    scenario, targets = folder.scenario(), folder.targets()
    recorder = Recorder(folder.journal("attempts", arm), folder.journal("health", arm))

    def keep(attempt: Attempt) -> None:
        recorder.keep(attempt)
        fire_requests(environment, attempt)

    def fail(message: str) -> None:
        runner.send_message(messages.FAILED, {"arm": arm, "message": message})

    try:
        worker = ArmWorker(
            arm,
            scenario,
            targets,
            make_plan(scenario, folder.arms()).of(arm),
            on_attempt=keep,
            on_denied=lambda user: runner.send_message(messages.DENIED, {"user": user}),
        )
    except AuthgateError as error:
        fail(str(error))
        return None

    def prepare() -> None:
        try:
            first = worker.prepare()
        except AuthgateError as error:
            fail(str(error))
            return
        except Exception as error:
            fail(f"unexpected {type(error).__name__} while preparing; see locust.log")
            raise
        gevent.spawn(worker.meter.watch_hub)
        steps = [{"step": s.step, "status": s.outcome.status, "code": s.outcome.code} for s in first.steps]
        ready: dict[str, Any] = {"arm": arm, "outcome": first.outcome.status, "steps": steps}
        if worker.protocol is not None:
            ready["protocol"] = as_json(worker.protocol)
        runner.send_message(messages.READY, ready)

    def go(environment: Any, msg: Any, **_: Any) -> None:
        origin = int(msg.data["origin"])
        worker.start(origin)
        # A disk that is full must end the worker, and with it the run: what is not recorded was not measured.
        gevent.spawn(recorder.run, worker.meter, lambda: origin).link_exception(lambda _: os._exit(CRASH))

    runner.register_message(messages.GO, go)
    runner.register_message(messages.WITHHOLD, lambda environment, msg, **_: worker.withhold(msg.data["user"]))
    environment.events.quitting.add_listener(lambda **_: recorder.close())
    gevent.spawn(prepare)
    return worker
