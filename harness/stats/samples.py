"""From attempts to one value for each metric, pair and arm: the block is the unit, never the single login.

1. Pairs that the caller names count, without the policy's first discarded ones; in each block, logins due in the trim
   don't count, nor do withheld ones (they were never sent).
2. A failed login counts as the time-out, or as its own time where that is longer: failing fast is no speed. So does
   a failed step.
3. Cold and warm logins are never mixed in a quantile; rates are over both.
4. A quantile is judged where the usual block holds 3 logins beyond it on both arms, and where the baseline's own
   quantile lies below the time-out: beyond that nothing slower could be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from harness.model.attempt import STATUSES, AttemptTable, Floats, Ints
from harness.model.comparison import QUANTILES, Design, Metric, NotJudged, Statistic
from harness.model.policy import Margin, Policy
from harness.model.steps import CACHES, LOGIN
from harness.model.target import ARMS

Flags = npt.NDArray[np.bool_]
Wanted = dict[Statistic, Margin | None]

BEYOND = 3
"""How many logins of a block lie beyond a quantile that is judged; fewer leave it to single logins."""
RATES: tuple[Statistic, ...] = ("failure_rate", "slow_rate")
CLOCK_S = 1e-9
"""Instants are whole nanoseconds, so no time is known to be shorter than one."""
_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric by pair and arm: ``values`` (seconds, or a share) and the ``counts`` of logins that they come from.

    Both have the shape (pairs, arms): pairs in order, without those in which an arm's block holds nothing, and arms as
    in ARMS. ``margin`` is the policy's, None for rates.
    """

    metric: Metric
    values: Floats
    counts: Ints
    margin: Margin | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """Values sorted within each cell of (cache, pair, arm), end to end; cell i begins at ``starts[i]``."""

    values: Floats
    starts: Ints
    counts: Ints
    """Of the shape (caches, pairs, arms)."""

    @classmethod
    def of(cls, values: Floats, cell: Ints, shape: tuple[int, int, int]) -> Cells:
        """Sort values into cells numbered in C order of ``shape``; one stable sort by cell, then one sort a block."""
        counts = np.bincount(cell, minlength=math.prod(shape))
        ends = np.cumsum(counts)
        # Cell numbers of few bits are sorted by radix, some ten times as fast as the floats beside them would be.
        order = np.argsort(cell.astype(np.min_scalar_type(math.prod(shape))), kind="stable")
        ordered = values[order]
        for begin, end in pairwise((0, *ends.tolist())):
            ordered[begin:end].sort()
        return cls(ordered, ends - counts, counts.reshape(shape))

    def quantile(self, q: float) -> Floats:
        """The q-quantile of each cell, in the shape of ``counts``; NaN where a cell is empty.

        Type 8 of Hyndman & Fan, *Sample quantiles in statistical packages*, Am. Stat. 50 (1996): nearly unbiased for
        the median whatever the distribution, so that small blocks read no lower at p99 than large ones.
        """
        n = self.counts.ravel()
        found = np.full(len(n), np.nan)
        held = n > 0
        at = np.clip((n[held] + 1 / 3) * q - 2 / 3, 0, n[held] - 1)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, n[held] - 1)
        low, high = (self.values[self.starts[held] + i] for i in (below, above))
        found[held] = low + (at - below) * (high - low)
        return found.reshape(self.counts.shape)


@dataclass(frozen=True, slots=True)
class Logins:
    """The logins that count, by cell of (cache, pair, arm); times in seconds, failures as the time-out."""

    pairs: tuple[int, ...]
    rows: Ints
    """The table's rows that count."""
    cell: Ints
    """For each row of the table its cell, −1 where the login does not count."""
    response_s: Floats
    """For each row that counts."""
    failed: Flags
    slow: Flags

    @property
    def shape(self) -> tuple[int, int, int]:
        """Caches, pairs, arms."""
        return len(CACHES), len(self.pairs), len(ARMS)

    @property
    def used(self) -> Ints:
        """The cells of the rows that count."""
        return self.cell[self.rows]

    def shares(self, flags: Flags) -> tuple[Floats, Ints]:
        """The share of flagged logins in each block, cold and warm together, and the blocks' logins: (pairs, arms)."""
        size = math.prod(self.shape)
        counts = np.bincount(self.used, minlength=size).reshape(self.shape).sum(axis=0)
        hits = np.bincount(self.used, weights=flags, minlength=size).reshape(self.shape).sum(axis=0)
        return np.divide(hits, counts, out=np.full(counts.shape, np.nan), where=counts > 0), counts


def logins_of(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> Logins:
    """The logins that count, of the pairs that do (rule 1)."""
    usable = tuple(sorted(set(pairs))[policy.discard_pairs :])
    known = np.array(usable, dtype=np.int64)
    place = np.searchsorted(known, table.pair)
    counts = np.isin(table.pair, known) & (table.offset_s >= design.trim_s) & (table.status != _WITHHELD)
    cell = np.where(counts, (table.cache.astype(np.int64) * len(usable) + place) * len(ARMS) + table.arm, -1)
    (rows,) = np.nonzero(counts)
    failed = table.status[rows] != _OK
    response_s = censored(table.response_s[rows], failed, design.timeout_s)
    return Logins(usable, rows, cell, response_s, failed, failed | (response_s > policy.slow_after_s))


def censored(times_s: Floats, failed: Flags, timeout_s: float) -> Floats:
    """Times in which a failure lasts at least as long as the time-out (rule 2)."""
    return np.where(failed, np.maximum(times_s, timeout_s), np.maximum(times_s, CLOCK_S))


def step_times(table: AttemptTable, logins: Logins, step: str, timeout_s: float) -> tuple[Floats, Ints]:
    """The service times of one step in logins that count, in seconds, and the cell of each."""
    columns = table.steps[step]
    cell = logins.cell[columns.row]
    counts = cell >= 0
    times_s = censored(columns.service_s[counts], columns.status[counts] != _OK, timeout_s)
    return times_s, cell[counts]


def samples_of(
    table: AttemptTable, logins: Logins, design: Design, policy: Policy
) -> tuple[tuple[Sample, ...], tuple[NotJudged, ...]]:
    """Every metric that the policy names, as a sample or with the reason why it can't be judged."""
    margins = policy.margins
    judged: list[Sample] = []
    refused: list[NotJudged] = []

    def place(metric: Metric, values: Floats, counts: Ints, margin: Margin | None) -> None:
        reason = _why_not(metric.statistic, values, counts, design.timeout_s)
        if reason:
            refused.append(NotJudged(metric, reason))
        else:
            held = counts.all(axis=1)
            judged.append(Sample(metric, values[held], counts[held], margin))

    of_login: Wanted = {"p50": margins.login.p50, "p95": margins.login.p95, "p99": margins.login.p99}
    of_step: Wanted = {"p50": margins.step.p50, "p95": margins.step.p95}
    timed = [(LOGIN, of_login, logins.response_s, logins.used)]
    timed += [(step, of_step, *step_times(table, logins, step, design.timeout_s)) for step in table.steps]
    for step, wanted, times_s, cell in timed:
        cells = Cells.of(times_s, cell, logins.shape)
        for code, cache in enumerate(CACHES):
            for statistic, margin in wanted.items():
                if margin is not None and cells.counts[code].any():
                    values = cells.quantile(QUANTILES[statistic])[code]
                    place(Metric(cache, step, statistic), values, cells.counts[code], margin)
    for statistic in RATES if len(logins.rows) else ():
        values, counts = logins.shares(logins.failed if statistic == "failure_rate" else logins.slow)
        place(Metric("all", LOGIN, statistic), values, counts, None)
    return tuple(judged), tuple(refused)


def _why_not(statistic: Statistic, values: Floats, counts: Ints, timeout_s: float) -> str:
    """Why a metric can't be judged (rule 4), in words; empty where it can."""
    if statistic in QUANTILES:
        needed = needed_in_block(QUANTILES[statistic])
        usual = np.median(counts, axis=0)
        if usual.min() < needed:
            arm = "" if usual.min() == usual.max() else f"{ARMS[int(np.argmin(usual))]} "
            return f"too few logins: a {arm}block holds {usual.min():.0f} after trimming, {statistic} needs {needed}"
        if np.nanmedian(values[:, 0]) >= timeout_s:
            return f"the baseline's own {statistic} is the time-out of {timeout_s:g} s: nothing slower can be seen"
    return "" if counts.all(axis=1).any() else "no pair holds logins on both arms"


def needed_in_block(q: float) -> int:
    """How many logins a block needs for its q-quantile: 6 for p50, 60 for p95, 300 for p99."""
    return math.ceil(BEYOND / (1 - q) - 1e-6)
