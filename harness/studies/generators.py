"""Generators on other machines, looked at before a run: their own findings, and what their master sees of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import RunError
from harness.load.elsewhere import Elsewhere
from harness.load.fleet import Fleet
from harness.model.diagnosis import Check, Diagnosis, Remark, ok, problem, warning
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.record.folder import RunFolder
from harness.run.execute import COME_WITHIN_S
from harness.stats.validity import CLOCK_ERROR_AT_MOST_MS
from harness.system.cache import scratch

POLL_S = 0.25
EACH_WITHIN_S = 200.0
FAR_MS = 50.0
"""A round trip of so long leaves little of the 0.2 s in which a denied account is to be withheld by all."""


def examine_elsewhere(scenario: Scenario, targets: Targets, elsewhere: Elsewhere) -> Diagnosis:
    """What each of the generators finds, by their names; raises RunError where they don't come, or differ in version.

    A few dozen requests are sent to each arm from each of them, and no load.
    """
    elsewhere.check(1)
    checks: list[Check] = []
    seen = 0
    with scratch() as results:
        folder = RunFolder.create(Path(results), scenario, targets, Policy(), tuple(targets.arms))
        folder.update_manifest(examine=True)
        with Fleet(folder, 1, elsewhere) as fleet:
            deadline = time.monotonic() + COME_WITHIN_S
            while True:
                for event in fleet.events(POLL_S):
                    if event["event"] == "failed":
                        raise RunError(event["message"])
                    if event["event"] == "examined":
                        seen += 1
                        deadline = time.monotonic() + EACH_WITHIN_S
                        checks += _of(f"{event['who']} ({seen} of {elsewhere.workers})", event)
                    if event["event"] == "done":
                        checks += _not_asked(seen, elsewhere.workers)
                        return Diagnosis(tuple(checks))
                if fleet.lost() or time.monotonic() > deadline:
                    raise RunError(
                        f"{elsewhere.listen.host}:{elsewhere.listen.port}: expected {elsewhere.workers} workers, got "
                        f"{seen} that could be looked at"
                    )


def _of(name: str, event: Mapping[str, Any]) -> Iterator[Check]:
    if not event["checks"]:
        found = problem("it did not answer in time", "look at what authgate worker says there")
        yield Check(name, "answer", found)
    yield Check(name, "clock against the master's", _clock(event["clock"]))
    for one in event["checks"]:
        yield Check(f"{name}: {one['where']}", one["check"], Remark(one["level"], one["found"], one["advice"]))


def _clock(clock: Mapping[str, float]) -> Remark:
    if not clock:
        return ok("the same")
    found = f"known to within {clock['error_ms']:.3g} ms, round trips of {clock['round_trip_ms']:.3g} ms"
    if clock["error_ms"] > CLOCK_ERROR_AT_MOST_MS:
        return warning(found, f"nearer to its master: above {CLOCK_ERROR_AT_MOST_MS:g} ms no duet is valid")
    if clock["round_trip_ms"] > FAR_MS:
        return warning(found, "nearer to its master: so late it hears of accounts that others were denied")
    return ok(found)


def _not_asked(seen: int, expected: int) -> Iterator[Check]:
    if seen < expected:
        found = f"{expected - seen} of {expected} were not looked at, since an account was refused"
        yield Check("generators", "all", problem(found, "mend the accounts, then look again"))
