"""What the load generator itself may have added to a login, pair by pair: from attempts, and from its health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from harness.model.attempt import Floats, GeneratorColumns, Ints
from harness.model.health import NS_PER_MS, Delay
from harness.model.metric import QUANTILES, Statistic
from harness.record.schema import SEAT_WAIT_FROM_NS

LATE, OWN, QUEUED = "sending logins late", "its own work on logins", "waiting for a processor"
"""What it did meanwhile, as a sentence about it goes on."""


@dataclass(frozen=True, slots=True)
class DelayedPairs:
    """Of one arm's logins in some pairs: how many each pair has, and the quantiles (ms, a row a pair) of how late they
    were sent, which is charged to them, and of how long the generator worked on them or was late to read, which is not
    but by its error. A resource that is not known of every pair is None."""

    counts: Ints
    late_ms: Floats | None
    own_ms: Floats | None

    @classmethod
    def of(cls, generator: GeneratorColumns, rows: Ints, pair: Ints, pairs: range) -> DelayedPairs:
        """From the rows of an arm's logins, each of which is of one of the pairs."""
        counts = np.bincount(pair - pairs.start, minlength=len(pairs))
        at_once = generator.seat_wait[rows] < SEAT_WAIT_FROM_NS
        late_ms = _by_pair(generator.lag[rows][at_once], pair[at_once], pairs)
        return cls(counts, late_ms, _by_pair(generator.own[rows], pair, pairs))


def delays_of(
    parts: Sequence[DelayedPairs], seconds: Any, spans: Sequence[tuple[int, int]], pairs: range
) -> tuple[Delay, ...]:
    """The delays of one arm's logins in these pairs; ``spans`` has the start and end (ns) of the arm's block in each.

    Beside what is known of each login there is, of each block, how long the event loop was ready to run and had no
    processor, by login. A resource that is not known of every pair is left out.
    """
    counts = np.concatenate([np.zeros(0, np.int64), *(part.counts for part in parts)])
    if not counts.any():
        return ()
    found = {}
    for resource, tables in ((LATE, [part.late_ms for part in parts]), (OWN, [part.own_ms for part in parts])):
        known = [table for table in tables if table is not None]
        if len(known) == len(tables):
            whole = np.concatenate(known)
            found[resource] = {name: tuple(map(float, column)) for name, column in zip(QUANTILES, whole.T, strict=True)}
    if (queued := _queued(seconds, spans, counts, pairs)) is not None:
        found[QUEUED] = dict(queued)
    return tuple(Delay(resource, by_pair) for resource, by_pair in found.items())


def _by_pair(times_ns: Ints, pair: Ints, pairs: range) -> Floats | None:
    """Each quantile (ms) of the times (ns) in each pair; None where a pair has none."""
    place = pair - pairs.start
    ends = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(pairs)))])
    if (place[1:] < place[:-1]).any():
        few_bits = place.astype(np.min_scalar_type(len(pairs)))  # which are sorted by radix
        times_ns = times_ns[np.argsort(few_bits, kind="stable")]
    parts = [times_ns[begin:end] for begin, end in pairwise(ends.tolist())]
    if not all(len(part) for part in parts):
        return None
    return np.array([_quantiles_ms(part) for part in parts]).reshape(-1, len(QUANTILES))


def _quantiles_ms(times_ns: Ints) -> Floats:
    """What ``np.quantile`` gives of the same times in ms (type 7): whole numbers are selected in half of the time."""
    last = len(times_ns) - 1
    at = last * np.array(list(QUANTILES.values()))
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, last)
    ordered = np.partition(times_ns, np.concatenate([below, above]))
    low, high = ordered[below] / NS_PER_MS, ordered[above] / NS_PER_MS
    share, apart = at - below, high - low
    found: Floats = np.where(share < 0.5, low + apart * share, high - apart * (1 - share))
    return found


def _queued(
    seconds: Any, spans: Sequence[tuple[int, int]], counts: Ints, pairs: range
) -> Mapping[Statistic, tuple[float, ...]] | None:
    """The wait for a processor of each block, by login, at whatever quantile: nothing says which login bore it.

    That of several workers adds up, as their logins do.
    """
    told = seconds.filter(seconds["run_queue_ms"].is_valid())
    t, waited, worker = (told[name].to_numpy() for name in ("t", "run_queue_ms", "worker"))
    by_pair = []
    for place, count in enumerate(counts):
        start, end = spans[pairs[place]]
        inside = (t > start) & (t <= end)
        if not inside.any() or not count:
            return None
        # A row tells of the time since the row before it, so that block and rows differ by a second at both ends.
        each = sum(float(waited[inside & (worker == one)].mean()) for one in np.unique(worker[inside]))
        by_pair.append(each * (end - start) / 1e9 / int(count))
    return dict.fromkeys(QUANTILES, tuple(by_pair))
