"""How far logins have drifted over several updates, each measured beside the one before it.

A site's level moves from month to month for reasons that are no update's. So levels of different months are never
compared: each run measured two releases side by side, and their changes add up along the row of releases.

The runs are over when they are added up, so that the sum is judged once and its bounds need not hold at every look, as
a run's own do: Student's t, with the degrees of freedom of a sum of estimates (Satterthwaite, *An approximate
distribution of estimates of variance components*, Biometrics Bull. 2, 1946). That a run ends at its first PASS makes
its estimate too small rather than too large; one that ended at a BLOCK, and was deployed all the same, keeps the wide
bounds of its own. What two deployments of the same bits differ by is part of each run's. How often the sum errs:
``tests/benchmarks/history.md``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

from harness.model.comparison import QuantileShift
from harness.model.metric import Metric
from harness.model.site import UNCALIBRATED, Site


@dataclass(frozen=True, slots=True)
class Link:
    """One run of two releases: what it showed of each metric. ``run_id`` says which run, by its folder's name."""

    before: str
    after: str
    run_id: str
    shifts: Mapping[Metric, QuantileShift]
    site: Site = UNCALIBRATED


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


def sums(row: Sequence[Link], metrics: Sequence[Metric], alpha: float) -> list[Sum]:
    """The change of each of these latencies that every link has judged; all lower bounds together err with ``alpha``,
    and so does each upper one."""
    shared = [metric for metric in metrics if all(metric in link.shifts for link in row)]
    return [_sum(metric, row, alpha / len(shared), alpha) for metric in shared]


def _sum(metric: Metric, row: Sequence[Link], alpha_low: float, alpha_high: float) -> Sum:
    shifts = [link.shifts[metric] for link in row]
    estimate = sum(shift.estimate for shift in shifts)
    down, up = (_reach(metric, row, alpha) for alpha in (alpha_low, alpha_high))
    return Sum(metric, estimate, estimate - down, estimate + up, shifts[0].baseline)


def _reach(metric: Metric, row: Sequence[Link], alpha: float) -> float:
    """How far the sum's bound lies from it."""
    variances, freedoms = [], []
    for link in row:
        shift, spread = link.shifts[metric], link.site.spread(metric, interleaved=True)
        freedom = max(shift.pairs - 1, 1)
        variance = shift.se**2
        if shift.low > shift.margin:
            variance = max(variance, ((shift.estimate - shift.low) / float(stdtrit(freedom, 1 - alpha))) ** 2)
        variances += [variance, spread.sd**2]
        freedoms += [freedom, spread.freedom]
    whole = sum(variances)
    if not math.isfinite(whole):
        return math.inf
    together = whole**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True) if v)
    return float(stdtrit(together, 1 - alpha)) * math.sqrt(whole)
