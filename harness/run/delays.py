"""What the load generator itself may have added to a login, pair by pair: from attempts, and from its health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.model.attempt import Floats, Ints
from harness.model.health import NS_PER_MS, Delay
from harness.model.metric import QUANTILES, Statistic
from harness.record.schema import SEAT_WAIT_FROM_NS

LATE, OWN, QUEUED = "sending logins late", "its own work on logins", "waiting for a processor"
"""What it did meanwhile, as a sentence about it goes on."""


def delays_of(logins: Any, seconds: Any, spans: Sequence[tuple[int, int]], pairs: range) -> tuple[Delay, ...]:
    """The delays of one arm's logins in these pairs; ``spans`` has the start and end (ns) of the arm's block in each.

    Of each login how late it was sent, which is charged to it, and how long the generator worked on it or was late to
    read, which is not but by its error. Of each block how long the event loop was ready to run and had no processor,
    by login. A resource that is not known of every pair is left out.
    """
    if not len(logins) or not len(pairs):
        return ()
    pair = logins["pair"].to_numpy()
    started, intended = logins["started"].to_numpy(), logins["intended"].to_numpy()
    at_once = logins["seat_wait"].to_numpy() < SEAT_WAIT_FROM_NS
    late = _by_pair((started - intended)[at_once] / NS_PER_MS, pair[at_once], pairs)
    own = _by_pair(logins["own"].to_numpy() / NS_PER_MS, pair, pairs)
    queued = _queued(seconds, spans, np.bincount(pair - pairs.start, minlength=len(pairs)), pairs)
    found = ((LATE, late), (OWN, own), (QUEUED, queued))
    return tuple(Delay(resource, by_pair) for resource, by_pair in found if by_pair is not None)


def _by_pair(values_ms: Floats, pair: Ints, pairs: range) -> Mapping[Statistic, tuple[float, ...]] | None:
    """Each quantile of the values in each pair; None where a pair has none."""
    order = np.argsort(pair, kind="stable")
    ends = np.searchsorted(pair[order], [*pairs, pairs.stop])
    parts = [values_ms[order[begin:end]] for begin, end in pairwise(ends)]
    if not all(len(part) for part in parts):
        return None
    found = np.array([np.quantile(part, list(QUANTILES.values())) for part in parts])
    return {name: tuple(map(float, column)) for name, column in zip(QUANTILES, found.T, strict=True)}


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
