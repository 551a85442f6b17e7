"""Which of the runs in a file counts: JMeter appends to a result file that is there already."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from harness.errors import ConfigError
from harness.importers.logins import OneArm
from harness.importers.turns import Cut, cut
from harness.model.attempt import Ints
from harness.model.plan import NS

APART_S = 600.0
"""Logins further apart than this are of two runs, unless the other arm was loaded meanwhile."""
SHARE = 0.1
"""The last run counts that has this share of the greatest one's logins at least: a row or two are no run."""
BLOCKS_AT_MOST = 100_000


def runs_that_count(arms: tuple[OneArm, OneArm], block_s: float) -> tuple[tuple[OneArm, OneArm], Cut, tuple[str, ...]]:
    """Each arm's logins of the run that counts, how both were loaded, and what was left out; raises ConfigError."""
    (baseline, before), (candidate, after) = (_last_run(arms[code], arms[1 - code]) for code in (0, 1))
    found = _cut(baseline, candidate, block_s)
    told = (*before, *after)
    if found.how == "one after the other":
        # What the other arm did meanwhile is then no turn of one measurement.
        (baseline, before), (candidate, after) = (_last_run(arm, None) for arm in (baseline, candidate))
        if before or after:
            told = (*told, *before, *after)
            found = _cut(baseline, candidate, block_s)
    return (baseline, candidate), found, told


def _cut(baseline: OneArm, candidate: OneArm, block_s: float) -> Cut:
    begin_ns = min(int(arm.start_ns[0]) for arm in (baseline, candidate))
    for arm in (baseline, candidate):
        if (blocks := (int(arm.start_ns[-1]) - int(arm.start_ns[0])) / NS / block_s) > BLOCKS_AT_MOST:
            first, last = (f"line {arm.line_of(int(arm.row[at]))} ({_day(int(arm.start_ns[at]))})" for at in (0, -1))
            raise ConfigError(
                f"{arm.path}: expected at most {BLOCKS_AT_MOST:,} blocks of {block_s:g} s, got {blocks:,.0f} from "
                f"{first} to {last}: take out rows of other times, or set --block-s"
            )
    return cut((baseline.start_ns - begin_ns) / NS, (candidate.start_ns - begin_ns) / NS, block_s)


def _last_run(arm: OneArm, other: OneArm | None) -> tuple[OneArm, tuple[str, ...]]:
    """The arm's last run worth the name, and what is said of the others."""
    gaps = np.diff(arm.start_ns)
    apart = gaps > APART_S * NS
    if other is not None:
        begun: Ints = np.searchsorted(other.start_ns, arm.start_ns)
        apart &= np.diff(begun) == 0
    (ends,) = np.nonzero(apart)
    if not len(ends):
        return arm, ()
    bounds = np.concatenate([[0], ends + 1, [len(arm.start_ns)]])
    counts = np.diff(bounds)
    taken = int(np.flatnonzero(counts >= SHARE * counts.max())[-1])
    first, end = int(bounds[taken]), int(bounds[taken + 1])
    gap = f"{_long(int(gaps[ends].max()) / NS)} apart" + (" at most" if len(ends) > 1 else "")
    which = "the last" if taken == len(counts) - 1 else f"that of line {arm.line_of(int(arm.row[first]))} and on"
    return arm.part(first, end), (
        f"{arm.path}: {len(counts)} runs in the file, {gap}: {which} was taken, begun {_day(int(arm.start_ns[first]))} "
        f"UTC, with {end - first:,} of {len(arm.start_ns):,} logins.",
    )


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / NS, UTC):%Y-%m-%d %H:%M:%S}"


def _long(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"
