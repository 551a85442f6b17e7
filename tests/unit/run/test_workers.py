"""An arm of several workers is as sound as the worst of them: what one did is not lost among the others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from harness.model.health import ArmHealth
from harness.model.plan import NS, make_plan
from harness.model.policy import Limits
from harness.model.scenario import Scenario
from harness.record.schema import ATTEMPTS, HEALTH, HealthSecond, attempts_batch, health_batch
from harness.run.assess import Assessor, Ending
from harness.run.audit import audit_health
from harness.run.request import workers_for
from harness.stats.validity import unsound
from tests.helpers.stored import POLICY, SCENARIO, attempts_of, seconds_of

WORKERS = 30
ODD = 17
PLAN = make_plan(SCENARIO, ["baseline"])
COMPLETE = Ending(complete=True)


def health(
    late_ms: float = 0.0, cpu: float | None = None, from_s: float = 0.0, silent_s: float = 0.0, clock_ms: float = 0.0,
    ending: Ending = COMPLETE, scenario: Scenario = SCENARIO,
) -> ArmHealth:  # fmt: skip
    """How an arm of 30 workers was measured, of which one was late, busy, silent for a while, or of another time."""
    plan = make_plan(scenario, ["baseline"])
    numbers = {a.seq: a.user for block in plan.blocks for a in block.arrivals}
    attempts = [
        replace(a, started=a.started + round(late_ms * 1e6), ended=a.ended + round(late_ms * 1e6))
        if numbers[a.seq] % WORKERS == ODD
        else a
        for a in attempts_of(scenario, plan, "baseline")
    ]
    seconds: list[HealthSecond] = []
    for worker in range(WORKERS):
        mine = [replace(second, worker=worker) for second in seconds_of(plan, "baseline")]
        if worker == ODD:
            mine = [
                replace(second, cpu=second.cpu if cpu is None else cpu, clock_error_ms=clock_ms)
                for second in mine
                if not from_s * NS <= second.t < (from_s + silent_s) * NS
            ]
        seconds += mine
    assessor = Assessor(scenario, POLICY, plan, workers=WORKERS)
    return assessor.health("baseline", _table(attempts_batch(attempts), ATTEMPTS), _seconds(seconds), ending)


def _table(batch: Any, schema: Any) -> Any:
    return pa.Table.from_batches([batch], schema)


def _seconds(seconds: list[HealthSecond]) -> Any:
    return _table(health_batch(seconds), HEALTH)


def reasons(found: ArmHealth) -> str:
    return "; ".join(fault.reason for fault in unsound({"baseline": found}, Limits(), ("baseline",)))


def test_thirty_workers_of_whom_none_was_late_are_sound() -> None:
    assert (health().workers, reasons(health())) == (WORKERS, "")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"late_ms": 60.0}, r"logins were sent late by 6\d.* \(the worst of 30 workers\)"),
        ({"cpu": 0.97}, r"the load worker used 97 % of a processor core, 80 allowed \(the worst of 30 workers\)"),
        ({"from_s": 2.0, "silent_s": 7.0}, r"the load generator was silent for .* \(the worst of 30 workers\)"),
        ({"silent_s": 1e6}, "nothing is recorded of"),
        ({"ending": Ending(False, "gone", lost=("baseline worker 18 of 30",))}, "one of its 30 load workers was lost"),
    ],
)
def test_one_worker_of_thirty_makes_the_measurement_unsound(how: dict[str, Any], said: str) -> None:
    assert re.search(said, reasons(health(**how))), reasons(health(**how))


def test_a_clock_that_is_wrong_by_more_than_5_ms_spoils_a_duet_and_no_other_run() -> None:
    blocks = SCENARIO.blocks.model_copy(update={"design": "duet"})
    duet = SCENARIO.model_copy(update={"blocks": blocks})
    assert "a worker's clock may be wrong by 6 ms" in reasons(health(clock_ms=6.0, scenario=duet))
    assert reasons(health(clock_ms=4.0, scenario=duet)) == ""
    assert reasons(health(clock_ms=6.0)) == ""


def test_seconds_of_a_worker_that_the_run_did_not_have_are_told() -> None:
    seconds = [replace(second, worker=worker) for worker in range(3) for second in seconds_of(PLAN, "baseline")]
    table = _seconds(seconds)
    assert audit_health(table, PLAN, ("baseline",), 3).faults == ()
    (fault,) = audit_health(table, PLAN, ("baseline",), 2).faults
    assert fault.endswith("are of no worker of the run's")
    (twice,) = audit_health(pa.concat_tables([table, table]), PLAN, ("baseline",), 3).faults
    assert twice.endswith("are there twice")


@pytest.mark.parametrize(
    ("rate", "cores", "workers"), [(30, 2, 1), (300, 2, 1), (100, 16, 1), (126, 16, 2), (900, 16, 8), (9000, 16, 8)]
)
def test_there_are_as_many_workers_as_the_rate_takes_and_half_of_the_cores_carry(
    rate: float, cores: int, workers: int
) -> None:
    arrivals = SCENARIO.arrivals.model_copy(update={"rate": rate})
    scenario = SCENARIO.model_copy(update={"arrivals": arrivals, "headroom": None})
    assert workers_for(scenario, cores) == workers
