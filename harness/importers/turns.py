"""When two files were measured, and so which of their blocks are pairs.

1. In turns: each arm paused while the other was loaded. Blocks are cut within a turn, and where neighbouring blocks
   are then not of both arms (a turn lasted many blocks), the turn itself is the block.
2. At once: both arms were loaded over the same stretch of time. A block of it is a pair.
3. Otherwise one after the other: the k-th block of one is paired with the k-th of the other, and that can't support a
   PASS, since whatever changed meanwhile is in the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.importers.foreign import How
from harness.model.attempt import Floats, Ints

Turns = list[tuple[float, float]]
_PAUSE = 10
"""A pause is this many times as long as the usual time between logins (by chance in 1 of 1,000 Poisson gaps)."""
_TOUCH = 0.1
"""Turns of both arms may overlap by this share of the shorter arm's load: clocks and last logins are not sharp."""
_TOGETHER = 0.5
"""Arms ran at once where they share at least this share of the shorter one's time."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Each arm's logins by block, for starts in ascending order.

    ``start_s`` (s from the run's origin), ``block`` and ``pair`` (−1 for none) are of the arm's logins; ``offset_s``
    is counted from the block's start; ``pairs`` is how many there are.
    """

    start_s: tuple[Floats, Floats]
    offset_s: tuple[Floats, Floats]
    block: tuple[Ints, Ints]
    pair: tuple[Ints, Ints]
    pairs: int
    block_s: float
    how: How


def cut(before_s: Floats, after_s: Floats, block_s: float) -> Cut:
    """Cut both arms' logins, given by their ascending starts (s on one clock), into blocks and pairs."""
    origin = min(before_s[0], after_s[0])
    starts = (before_s - origin, after_s - origin)
    turns = tuple(_turns(mine, other, block_s) for mine, other in (starts, starts[::-1]))
    overlap = sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in turns[0] for b in turns[1])
    shorter = min(sum(end - begin for begin, end in mine) for mine in turns)
    if overlap <= _TOUCH * shorter and min(map(len, turns)) > 1:
        for length_s in (block_s, None):
            found = _k_th(starts, turns, length_s, "in turns")
            if _neighbours(found):
                return found
    begin, end = max(mine[0] for mine in starts), min(mine[-1] for mine in starts)
    if end > begin and end - begin >= _TOGETHER * min(float(np.ptp(mine)) for mine in starts):
        return _at_once(starts, float(begin), float(end), block_s)
    # Days may lie between stored files; what matters of their times is what happened within each.
    later = starts[1] - starts[1][0] + starts[0][-1] - starts[0][0]
    apart = (starts[0] - starts[0][0], later)
    turns = tuple([(float(mine[0]), float(mine[-1]))] for mine in apart)
    return _k_th(apart, turns, block_s, "one after the other")


def _turns(mine: Floats, other: Floats, block_s: float) -> Turns:
    """The first and last start of each stretch of load, cut where the arm paused and the other did not."""
    gaps = np.diff(mine)
    if not len(gaps):
        return [(float(mine[0]), float(mine[0]))]
    paused = gaps > max(block_s / 2, _PAUSE * float(np.median(gaps)))
    paused &= np.searchsorted(other, mine[1:], side="left") > np.searchsorted(other, mine[:-1], side="right")
    (ends,) = np.nonzero(paused)
    begins = np.concatenate([[0], ends + 1])
    ends = np.concatenate([ends, [len(mine) - 1]])
    return [(float(mine[b]), float(mine[e])) for b, e in zip(begins, ends, strict=True)]


def _pieces(turn: tuple[float, float], block_s: float | None) -> list[float]:
    """Where the blocks of a turn begin; what is left of less than half a block belongs to the last."""
    count = 1 if block_s is None else max(1, round((turn[1] - turn[0]) / block_s))
    return [turn[0] + piece * (block_s or 0.0) for piece in range(count)]


def _k_th(starts: tuple[Floats, Floats], turns: tuple[Turns, ...], block_s: float | None, how: How) -> Cut:
    """The k-th block of one arm paired with the k-th of the other; without ``block_s`` a turn is a block."""
    begins = [np.array([at for turn in mine for at in _pieces(turn, block_s)]) for mine in turns]
    place = [np.searchsorted(b, s, side="right") - 1 for b, s in zip(begins, starts, strict=True)]
    held = [np.unique(mine) for mine in place]  # a pause leaves blocks empty
    begins = [b[h] for b, h in zip(begins, held, strict=True)]
    place = [np.searchsorted(h, mine) for h, mine in zip(held, place, strict=True)]
    order = np.argsort(np.concatenate(begins), kind="stable")
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    numbers = (number[: len(begins[0])], number[len(begins[0]) :])
    pairs = min(map(len, begins))
    if block_s is None:
        block_s = float(np.median([end - begin for mine in turns for begin, end in mine]))
    return Cut(
        start_s=starts,
        offset_s=(starts[0] - begins[0][place[0]], starts[1] - begins[1][place[1]]),
        block=(numbers[0][place[0]], numbers[1][place[1]]),
        pair=(np.where(place[0] < pairs, place[0], -1), np.where(place[1] < pairs, place[1], -1)),
        pairs=pairs,
        block_s=block_s,
        how=how,
    )


def _neighbours(found: Cut) -> bool:
    """Whether the two blocks of every pair follow on each other, but for blocks without a pair."""
    block, pair = np.concatenate(found.block), np.concatenate(found.pair)
    _, first = np.unique(block[pair >= 0], return_index=True)
    return bool((pair[pair >= 0][first] == np.repeat(np.arange(found.pairs), 2)).all())


def _at_once(starts: tuple[Floats, Floats], begin: float, end: float, block_s: float) -> Cut:
    count = len(_pieces((begin, end), block_s))
    # What one arm did alone, before and after, is block 0 and block count + 1, and of no pair.
    block = [np.clip((s - begin) // block_s, -1, count - 1).astype(np.int64) + 1 for s in starts]
    for mine, s in zip(block, starts, strict=True):
        mine[s > end] = count + 1
    held = [np.bincount(mine, minlength=count + 2) > 0 for mine in block]
    both = held[0] & held[1]
    both[[0, -1]] = False
    pair_of = np.where(both, np.cumsum(both) - 1, -1)
    block_begin = np.concatenate([[0.0], begin + np.arange(count) * block_s, [end]])
    return Cut(
        start_s=starts,
        offset_s=(starts[0] - block_begin[block[0]], starts[1] - block_begin[block[1]]),
        block=(block[0], block[1]),
        pair=(pair_of[block[0]], pair_of[block[1]]),
        pairs=int(both.sum()),
        block_s=block_s,
        how="at once",
    )
