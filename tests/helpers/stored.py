"""A run's folder as a gate leaves it, made of a plan and drawn latencies; the files of one that would pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from harness.model.attempt import OK, Attempt, StepTiming
from harness.model.plan import NS, Plan, make_plan
from harness.model.policy import Policy
from harness.model.protocol import ArmProtocol
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.record import protocol
from harness.record.completeness import KEY, Written
from harness.record.folder import RunFolder
from harness.record.journal import JournalWriter
from harness.record.schema import ATTEMPTS, HEALTH, HealthSecond, attempts_batch, health_batch
from harness.run.assess import Ending

SCENARIO = Scenario.model_validate(
    {
        "name": "stored",
        "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"],
        "population": {"users": 50, "cold_share": 0.8},
        "arrivals": {"curve": "constant", "rate": 20},
        "blocks": {"length_s": 3, "trim_s": 0.5, "pairs": 6},
        "timeout_s": 5,
    }
)
_WIDE = {"relative": 0.5, "floor_ms": 20}
POLICY = Policy.model_validate(
    {
        "name": "stored",
        "margins": {
            "login": {"p50": _WIDE, "p95": None, "p99": None},
            "step": {"p50": _WIDE, "p95": None},
            "failure_rate": 0.5,
            "slow_rate": 0.5,
        },
        "looks": {"block_from": 3, "pass_from": 3, "pass_after_s": 0},
        "quick": True,
    }
)
_TARGET = {
    "realm": "CLINIC.TEST",
    "kdcs": ["127.0.0.1:1"],
    "directory": {
        "uri": "ldap://127.0.0.1:1",
        "service_host": "dc.clinic.test",
        "user_base": "ou=people,dc=clinic,dc=test",
        "group_base": "ou=groups,dc=clinic,dc=test",
    },
    "credentials": {"csv": "accounts.csv"},
}
TARGETS = Targets.model_validate({"arms": dict.fromkeys(ARMS, _TARGET)})
STEP_S, LATE_S = 0.008, 0.001
BATCH_S = 0.5
Health = Callable[[HealthSecond], HealthSecond]


def attempts_of(
    scenario: Scenario, plan: Plan, arm: Arm, factor: float = 1.0, late_s: float = LATE_S, seed: int = 1
) -> Iterator[Attempt]:
    """The logins of an arm, all ok: each sent a little late, each of its steps about as long as the others."""
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    for block in plan.of(arm):
        for arrival in block.arrivals:
            at = started = arrival.intended + round(late_s * rng.exponential() * NS)
            steps = []
            for name in scenario.mix[arrival.cohort].taken:
                ended = at + round(STEP_S * factor * np.exp(rng.normal(0, 0.2)) * NS)
                steps.append(StepTiming(name, at, ended, OK, server="127.0.0.1:1"))
                at = ended
            yield Attempt(arrival.seq, arm, block.index, block.pair, f"u{arrival.user:06}", arrival.cohort,
                          arrival.intended, started, at, OK, tuple(steps))  # fmt: skip


def seconds_of(plan: Plan, arm: Arm) -> Iterator[HealthSecond]:
    """The health of a generator with little to do, a row a second."""
    for second in range(1, plan.length // NS + 2):
        t = second * NS
        busy = any(block.start < t <= block.start + block.length for block in plan.of(arm))
        lag = 2.0 if busy else None
        yield HealthSecond(arm, t, 20 if busy else 0, lag, lag, 0.0, 1.0, 3.0, 0.2, 2 if busy else 0, 90.0, 4.0)


def stored_run(
    results: Path,
    scenario: Scenario = SCENARIO,
    policy: Policy = POLICY,
    arms: Sequence[Arm] = ARMS,
    slower: float = 1.0,
    late_s: Mapping[Arm, float] = MappingProxyType({}),
    health: Health = lambda second: second,
    finished: bool = True,
    targets: Targets = TARGETS,
    pairs: int | None = None,
    marks: Mapping[str, object] = MappingProxyType({}),
    seed: int = 1,
) -> RunFolder:
    """A run whose candidate is ``slower`` times the baseline; one that is not ``finished`` was killed at its end.

    With ``pairs`` it was ended after so many of its plan.
    """
    folder = RunFolder.create(results, scenario, targets, policy, arms)
    plan = make_plan(scenario, arms)
    protocol.save(folder, {arm: protocol.as_json(ArmProtocol({}, ())) for arm in arms})
    written = Written.by(plan).with_file(folder.path / protocol.FILE)
    for arm in arms:
        factor = slower if arm == "candidate" else 1.0
        made = attempts_of(scenario, plan, arm, factor, late_s.get(arm, LATE_S), seed)
        made = (attempt for attempt in made if pairs is None or attempt.pair < pairs)
        rows = sorted(made, key=lambda attempt: attempt.ended)
        _journal(folder, "attempts", arm, ATTEMPTS, _by_time(rows, lambda attempt: attempt.ended), attempts_batch)
        told = [health(second) for second in seconds_of(plan, arm)]
        _journal(folder, "health", arm, HEALTH, [[second] for second in told], health_batch)
        written = replace(
            written,
            attempts={**written.attempts, arm: len(rows)},
            health={**written.health, arm: len(told)},
        )
    folder.update_manifest(**{KEY: written.document}, **marks)
    if finished:
        folder.finish(status="complete", ending=asdict(Ending(complete=True, pairs=pairs or scenario.blocks.pairs)))
    return folder


def _by_time(rows: Sequence[Attempt], at: Callable[[Attempt], int]) -> list[list[Attempt]]:
    batches: dict[int, list[Attempt]] = {}
    for row in rows:
        batches.setdefault(at(row) // round(BATCH_S * NS), []).append(row)
    return list(batches.values())


def _journal(
    folder: RunFolder, kind: str, arm: Arm, schema: Any, batches: Sequence[Any], as_batch: Callable[[Any], Any]
) -> None:
    writer = JournalWriter(folder.journal(kind, arm), schema)
    for batch in batches:
        writer.write(as_batch(batch))
    writer.close()
