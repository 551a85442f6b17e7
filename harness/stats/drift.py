"""How far logins have drifted over several updates, each measured beside the one before it.

A site's level moves from month to month for reasons that are no update's. So levels of different months are never
compared: each run measured two releases side by side, and their changes add up along the row of releases. The bounds of
a sum of independent estimates lie from it by the root of the sum of squares of their own distances (Zou & Donner,
*Construction of confidence limits about effect measures*, Stat. Med. 27, 2008). Those are bounds that hold at whatever
look a run ended (harness/stats/shift.py), and so do these.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.comparison import QuantileShift
from harness.model.metric import Metric


@dataclass(frozen=True, slots=True)
class Link:
    """One run of two releases: what it showed of each metric. ``run_id`` says which run, by its folder's name."""

    before: str
    after: str
    run_id: str
    shifts: Mapping[Metric, QuantileShift]


@dataclass(frozen=True, slots=True)
class Sum:
    """A metric's change over all links, in ln-units: its estimate and bounds; ``first_s`` is the pinned release's
    level as it was measured then, ``last_s`` what it would be now, in seconds, had nothing else changed."""

    metric: Metric
    estimate: float
    low: float
    high: float
    first_s: float

    @property
    def last_s(self) -> float:
        """The pinned level with all changes on it."""
        return self.first_s * math.exp(self.estimate)


def row_of(links: Sequence[Link], pinned: str, candidate: str) -> tuple[Link, ...] | None:
    """The shortest row of links from the pinned release to the candidate; None where the runs don't connect them.

    Of several runs of the same two releases the last of ``links`` is taken.
    """
    last = {(link.before, link.after): link for link in links}
    rows: dict[str, tuple[Link, ...]] = {pinned: ()}
    ahead = deque([pinned])
    while ahead and candidate not in rows:
        here = ahead.popleft()
        for (before, after), link in last.items():
            if before == here and after not in rows:
                rows[after] = (*rows[here], link)
                ahead.append(after)
    return rows.get(candidate)


def sums(row: Sequence[Link]) -> list[Sum]:
    """The change of each latency that every link has judged."""
    shared = [metric for metric in row[0].shifts if all(metric in link.shifts for link in row)]
    return [_sum(metric, [link.shifts[metric] for link in row]) for metric in shared if metric.unit == "log_ratio"]


def _sum(metric: Metric, shifts: Sequence[QuantileShift]) -> Sum:
    estimate = sum(shift.estimate for shift in shifts)
    down = math.hypot(*(shift.estimate - shift.low for shift in shifts))
    up = math.hypot(*(shift.high - shift.estimate for shift in shifts))
    return Sum(metric, estimate, estimate - down, estimate + up, shifts[0].baseline)
