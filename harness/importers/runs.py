"""Which of the runs in a file counts: JMeter appends to a result file that is there already."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from harness.errors import ConfigError
from harness.importers.logins import OneArm
from harness.importers.turns import Cut, cut
from harness.model.attempt import Flags, Ints
from harness.model.plan import NS

APART_S = 600.0
"""Where neither arm has a login for longer than this, one session ends and another begins."""
SHARE = 0.1
"""A session counts that has this share of the greatest one's logins at least: a row or two are no run."""
BLOCKS_AT_MOST = 100_000


def runs_that_count(arms: tuple[OneArm, OneArm], block_s: float) -> tuple[tuple[OneArm, OneArm], Cut, tuple[str, ...]]:
    """Each arm's logins of the run that counts, how both were loaded, and what was left out; raises ConfigError.

    1. Of sessions in which both arms were loaded the last one counts.
    2. Where there is none such, arms that took turns did so with long pauses, and all of them count.
    3. Otherwise the last session of each arm counts.
    """
    sessions = _sessions(arms)
    most = int(max(mine.max() for mine in sessions)) + 1
    counts = np.stack([np.bincount(mine, minlength=most) for mine in sessions])
    both = np.flatnonzero((counts >= SHARE * counts[:, counts.all(axis=0)].max(axis=1, initial=1)[:, None]).all(axis=0))
    kept = counts >= SHARE * counts.max(axis=1)[:, None]
    if not len(both) and _in_turns(kept):
        return arms, _cut(*arms, block_s), ()
    last = (both[-1], both[-1]) if len(both) else (np.flatnonzero(kept[0])[-1], np.flatnonzero(kept[1])[-1])
    baseline, before = _session(arms[0], sessions[0], int(last[0]))
    candidate, after = _session(arms[1], sessions[1], int(last[1]))
    return (baseline, candidate), _cut(baseline, candidate, block_s), (*before, *after)


def _in_turns(kept: Flags) -> bool:
    """Whether sessions of one arm each are, two by two, of both: ``kept`` (arms, sessions) says which count."""
    turns = np.flatnonzero(kept.any(axis=0))
    pairs = turns[: len(turns) // 2 * 2].reshape(-1, 2)
    one_each = (kept[:, pairs].sum(axis=2) == 1).all()
    return len(pairs) > 1 and bool(one_each)


def _sessions(arms: tuple[OneArm, OneArm]) -> tuple[Ints, Ints]:
    """The number of the session that each login is of, by arm."""
    starts = np.sort(np.concatenate([arm.start_ns for arm in arms]))
    begins = starts[1:][np.diff(starts) > APART_S * NS]
    baseline, candidate = (np.searchsorted(begins, arm.start_ns, side="right").astype(np.int64) for arm in arms)
    return baseline, candidate


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


def _session(arm: OneArm, sessions: Ints, taken: int) -> tuple[OneArm, tuple[str, ...]]:
    """The arm's logins of one session, and what is said of the others."""
    (mine,) = np.nonzero(sessions == taken)
    if len(mine) == len(sessions):
        return arm, ()
    first, end = int(mine[0]), int(mine[-1]) + 1
    gaps = np.diff(arm.start_ns)[np.diff(sessions) > 0]
    apart = f"{_long(int(gaps.max()) / NS)} apart" + (" at most" if len(gaps) > 1 else "")
    which = "the last" if end == len(sessions) else f"that of line {arm.line_of(int(arm.row[first]))} and on"
    return arm.part(first, end), (
        f"{arm.path}: {len(gaps) + 1} runs in the file, {apart}: {which} was taken, begun "
        f"{_day(int(arm.start_ns[first]))} UTC, with {end - first:,} of {len(sessions):,} logins.",
    )


def _day(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns / NS, UTC):%Y-%m-%d %H:%M:%S}"


def _long(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"
