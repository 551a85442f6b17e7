"""From attempts to what reports show of them; pieces of a run add up to the whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Floats, Ints
from harness.model.comparison import Design
from harness.model.shown import NOTHING, BlockSeries, Distribution, Kept, Shown
from harness.model.target import ARMS, Arm
from harness.stats.cells import Flags

_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


def shown(table: AttemptTable, design: Design, discard_pairs: int = 0) -> Shown:
    """What is shown of a table of attempts whose first ``discard_pairs`` pairs are not judged."""
    sent = (table.status != _WITHHELD) & (table.offset_s >= design.trim_s)
    discarded = (table.pair >= 0) & (table.pair < discard_pairs)
    kept = sent & (table.pair >= discard_pairs)
    block_s = table.intended_s - table.offset_s
    done = table.status == _OK
    response_s = np.where(done, table.response_s, design.timeout_s)
    found: dict[tuple[Arm, str], Kept] = {}
    tried: dict[Arm, tuple[int, int]] = {}
    failures: dict[Arm, tuple[Floats, Floats]] = {}
    failed_steps: Counter[tuple[Arm, str]] = Counter()
    for code, arm in enumerate(ARMS):
        mine = table.arm == code
        failed = table.status[mine & kept] != _OK
        tried[arm] = len(failed), int(np.count_nonzero(failed))
        rows, starts_s, ends = _by_block(table, mine & sent & (table.pair >= 0), block_s)
        failures[arm] = starts_s / 60, _shares(table.status[rows] != _OK, ends)
        for number, cohort in enumerate(table.cohorts):
            of_cohort = mine & (table.cohort == number)
            rows, starts_s, ends = _by_block(table, of_cohort & sent & (table.pair >= 0), block_s)
            times_s = response_s[rows]
            parts = [times_s[begin:end] for begin, end in pairwise((0, *ends.tolist()))]
            quantiles = np.array([np.quantile(part, [0.5, 0.95]) for part in parts]).reshape(-1, 2)
            counts = of_cohort & kept
            done_s = Distribution.of(response_s[counts & done])
            failed_ones = int(np.count_nonzero(counts & ~done))
            own = None if table.generator is None else table.generator.own[counts] / 1e9
            found[arm, cohort] = Kept(
                Distribution.joined([done_s, NOTHING.with_more(design.timeout_s, failed_ones)]),
                done_s.with_more(math.inf, failed_ones),
                Distribution.of(response_s[counts] + own if own is not None else np.zeros(0)),
                BlockSeries(starts_s / 60, quantiles[:, 0], quantiles[:, 1]),
                dict(_step_times(table, counts, design.timeout_s)),
            )
        for step, columns in table.steps.items():
            broken = int(np.count_nonzero(mine[columns.row[columns.status != _OK]]))
            failed_steps[arm, step] += broken
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


def _by_block(table: AttemptTable, mask: Flags, block_s: Floats) -> tuple[Ints, Floats, Ints]:
    """The rows of a mask block by block, when each block began (s), and where each ends among the rows."""
    (rows,) = np.nonzero(mask)
    block = table.block[rows]
    if not (block[1:] >= block[:-1]).all():
        order = np.argsort(block, kind="stable")
        rows, block = rows[order], block[order]
    ends = np.append(np.flatnonzero(block[1:] != block[:-1]) + 1, len(block))[: None if len(block) else 0]
    starts = np.append(0, ends[:-1]) if len(ends) else ends
    return rows, block_s[rows[starts]], ends


def _shares(flags: Flags, ends: Ints) -> Floats:
    """The share of flagged rows in each block."""
    upto = np.append(0, np.cumsum(flags))[np.append(0, ends)]
    shares: Floats = np.diff(upto) / np.diff(np.append(0, ends))
    return shares


def _step_times(table: AttemptTable, counts: Flags, timeout_s: float) -> Iterator[tuple[str, tuple[float, int]]]:
    for step, columns in table.steps.items():
        mine = counts[columns.row]
        if taken := int(np.count_nonzero(mine)):
            yield step, (float(np.minimum(columns.service_s, timeout_s).sum(where=mine)), taken)
