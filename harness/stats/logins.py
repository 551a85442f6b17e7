"""Which logins of a run count, and as what.

1. Pairs that the caller names count; in each block, logins due in the trim don't count, nor do withheld ones (they
   were never sent).
2. A failed login counts as the time-out, or as its own time where that is longer: failing fast is no speed. So does
   a failed step.
3. Logins of different cohorts are never mixed in a quantile that is judged against a margin; rates are over all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Flags, Floats, Ints
from harness.model.comparison import Design
from harness.model.metric import Stage
from harness.model.policy import Policy
from harness.model.steps import EARLIER_TRIES
from harness.model.target import ARMS
from harness.stats.cells import Shape, merged

CLOCK_S = 1e-9
"""Instants are whole nanoseconds, so no time is known to be shorter than one."""
_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


@dataclass(frozen=True, slots=True)
class Logins:
    """The logins that count, by cell of (cohort, pair, arm); times in seconds, failures as the time-out."""

    cohorts: tuple[str, ...]
    pairs: tuple[int, ...]
    rows: Ints
    """The table's rows that count."""
    cell: Ints
    """For each row of the table its cell, −1 where the login does not count."""
    used: Ints
    """The cells of the rows that count."""
    response_s: Floats
    """For each row that counts."""
    failed: Flags

    @property
    def shape(self) -> Shape:
        """Cohorts, pairs, arms."""
        return len(self.cohorts), len(self.pairs), len(ARMS)

    @property
    def counts(self) -> Ints:
        """How many logins each cell holds, in its shape."""
        return np.bincount(self.used, minlength=math.prod(self.shape)).reshape(self.shape)

    def grouped(self, size: int) -> Logins:
        """The same logins with ``size`` pairs in a row as one; those left over at the end don't count."""
        if size == 1:
            return self
        cell, _ = merged(self.cell, self.shape, size)
        cell[self.cell < 0] = -1
        kept = cell[self.rows] >= 0
        pairs, rows = self.pairs[: len(self.pairs) // size * size : size], self.rows[kept]
        return Logins(self.cohorts, pairs, rows, cell, cell[rows], self.response_s[kept], self.failed[kept])

    def shares(self, flags: Flags | Floats) -> tuple[Floats, Ints]:
        """The share of flagged logins in each block, of all cohorts together, and the blocks' logins: (pairs, arms).

        Numbers instead of flags give their mean.
        """
        counts = self.counts.sum(axis=0)
        hits = np.bincount(self.used, weights=flags, minlength=math.prod(self.shape)).reshape(self.shape).sum(axis=0)
        return np.divide(hits, counts, out=np.full(counts.shape, np.nan), where=counts > 0), counts


def usable_pairs(pairs: Iterable[int], design: Design, policy: Policy, stage: Stage = "expected") -> tuple[int, ...]:
    """Of all pairs of a run those of one stage that count, in order: without the run's discarded first ones."""
    return of_stage(sorted(set(pairs))[policy.discard_pairs :], design, stage)


def of_stage(counting: Iterable[int], design: Design, stage: Stage) -> tuple[int, ...]:
    """Of pairs in order those of one stage."""
    return tuple(pair for pair in counting if design.stage(pair) == stage)


def logins_of(table: AttemptTable, design: Design, usable: Sequence[int]) -> Logins:
    """The logins that count, of pairs in ascending order."""
    known = np.array(usable, dtype=np.int64)
    place = np.searchsorted(known, table.pair)
    counts = np.isin(table.pair, known) & design.untrimmed(table.pair, table.offset_s) & (table.status != _WITHHELD)
    cell = np.where(counts, (table.cohort.astype(np.int64) * len(known) + place) * len(ARMS) + table.arm, -1)
    (rows,) = np.nonzero(counts)
    failed = table.status[rows] != _OK
    response_s = censored(table.response_s[rows], failed, design.timeout_s)
    return Logins(table.cohorts, tuple(usable), rows, cell, cell[rows], response_s, failed)


def censored(times_s: Floats, failed: Flags, timeout_s: Floats | float) -> Floats:
    """Times in which a failure lasts at least as long as the time-out (rule 2)."""
    found = np.maximum(times_s, CLOCK_S)
    return np.where(failed, np.maximum(times_s, timeout_s), found) if failed.any() else found


@dataclass(frozen=True, slots=True)
class Timed:
    """One step of the logins that count and took it: where each stands in the step's columns, the table's row and the
    cell of its login, and its service time in seconds, failures as the time-out."""

    at: Ints
    row: Ints
    cell: Ints
    times_s: Floats

    def in_each(self, logins: Logins) -> Floats:
        """The time that each of the logins that count spent in the step; 0 where it did not reach it."""
        if self.row is logins.rows:
            return self.times_s
        return np.bincount(self.row, self.times_s, minlength=len(logins.cell))[logins.rows].astype(np.float64)


def steps_timed(table: AttemptTable, logins: Logins, timeout_s: float) -> dict[str, Timed]:
    """Every step of the logins that count.

    A step that failed after tries that were given up counts as what they had left of the time-out.
    """
    lost_s = _lost_s(table) if EARLIER_TRIES in table.steps else None
    found = {}
    for step, columns in table.steps.items():
        if every_login(columns.row, len(table)):
            at = row = logins.rows
            cell = logins.used
        else:
            (at,) = np.nonzero(logins.cell[columns.row] >= 0)
            row = columns.row[at]
            cell = logins.cell[row]
        left_s = timeout_s if lost_s is None else timeout_s - lost_s[row]
        found[step] = Timed(at, row, cell, censored(columns.service_s[at], columns.status[at] != _OK, left_s))
    return found


def every_login(row: Ints, logins: int) -> bool:
    """Whether these rows are those of all logins, each once and in order."""
    return len(row) == logins > 0 and row[0] == 0 and row[-1] == logins - 1 and bool((row[1:] > row[:-1]).all())


def _lost_s(table: AttemptTable) -> Floats:
    """What each login lost in tries that were given up, in seconds."""
    earlier = table.steps[EARLIER_TRIES]
    lost_s: Floats = np.bincount(earlier.row, weights=earlier.service_s, minlength=len(table)).astype(np.float64)
    return lost_s
