"""Which server answered each step, and how fast, where an arm has several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.model.attempt import AttemptTable
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.servers import ServerTimes
from harness.model.target import ARMS
from harness.stats.logins import logins_of, step_times, usable_pairs


def server_times(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> tuple[ServerTimes, ...]:
    """The servers of those steps in which an arm had several, for each cohort apart.

    It describes the logins that were judged, and takes no part in the verdict.
    """
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    found: list[ServerTimes] = []
    for step in table.steps:
        found += _of_step(table, step, logins.cell >= 0, step_times(table, logins, step, design.timeout_s)[0])
    return tuple(found)


def _of_step(table: AttemptTable, step: str, used: np.ndarray, times_s: np.ndarray) -> Iterator[ServerTimes]:
    columns = table.steps[step]
    if columns.server is None:
        return
    counting = used[columns.row]
    row, server = columns.row[counting], columns.server[counting]
    arm, cohort = table.arm[row], table.cohort[row]
    named = np.array([bool(name) for name in columns.servers], dtype=bool)[server]
    if all(len(np.unique(server[named & (arm == code)])) < 2 for code in range(len(ARMS))):
        return
    kinds, which = np.unique(np.stack([cohort, arm, server]), axis=1, return_inverse=True)
    for kind, (of_cohort, of_arm, of_server) in enumerate(kinds.T.tolist()):
        mine = times_s[which.ravel() == kind]
        taken = int(((cohort == of_cohort) & (arm == of_arm)).sum())
        p50_s, p95_s = (float(value) for value in np.quantile(mine, (0.5, 0.95)))
        yield ServerTimes(
            ARMS[of_arm],
            table.cohorts[of_cohort],
            step,
            columns.servers[of_server],
            len(mine),
            len(mine) / taken,
            p50_s,
            p95_s,
        )
