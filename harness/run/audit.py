"""Could what a run's folder holds have happened? Attempts against the plan that they were made by, and health.

1. A row that can't have happened is left out and told, by what is wrong with it and how often; what is left is safe to
   index and to count.
2. What is told here makes a verdict INVALID: the rows that were left out are missing from one arm or the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.attempt import STATUSES, Flags, Ints, Places
from harness.model.plan import NS, Block, Plan
from harness.model.scenario import Scenario
from harness.model.steps import EARLIER_TRIES
from harness.model.target import ARMS, Arm
from harness.record.columns import codes_of, whole

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


@dataclass(frozen=True, slots=True)
class Planned:
    """What a plan says of logins that follow each other, the first of which has the number ``first``."""

    first: int
    block: Ints
    pair: Ints
    arm: Ints
    cohort: Ints
    intended: Ints

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Self:
        """The logins of some blocks in a row."""
        counts = [len(block.arrivals) for block in blocks]
        block, pair, arm = (
            np.repeat(np.array(of_block, dtype=np.int64), counts)
            for of_block in (
                [block.index for block in blocks],
                [block.pair for block in blocks],
                [ARMS.index(block.arm) for block in blocks],
            )
        )
        cohort, intended = (
            np.concatenate([np.zeros(0, np.int64), *columns])
            for columns in ([b.arrivals.cohort for b in blocks], [b.arrivals.intended for b in blocks])
        )
        return cls(blocks[0].arrivals.first if blocks else 0, block, pair, arm, cohort, intended)


class AttemptAudit:
    """What attempts of one plan have to be like."""

    def __init__(self, scenario: Scenario, plan: Plan) -> None:
        self._scenario = scenario
        self._plan = plan
        self._cohorts = tuple(scenario.mix)
        self._latest = plan.length + round((scenario.timeout_s + OVERTIME_S) * NS)
        self._steps = scenario.timed_steps
        longest = max(len(cohort.taken) for cohort in scenario.mix.values())
        self._ways = np.full((len(self._cohorts), longest + 1), -1, dtype=np.int16)
        for code, cohort in enumerate(scenario.mix.values()):
            self._ways[code, : len(cohort.taken)] = [self._steps.index(step) for step in cohort.taken]
        self._taken = np.array([len(cohort.taken) for cohort in scenario.mix.values()], dtype=np.int64)
        self._whole: Planned | None = None

    def of(self, table: Any) -> Audited:
        """The audit of an Arrow table of ATTEMPTS."""
        if self._whole is None:
            self._whole = Planned.of(self._plan.blocks)
        bad: dict[str, int] = {}
        return Audited(self.part(table, self._whole, bad), self.faults(bad, len(table)))

    @staticmethod
    def faults(bad: Mapping[str, int], rows: int) -> tuple[str, ...]:
        """How many of all recorded logins are wrong in which way, in words."""
        return tuple(f"{count:,} of {rows:,} recorded logins {what}" for what, count in bad.items())

    def part(self, table: Any, planned: Planned, bad: dict[str, int]) -> Any:
        """The rows of ``table`` that can be of these logins of the plan; what is wrong with others adds to ``bad``."""
        table = table.combine_chunks()
        rows = len(table)
        good = np.ones(rows, dtype=np.bool_)

        def demand(fine: Flags, what: str) -> None:
            if count := int(np.count_nonzero(good & ~fine)):
                bad[what] = bad.get(what, 0) + count
                good[~fine] = False

        scalar = [name for name in table.schema.names if name != "steps"]
        demand(_all(_known(table[name]) for name in scalar), "lack a value")
        place, number = _ints(table["seq"]) - planned.first, len(planned.intended)
        demand((place >= 0) & (place < number), "are none of the plan's")
        at = np.where(good, place, 0) if number else np.zeros(0, dtype=np.int64)
        if not number:
            return table.slice(0, 0)
        cohort, intended = codes_of(table["cohort"], self._cohorts).astype(np.int64), _ints(table["intended"])
        as_planned = (
            (_ints(table["block"]) == planned.block[at])
            & (_ints(table["pair"]) == planned.pair[at])
            & (codes_of(table["arm"], ARMS) == planned.arm[at])
            & (cohort == planned.cohort[at])
            & (intended == planned.intended[at])
        )
        demand(as_planned, "are not as they were planned (block, pair, arm, cohort or due time)")
        demand(_first(place, good), "are there twice")
        started, ended = _ints(table["started"]), _ints(table["ended"])
        seat_wait = _ints(table["seat_wait"])
        demand(started >= planned.intended[at], "began before they were due")
        demand(ended >= started, "ended before they began")
        own = _ints(table["own"])
        demand((own >= 0) & (own <= ended - started), "have more time of the generator's own than there was")
        demand(ended <= self._latest, "ended long after the run")
        waited_at_most = started - planned.intended[at]
        demand((seat_wait >= 0) & (seat_wait <= waited_at_most), "waited longer for a seat than at all")
        status = codes_of(table["status"], STATUSES)
        demand(status >= 0, "ended in no known way")
        tries = _ints(table["tries"])
        demand((tries >= 1) & (tries <= self._scenario.tries), "were tried more often than they may be, or never")
        for fine, what in self._of_steps(table["steps"], cohort, status, tries, started, ended):
            demand(fine, what)
        return table if good.all() else table.filter(pa.array(good))

    def _of_steps(
        self, column: Any, cohort: Ints, status: Places, tries: Ints, started: Ints, ended: Ints
    ) -> Sequence[tuple[Flags, str]]:
        """For each demand on the steps, which rows meet it."""
        lists = whole(column)
        counts = _ints(pc.fill_null(pc.list_value_length(lists), 0))
        flat, by = pc.list_flatten(lists), _Spread.of(counts)
        earlier = np.clip(tries, 1, self._scenario.tries) - 1
        known_cohort = np.maximum(cohort, 0)
        in_order = self._in_order(by, codes_of(pc.struct_field(flat, "step"), self._steps), known_cohort, earlier)
        begun, done, waited, spent = (
            by.steps(_ints(pc.struct_field(flat, name))) for name in ("started", "ended", "pool_wait", "own")
        )
        of_step = by.steps(codes_of(pc.struct_field(flat, "status"), STATUSES))
        known = by.steps(_known(pc.struct_field(flat, "code"))) & (of_step >= 0)
        possible = (done >= begun) & (waited >= 0) & known & (spent >= 0) & (spent <= done - begun)
        within = (begun >= by.logins(started - EARLY_NS)) & (done <= by.logins(ended + EARLY_NS))
        ok = status == STATUSES.index("ok")
        complete = ~ok | (counts == earlier + self._taken[known_cohort])
        sent = (status != _WITHHELD) | (counts == 0)
        return (
            (complete, "are ok and lack steps of their way"),
            (sent, "were withheld and have steps"),
            (by.everywhere(in_order), "have steps that are not their way's"),
            (by.everywhere(possible), "have steps that can't have happened"),
            (by.everywhere(within), "have steps outside their own time"),
        )

    def _in_order(self, by: _Spread, step: Places, cohort: Ints, earlier: Ints) -> Flags:
        """Whether each step is the one that its login's way has there, after ``earlier`` tries that were given up."""
        width = self._ways.shape[1]
        # How many of the login's steps on its way came before: below 0 in tries that were given up.
        before = by.place() - by.logins(earlier)
        on_way = np.minimum(np.maximum(before, 0), width - 1)
        expected = self._ways.ravel()[by.logins(cohort * width) + on_way]
        if EARLIER_TRIES in self._steps:
            expected = np.where(before < 0, self._steps.index(EARLIER_TRIES), expected)
        told = by.steps(step)
        in_order: Flags = (told >= 0) & (told == expected)
        return in_order


@dataclass(frozen=True, slots=True)
class _Spread:
    """How the steps of all logins, end to end, belong to them: ``each`` has so many, or ``counts`` says how many."""

    counts: Ints
    each: int | None

    @classmethod
    def of(cls, counts: Ints) -> Self:
        """Of logins with so many steps."""
        alike = len(counts) > 0 and bool((counts == counts[0]).all())
        return cls(counts, int(counts[0]) if alike else None)

    def steps(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values of each step; in rows, a login each, where all have as many."""
        return values if self.each is None else values.reshape(len(self.counts), self.each)

    def logins(self, values: Ints) -> Ints:
        """Values of each login, to be held against its steps."""
        if self.each is None:
            return np.repeat(values, self.counts)
        return values[:1, None] if len(values) and (values == values[0]).all() else values[:, None]

    def place(self) -> Ints:
        """How many of the login's steps came before each."""
        if self.each is not None:
            return np.arange(self.each)[None, :]
        return np.arange(int(self.counts.sum())) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)

    def everywhere(self, fine: Flags) -> Flags:
        """Which logins have no step that is not fine."""
        found = np.ones(len(self.counts), dtype=np.bool_)
        if not fine.all():
            rows = np.arange(len(self.counts))
            of_step = np.repeat(rows, self.counts) if self.each is None else np.repeat(rows, self.each)
            found[of_step[~fine.ravel()]] = False
        return found


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

    arm, t, worker = codes_of(table["arm"], arms).astype(np.int64), _ints(table["t"]), _ints(table["worker"])
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
    if (keys[1:] > keys[:-1]).all():
        return first
    rows = np.flatnonzero(good)
    _, places = np.unique(keys[rows], return_index=True)
    if len(places) < len(rows):
        repeated = np.ones(len(rows), dtype=np.bool_)
        repeated[places] = False
        first[rows[repeated]] = False
    return first


def _known(array: Any) -> Flags:
    """Where there is a value."""
    return _flags(pc.is_valid(array)) if array.null_count else np.ones(len(array), dtype=np.bool_)


def _all(flags: Any) -> Flags:
    found: Flags = np.logical_and.reduce(list(flags))
    return found


def _flags(array: Any) -> Flags:
    return np.asarray(array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(zero_copy_only=False))


def _ints(array: Any) -> Ints:
    """A column of whole numbers, nulls as -1."""
    filled = pc.fill_null(array, -1) if array.null_count else array
    found = filled.to_numpy() if isinstance(filled, pa.ChunkedArray) else filled.to_numpy(zero_copy_only=False)
    return np.asarray(found).astype(np.int64, copy=False)
