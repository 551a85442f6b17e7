"""From attempts to what reports show of them; pieces of a run add up to the whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Flags, Floats, Ints
from harness.model.comparison import Design
from harness.model.plan import NS
from harness.model.shown import NOTHING, BlockSeries, Distribution, Kept, Shown
from harness.model.target import ARMS, Arm
from harness.stats.cells import Grouping
from harness.stats.logins import every_login

_NEVER = np.iinfo(np.int64).max
_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


def shown(table: AttemptTable, design: Design, discard_pairs: int = 0) -> Shown:
    """What is shown of a table of attempts whose first ``discard_pairs`` pairs are not judged."""
    sent = (table.status != _WITHHELD) & design.untrimmed(table.pair, table.offset_s)
    discarded = (table.pair >= 0) & (table.pair < discard_pairs)
    kept = sent & (table.pair >= discard_pairs)
    block_s = table.intended_s - table.offset_s
    done = table.status == _OK
    response_s = np.where(done, table.response_s, design.timeout_s)
    cohorts = len(table.cohorts)
    kind = table.arm.astype(np.int64) * cohorts + table.cohort
    kinds = len(ARMS) * cohorts
    taken, never = (np.bincount(kind[which], minlength=kinds) for which in (kept, kept & ~done))
    of_done = _of_each(response_s, kind, kept & done, kinds)
    own = table.generator.own / NS if table.generator else None
    of_own = [NOTHING] * kinds if own is None else _of_each(response_s + own, kind, kept, kinds)
    in_steps = _step_times(table, np.where(kept, kind, kinds), kinds, design.timeout_s)
    blocks = _Blocks.of(table, sent & (table.pair >= 0), response_s, block_s, design)
    found: dict[tuple[Arm, str], Kept] = {}
    tried: dict[Arm, tuple[int, int]] = {}
    for code, arm in enumerate(ARMS):
        mine = slice(code * cohorts, (code + 1) * cohorts)
        tried[arm] = int(taken[mine].sum()), int(never[mine].sum())
        for number, cohort in enumerate(table.cohorts):
            at = code * cohorts + number
            found[arm, cohort] = Kept(
                of_done[at].joined_with(design.timeout_s, int(never[at])),
                of_done[at].with_more(math.inf, int(never[at])),
                of_own[at],
                blocks.series(code, number),
                {step: (float(spent[at]), int(count[at])) for step, (spent, count) in in_steps.items() if count[at]},
            )
    failed_steps: Counter[tuple[Arm, str]] = Counter()
    for step, columns in table.steps.items():
        broken = np.bincount(table.arm[columns.row[columns.status != _OK]], minlength=len(ARMS))
        failed_steps.update({(arm, step): int(count) for arm, count in zip(ARMS, broken, strict=True)})
    failures = {arm: blocks.failures(code) for code, arm in enumerate(ARMS)}
    until_s = float(block_s[discarded].max()) + design.block_s if discarded.any() else 0.0
    return Shown(len(table), table.cohorts, found, tried, failures, failed_steps, until_s / 60)


def joined(parts: Sequence[Shown]) -> Shown:
    """Pieces of a run, in order of time, as one."""
    first = parts[0]
    tried = {arm: tuple(map(sum, zip(*(part.tried[arm] for part in parts), strict=True))) for arm in ARMS}
    failed_steps: Counter[tuple[Arm, str]] = Counter()
    for part in parts:
        failed_steps.update(part.failed_steps)
    return Shown(
        logins=sum(part.logins for part in parts),
        cohorts=first.cohorts,
        kept={key: _joined_kept([part.kept[key] for part in parts]) for key in first.kept},
        tried={arm: (counts[0], counts[1]) for arm, counts in tried.items()},
        failures={arm: _in_time([part.failures[arm] for part in parts]) for arm in ARMS},
        failed_steps=failed_steps,
        discarded_until_min=max(part.discarded_until_min for part in parts),
    )


def _joined_kept(parts: Sequence[Kept]) -> Kept:
    spent: dict[str, tuple[float, int]] = {}
    for part in parts:
        for step, (time_s, count) in part.step_s.items():
            before_s, had = spent.get(step, (0.0, 0))
            spent[step] = before_s + time_s, had + count
    return Kept(
        Distribution.joined([part.response_s for part in parts]),
        Distribution.joined([part.done_s for part in parts]),
        Distribution.joined([part.with_own_s for part in parts]),
        BlockSeries(
            *(np.concatenate([getattr(part.blocks, name) for part in parts]) for name in ("start_min", "p50", "p95"))
        ),
        spent,
    )


def _in_time(parts: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    starts, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    return starts, shares


@dataclass(frozen=True, slots=True)
class _Blocks:
    """A table's blocks in order, those of an arm in one pair as one: whose it is, when it began (s), its logins by
    cohort, their p50 and p95 (s) and the share of all that failed.

    Blocks that alternate within a pair are shown as if those of the arm that had the first one had come before.
    """

    arm: Ints
    start_s: Floats
    counts: Ints
    p50: Floats
    p95: Floats
    failed: Floats

    @classmethod
    def of(cls, table: AttemptTable, which: Flags, response_s: Floats, block_s: Floats, design: Design) -> Self:
        """The blocks of some of a table's logins."""
        (rows,) = np.nonzero(which)
        pair = table.pair[rows]
        place = len(ARMS) * (pair - pair.min(initial=_NEVER)) + table.arm[rows]
        many = int(place.max(initial=-1)) + 1
        start_s = np.full(many, np.inf)
        np.minimum.at(start_s, place, block_s[rows])
        if design.per_pair > 1 and design.interleaved:
            start_s = _side_by_side(start_s, design.arm_s)
        order = np.argsort(start_s, kind="stable")
        place = np.argsort(order)[place]
        arm, start_s = order % len(ARMS), start_s[order]
        grouping = Grouping.of(table.cohort[rows].astype(np.int64) * many + place, (len(table.cohorts), many, 1))
        p50, p95 = (found[:, :, 0] for found in grouping.quantiles(response_s[rows], [0.5, 0.95]))
        held = np.bincount(place, minlength=many)
        failed = np.bincount(place[table.status[rows] != _OK], minlength=many) / np.maximum(held, 1)
        return cls(arm, start_s, grouping.counts[:, :, 0], p50, p95, failed)

    def series(self, arm: int, cohort: int) -> BlockSeries:
        """An arm's blocks that hold logins of a cohort."""
        (held,) = np.nonzero((self.arm == arm) & (self.counts[cohort] > 0))
        return BlockSeries(self.start_s[held] / 60, self.p50[cohort, held], self.p95[cohort, held])

    def failures(self, arm: int) -> tuple[Floats, Floats]:
        """When each of an arm's blocks began (minutes), and the share of its logins that failed."""
        (held,) = np.nonzero((self.arm == arm) & (self.counts.sum(axis=0) > 0))
        return self.start_s[held] / 60, self.failed[held]


def _side_by_side(start_s: Floats, arm_s: float) -> Floats:
    """When each arm's part of each pair begins, so that the later one follows the other; infinite where it has none."""
    both = np.append(start_s, np.full(len(start_s) % len(ARMS), np.inf)).reshape(-1, len(ARMS))
    first = both.min(axis=1, keepdims=True)
    later = (both > first) & np.isfinite(both)
    placed: Floats = np.where(later, np.maximum(both, first + arm_s), both)
    return placed.ravel()[: len(start_s)]


def _of_each(values: Floats, kind: Ints, which: Flags, kinds: int) -> list[Distribution]:
    (rows,) = np.nonzero(which)
    return Distribution.of_each(values[rows], kind[rows], kinds)


def _step_times(table: AttemptTable, kind: Ints, kinds: int, timeout_s: float) -> dict[str, tuple[Floats, Ints]]:
    """By kind of login the time (s) that all together spent in each step, and how many took it; ``kinds`` is none."""
    found = {}
    of_all: Ints = np.bincount(kind, minlength=kinds + 1)
    for step, columns in table.steps.items():
        everyone = every_login(columns.row, len(table))
        of_step = kind if everyone else kind[columns.row]
        spent_s = np.bincount(of_step, np.minimum(columns.service_s, timeout_s), minlength=kinds + 1)
        taken = of_all if everyone else np.bincount(of_step, minlength=kinds + 1)
        found[step] = spent_s[:kinds].astype(np.float64), taken[:kinds]
    return found
