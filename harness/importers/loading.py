"""Were the arms of another tool loaded soundly? What authgate asks of its own runs, as far as files show it.

1. Both arms got equally many logins, pair by pair (``stats.offered``).
2. Logins came by themselves. Where they wait for answers, slower servers are asked less: missing logins are then the
   servers' doing, and flatter them; more of them are no fault. Up to ``limits.imbalance`` of them may be missing
   untold, which is more than p99 and the share of slow logins can bear: those can block, and never pass.
3. No generator stalled: for ``1 − limits.executed_share`` of its time at most nothing was sent though it was due. Only
   where logins don't wait, since there servers can't silence a generator.
4. No clock was set back.

What can't be seen is not asked for: a file has no due times, and none of the generator's own figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from harness.importers.foreign import Foreign, Sent
from harness.model.comparison import Comparison, NotJudged
from harness.model.plan import NS
from harness.model.policy import Limits
from harness.model.target import ARMS, Arm
from harness.stats.arrivals import Silence, Waiting, set_back, silences, waiting
from harness.stats.offered import unlike
from harness.stats.validity import Unsound

COARSE = 0.5
"""Where a clock's resolution is more than this share of a usual login, what was under way can't be told."""
PAUSED_TOGETHER = 0.5
"""Arms that fall silent for this share of one's silence at one time were paused, and no generator stalled."""
_HIDDEN = ("p99", "slow_rate")


@dataclass(frozen=True, slots=True)
class Loading:
    """What keeps the arms' load from being sound, what a reader should know of it, and which arms wait for answers."""

    faults: tuple[Unsound, ...]
    notices: tuple[str, ...]
    waits: Mapping[Arm, Waiting]


def loading(foreign: Foreign, limits: Limits) -> Loading:
    """How the arms were loaded, by rules 1 to 4."""
    found = {arm: _waiting(sent) for arm, sent in zip(ARMS, foreign.sent, strict=True)}
    waits = {arm: how for arm, how in found.items() if how is not None and how.shown}
    faults = [*_unlike(foreign, limits, bool(waits)), *_stalls(foreign, limits, waits), *_clocks(foreign)]
    return Loading(tuple(faults), (*_unpaired(foreign), *_notices(waits)), waits)


def as_closed_loop(comparison: Comparison, waits: Mapping[Arm, Waiting]) -> Comparison:
    """The comparison without what a closed loop can't show to be well (rule 2)."""
    if not waits:
        return comparison
    hidden = [s for s in comparison.shifts if s.metric.statistic in _HIDDEN and not s.low > s.margin]
    reason = "logins wait for answers: a stall meets those under way, and not all that would have come meanwhile"
    return replace(
        comparison,
        shifts=tuple(shift for shift in comparison.shifts if shift not in hidden),
        not_judged=(*comparison.not_judged, *(NotJudged(shift.metric, reason) for shift in hidden)),
    )


def _waiting(sent: Sent) -> Waiting | None:
    arrivals = sent.arrivals
    if arrivals.resolution > COARSE * float(np.median(arrivals.elapsed)):
        return None
    return waiting(arrivals)


def _unpaired(foreign: Foreign) -> Iterator[str]:
    alone = foreign.table.arm[foreign.table.pair < 0]
    if len(alone):
        counts = " and ".join(f"{int((alone == code).sum()):,} of the {arm}" for code, arm in enumerate(ARMS))
        yield f"Logins of no pair, since the other arm has no block for theirs, are left out: {counts}."


def _notices(waits: Mapping[Arm, Waiting]) -> Iterator[str]:
    if waits:
        told = " and ".join(f"{how.elasticity:.1f} % on the {arm}" for arm, how in waits.items())
        yield (
            "A closed loop: logins begin when others have ended (where each takes 1 % longer, there are fewer by "
            f"{told}). What is judged is how so many users are served, and neither a rate of arrivals nor p99 and slow "
            "logins, which stalls reach beyond those under way."
        )


def _unlike(foreign: Foreign, limits: Limits, waits: bool) -> Iterator[Unsound]:
    table, pairs = foreign.table, len(foreign.pairs)
    mine = table.pair >= 0
    cell = table.pair[mine] * len(ARMS) + table.arm[mine]
    shape = (pairs, len(ARMS))
    logins = np.bincount(cell, minlength=pairs * len(ARMS)).reshape(shape)
    first, last = np.full(pairs * len(ARMS), np.inf), np.full(pairs * len(ARMS), -np.inf)
    np.minimum.at(first, cell, table.intended_s[mine])
    np.maximum.at(last, cell, table.intended_s[mine])
    exact_s = 2 * max(sent.arrivals.resolution for sent in foreign.sent) / NS if foreign.how != "at once" else math.inf
    found = unlike(logins, (last - first).reshape(shape), waits, limits.imbalance, exact_s)
    fewer = found is not None and found.candidate < found.baseline
    if found is None or (waits and not fewer):
        return
    why = ", as in a closed loop whose servers are slower" if waits else ""
    yield Unsound(
        f"the arms were not loaded alike: {found.baseline:,.5g} {found.what} on the baseline and "
        f"{found.candidate:,.5g} on the candidate{why}, which may differ by {100 * limits.imbalance:.3g} % and chance",
        spares_block=fewer,
    )


def _stalls(foreign: Foreign, limits: Limits, waits: Mapping[Arm, Waiting]) -> Iterator[Unsound]:
    silent = [() if arm in waits else silences(sent.arrivals) for arm, sent in zip(ARMS, foreign.sent, strict=True)]
    for code, arm in enumerate(ARMS):
        sent, arrivals = foreign.sent[code], foreign.sent[code].arrivals
        stalls = [
            silence
            for silence in silent[code]
            if silence.frozen
            or (foreign.how == "at once" and not _paused(silence, sent, silent[1 - code], foreign.sent[1 - code]))
        ]
        whole = int((arrivals.start[arrivals.gaps + 1] - arrivals.start[arrivals.gaps]).sum())
        lost = sum(silence.length for silence in stalls)
        allowed = 1 - limits.executed_share
        if stalls and lost > allowed * whole:
            longest = max(stalls, key=lambda silence: silence.length)
            yield Unsound(
                f"{arm}: no login began for {lost / NS:.3g} s in all, {100 * lost / whole:.2g} % of its time, "
                f"{100 * allowed:.3g} % allowed: its generator stalled, or its clock was set (for "
                f"{longest.length / NS:.3g} s from {_instant(sent, longest.after)}, "
                f"{sent.where(int(sent.row[longest.after]))})"
            )


def _paused(silence: Silence, sent: Sent, others: tuple[Silence, ...], other: Sent) -> bool:
    """Whether the other arm was silent with it."""
    begin = int(sent.arrivals.start[silence.after])
    shared = 0
    for theirs in others:
        their_begin = int(other.arrivals.start[theirs.after])
        shared += max(0, min(begin + silence.length, their_begin + theirs.length) - max(begin, their_begin))
    return shared > PAUSED_TOGETHER * silence.length


def _clocks(foreign: Foreign) -> Iterator[Unsound]:
    for arm, sent in zip(ARMS, foreign.sent, strict=True):
        order = np.argsort(sent.row)
        for place, back in set_back(sent.arrivals.start[order], sent.arrivals.elapsed[order]):
            yield Unsound(
                f"{arm}: the clock of its generator was set back by {back / NS:.3g} s before "
                f"{sent.where(int(sent.row[order[place]]))}"
            )


def _instant(sent: Sent, login: int) -> str:
    at_s = int(sent.arrivals.start[login]) / NS
    if sent.epoch_s is None:
        return f"{at_s:.1f} s"
    return f"{datetime.fromtimestamp(at_s - sent.epoch_s, UTC):%H:%M:%S} UTC"
