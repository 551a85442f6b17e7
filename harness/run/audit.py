"""Could what a run's folder holds have happened? Attempts against the plan that they were made by, and health.

1. A row that can't have happened is left out and told, by what is wrong with it and how often; what is left is safe to
   index and to count.
2. What is told here makes a verdict INVALID: the rows that were left out are missing from one arm or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.attempt import STATUSES, Ints
from harness.model.plan import NS, Plan
from harness.model.scenario import Scenario
from harness.model.steps import EARLIER_TRIES
from harness.model.target import ARMS, Arm

Flags = npt.NDArray[np.bool_]
EARLY_NS = 50_000_000
"""By how much a step may seem to begin before its login or end after it: a login's start is never before it was due."""
OVERTIME_S = 60.0
"""How long past its last deadline a login may end: the run is over by then."""
_WITHHELD = STATUSES.index("withheld")


@dataclass(frozen=True, slots=True)
class Audited:
    """The rows that can have happened, and what was wrong with the others, a sentence a kind."""

    table: Any
    faults: tuple[str, ...]


class AttemptAudit:
    """What attempts of one plan have to be like."""

    def __init__(self, scenario: Scenario, plan: Plan) -> None:
        self._scenario = scenario
        self._cohorts = tuple(scenario.mix)
        counts = [len(block.arrivals) for block in plan.blocks]
        self._block, self._pair, self._arm = (
            np.repeat(np.array(of_block, dtype=np.int64), counts)
            for of_block in (
                [block.index for block in plan.blocks],
                [block.pair for block in plan.blocks],
                [ARMS.index(block.arm) for block in plan.blocks],
            )
        )
        codes = {name: code for code, name in enumerate(self._cohorts)}
        arrivals = [arrival for block in plan.blocks for arrival in block.arrivals]
        self._cohort = np.array([codes[arrival.cohort] for arrival in arrivals], dtype=np.int64)
        self._intended = np.array([arrival.intended for arrival in arrivals], dtype=np.int64)
        self._latest = plan.length + round((scenario.timeout_s + OVERTIME_S) * NS)
        self._steps = scenario.timed_steps
        longest = max(len(cohort.taken) for cohort in scenario.mix.values())
        self._ways = np.full((len(self._cohorts), longest + 1), -1, dtype=np.int64)
        for code, cohort in enumerate(scenario.mix.values()):
            self._ways[code, : len(cohort.taken)] = [self._steps.index(step) for step in cohort.taken]
        self._taken = np.array([len(cohort.taken) for cohort in scenario.mix.values()], dtype=np.int64)

    def of(self, table: Any) -> Audited:
        """The audit of an Arrow table of ATTEMPTS."""
        table = table.combine_chunks()
        rows = len(table)
        good = np.ones(rows, dtype=np.bool_)
        faults: list[str] = []

        def demand(fine: Flags, what: str) -> None:
            bad = int(np.count_nonzero(good & ~fine))
            if bad:
                faults.append(f"{bad:,} of {rows:,} recorded logins {what}")
                good[~fine] = False

        scalar = [name for name in table.schema.names if name != "steps"]
        demand(_all(_flags(pc.is_valid(table[name])) for name in scalar), "lack a value")
        seq, number = _ints(table["seq"]), len(self._intended)
        demand((seq >= 0) & (seq < number), "are none of the plan's")
        at = np.where(good, seq, 0) if number else np.zeros(0, dtype=np.int64)
        if not number:
            return Audited(table.slice(0, 0), tuple(faults))
        cohort = _codes(table["cohort"], self._cohorts)
        as_planned = (
            (_ints(table["block"]) == self._block[at])
            & (_ints(table["pair"]) == self._pair[at])
            & (_codes(table["arm"], ARMS) == self._arm[at])
            & (cohort == self._cohort[at])
            & (_ints(table["intended"]) == self._intended[at])
        )
        demand(as_planned, "are not as they were planned (block, pair, arm, cohort or due time)")
        demand(_first(seq, good), "are there twice")
        started, ended = _ints(table["started"]), _ints(table["ended"])
        seat_wait = _ints(table["seat_wait"])
        demand(started >= self._intended[at], "began before they were due")
        demand(ended >= started, "ended before they began")
        own = _ints(table["own"])
        demand((own >= 0) & (own <= ended - started), "have more time of the generator's own than there was")
        demand(ended <= self._latest, "ended long after the run")
        demand((seat_wait >= 0) & (seat_wait <= started - self._intended[at]), "waited longer for a seat than at all")
        status = _codes(table["status"], STATUSES)
        demand(status >= 0, "ended in no known way")
        tries = _ints(table["tries"])
        demand((tries >= 1) & (tries <= self._scenario.tries), "were tried more often than they may be, or never")
        for fine, what in self._of_steps(table["steps"], cohort, status, tries, started, ended):
            demand(fine, what)
        kept = table if good.all() else table.filter(pa.array(good))
        return Audited(kept, tuple(faults))

    def _of_steps(
        self, column: Any, cohort: Ints, status: Ints, tries: Ints, started: Ints, ended: Ints
    ) -> Sequence[tuple[Flags, str]]:
        """For each demand on the steps, which rows meet it."""
        rows = len(column)
        lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        counts = _ints(pc.fill_null(pc.list_value_length(lists), 0))
        flat = pc.list_flatten(lists)
        row = np.repeat(np.arange(rows), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        step = _codes(pc.struct_field(flat, "step"), self._steps)
        earlier = np.clip(tries, 1, self._scenario.tries) - 1
        own = place - earlier[row]
        known_cohort = np.maximum(cohort, 0)
        expected = self._ways[known_cohort[row], np.clip(own, 0, self._ways.shape[1] - 1)]
        if EARLIER_TRIES in self._steps:
            expected = np.where(own < 0, self._steps.index(EARLIER_TRIES), expected)
        in_order = (step >= 0) & (step == expected)
        begun, done = (_ints(pc.struct_field(flat, name)) for name in ("started", "ended"))
        waited = _ints(pc.struct_field(flat, "pool_wait"))
        of_step = _codes(pc.struct_field(flat, "status"), STATUSES)
        known = _flags(pc.is_valid(pc.struct_field(flat, "code"))) & (of_step >= 0)
        spent = _ints(pc.struct_field(flat, "own"))
        possible = (done >= begun) & (waited >= 0) & known & (spent >= 0) & (spent <= done - begun)
        within = (begun >= started[row] - EARLY_NS) & (done <= ended[row] + EARLY_NS)
        ok = status == STATUSES.index("ok")
        complete = ~ok | (counts == earlier + self._taken[known_cohort])
        sent = (status != _WITHHELD) | (counts == 0)
        return (
            (complete, "are ok and lack steps of their way"),
            (sent, "were withheld and have steps"),
            (_everywhere(in_order, row, rows), "have steps that are not their way's"),
            (_everywhere(possible, row, rows), "have steps that can't have happened"),
            (_everywhere(within, row, rows), "have steps outside their own time"),
        )


def audit_health(table: Any, plan: Plan, arms: Sequence[Arm], workers: int = 1) -> Audited:
    """The seconds of health that can have been, of so many workers an arm."""
    rows = len(table)
    good = np.ones(rows, dtype=np.bool_)
    faults: list[str] = []

    def demand(fine: Flags, what: str) -> None:
        bad = int(np.count_nonzero(good & ~fine))
        if bad:
            faults.append(f"{bad:,} of {rows:,} recorded seconds of the generator's health {what}")
            good[~fine] = False

    arm, t, worker = _codes(table["arm"], arms), _ints(table["t"]), _ints(table["worker"])
    demand((arm >= 0) & _flags(pc.is_valid(table["t"])), "are of no arm of the run's")
    latest = plan.length + round(OVERTIME_S * NS) * 60
    demand((t >= -latest) & (t <= latest), "are of another time than the run's")
    demand((worker >= 0) & (worker < workers) & _flags(pc.is_valid(table["worker"])), "are of no worker of the run's")
    known = []
    for name in table.schema.names:
        if name not in ("arm", "t", "worker"):
            values = table[name].to_numpy().astype(np.float64)
            absent = ~_flags(pc.is_valid(table[name]))
            known.append(absent | (np.isfinite(values) & (values >= 0)))
    demand(_all(known), "hold a number that can't be")
    demand(_first((arm * workers + worker) * (2 * latest + 1) + t, good), "are there twice")
    return Audited(table if good.all() else table.filter(pa.array(good)), tuple(faults))


def _first(keys: Ints, good: Flags) -> Flags:
    """Whether each row is the first good one with its key; others are not asked."""
    first = np.ones(len(keys), dtype=np.bool_)
    rows = np.flatnonzero(good)
    _, places = np.unique(keys[rows], return_index=True)
    if len(places) < len(rows):
        repeated = np.ones(len(rows), dtype=np.bool_)
        repeated[places] = False
        first[rows[repeated]] = False
    return first


def _everywhere(fine: Flags, row: Ints, rows: int) -> Flags:
    """Which rows have no part that is not fine."""
    found = np.ones(rows, dtype=np.bool_)
    found[row[~fine]] = False
    return found


def _all(flags: Any) -> Flags:
    found: Flags = np.logical_and.reduce(list(flags))
    return found


def _flags(array: Any) -> Flags:
    return np.asarray(array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False))


def _ints(array: Any) -> Ints:
    """A column of whole numbers, nulls as -1."""
    filled = pc.fill_null(array, -1)
    found = filled.to_numpy() if isinstance(filled, pa.ChunkedArray) else filled.to_numpy(zero_copy_only=False)
    return np.asarray(found).astype(np.int64)


def _codes(array: Any, names: Sequence[str]) -> Ints:
    """Each value's place in ``names``, -1 for others."""
    return _ints(pc.index_in(array, value_set=pa.array(names, pa.string())))
