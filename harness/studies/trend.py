"""One workload over many runs: what each arm's logins took, run by run. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import RunError
from harness.model.attempt import Flags
from harness.model.metric import QUANTILES
from harness.model.target import ARMS, Arm
from harness.model.verdict import Kind
from harness.record.folder import RunFolder
from harness.run.assess import Assessor
from harness.run.evidence import evidence_of
from harness.run.stored import read_run
from harness.stats.logins import Logins, logins_of, usable_pairs


@dataclass(frozen=True, slots=True)
class Point:
    """One arm's logins of a cohort in one run: quantiles of the response time in seconds, the share that failed.

    Over all logins that count, regardless of their block. ``verdict`` is empty for a run of one arm, unless its files
    are damaged.
    """

    started: str
    run_id: str
    arm: Arm
    cohort: str
    quantiles_s: tuple[float, ...]
    failed: float
    verdict: str


def trend(folders: Sequence[RunFolder]) -> list[Point]:
    """The points of runs of one workload, in order of time; raises RunError where they are of several."""
    workload = folders[0].scenario().workload_digest
    for folder in folders:
        if folder.scenario().workload_digest != workload:
            raise RunError(f"{folder.path}: expected the scenario of {folders[0].path}, got another one")
    return sorted((point for folder in folders for point in _points(folder)), key=lambda point: point.started)


def _points(folder: RunFolder) -> Iterator[Point]:
    both = set(folder.arms()) == set(ARMS)
    run = read_run(folder)
    verdict = evidence_of(folder).verdict.kind.name if both else Kind.INVALID.name if run.faults else ""
    assessor = Assessor(run.scenario, folder.policy(), run.plan)
    attempts = run.attempts
    table = assessor.table(attempts)
    usable = usable_pairs(assessor.complete_pairs(attempts), assessor.design, folder.policy())
    logins = logins_of(table, assessor.design, usable)
    for arm in folder.arms():
        for code, cohort in enumerate(table.cohorts):
            mine = (table.arm[logins.rows] == ARMS.index(arm)) & (table.cohort[logins.rows] == code)
            if mine.any():
                started = str(folder.manifest()["created"])
                yield Point(started, folder.run_id, arm, cohort, *_measured(logins, mine), verdict)


def _measured(logins: Logins, mine: Flags) -> tuple[tuple[float, ...], float]:
    times = np.quantile(logins.response_s[mine], list(QUANTILES.values()))
    return tuple(float(time) for time in times), float(logins.failed[mine].mean())
