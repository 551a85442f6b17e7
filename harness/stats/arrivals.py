"""How the logins of one arm came, from their starts and times alone: the generator that sent them is not known.

Each rule says how often it errs where logins came by themselves and no generator stalled, as counted on simulated
arrivals (``tests/unit/stats/test_arrivals.py`` counts again).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Flags, Floats, Ints

STRATUM, STRATA_AT_MOST, LEAST_GAPS = 128, 128, 256
"""Gaps that are compared with each other lie close together in time, so that a change of the rate is no wait."""
LEAST_GROUPS = 8
OVERLAPS = 0.01
"""A thread does one thing after the other; where more logins than this don't, it is none."""
WAITS_SD = 3.3
"""One-sided p < 0.0005."""
WAITS_FROM = 0.1
"""Arrivals wait where logins that take 1 % longer bring at least 0.1 % fewer of them: a permitted slowdown of 10 % then
takes 1 % of the load off, half of what arms may differ by."""
NEIGHBOURS = 25
"""On either side of a gap: so many tell how fast logins came there."""
LEAST_NEIGHBOURS = 10
SILENCE_P = 0.001
FROZEN_SHARE = 0.9
"""A login was under way throughout a silence where it had begun before and lasted over so much of it."""
WINDOW = 15
"""Logins on either side of a step of the clock; what is set back by less than they take is not seen."""
JITTER_NS = 100_000_000
"""So much later than its end a row may be written, among many threads."""
STEPS_AT_MOST = 3
"""A clock that is set more often is several clocks: files of several machines, one after the other."""
OUT_OF_ORDER = 0.02
"""Where more of the rows end before the one above them, the file was sorted by something else."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whether logins begin only when others have ended.

    ``shown``: they do, beyond doubt, and it matters; ``elasticity``: by how many percent fewer of them come where each
    takes 1 % longer.
    """

    shown: bool
    elasticity: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """One arm's logins in order of their start, in whole units of a clock that is exact to ``resolution``.

    ``follows[i]`` says that from login i to the next nothing else was done; ``thread`` numbers the tool's threads, None
    where they are not known.
    """

    start: Ints
    elapsed: Ints
    follows: Flags
    resolution: int
    thread: Ints | None = None

    @property
    def gaps(self) -> Ints:
        """The logins that another one follows."""
        return np.flatnonzero(self.follows[: len(self.start) - 1])

    def under_way(self, at: Ints) -> Ints:
        """How many logins have begun and not ended just before each instant."""
        ends = np.sort(self.start + self.elapsed) - self.resolution
        return np.searchsorted(self.start, at, "left") - np.searchsorted(ends, at, "right")


def waiting(arrivals: Arrivals) -> Waiting | None:
    """Whether the logins of an arm wait for answers; None where too few follow each other to tell."""
    if len(arrivals.gaps) < LEAST_GAPS:
        return None
    return _of_threads(arrivals) or _of_gaps(arrivals)


def _of_gaps(arrivals: Arrivals) -> Waiting:
    """From the gaps between starts alone.

    What comes by itself, however regularly or in crowds, comes no sooner for a login having ended: given how long ago
    the last one began, the number under way says nothing of when the next begins. In a closed loop the next comes the
    later the more are under way. That is a Cox model of the gaps with the logins under way as its covariate (D. R. Cox,
    *Regression models and life-tables*, J. R. Stat. Soc. B 34, 1972), in strata of neighbouring gaps; a login does not
    count among those under way where it is itself the arrival that is compared. The score test errs in at most 1
    of 1,000 arms whose arrivals don't wait. Users who each keep a pace of their own repeat one pattern, which it can't
    tell from waiting: for them it errs in 2 of 5, where their threads are not known.
    """
    start, gaps = arrivals.start, arrivals.gaps
    strata = gaps[: len(gaps) // STRATUM * STRATUM].reshape(-1, STRATUM)
    if len(strata) > STRATA_AT_MOST:
        strata = strata[np.linspace(0, len(strata) - 1, STRATA_AT_MOST).astype(np.int64)]
    begin, arrived = start[strata], start[strata + 1]
    gap = arrived - begin
    # Of each stratum a square: in row i what was under way in every gap, as long after its begin as gap i ended.
    at = begin[:, None, :] + gap[:, :, None]
    ended = arrived + arrivals.elapsed[strata + 1] - arrivals.resolution
    itself = (at > arrived[:, :, None]) & (at < ended[:, :, None])
    under_way = (arrivals.under_way(at) - itself).astype(np.float64)
    at_risk = gap[:, None, :] >= gap[:, :, None]
    count = at_risk.sum(axis=2)
    mean = (under_way * at_risk).sum(axis=2) / count
    variance = float((((under_way - mean[:, :, None]) ** 2 * at_risk).sum(axis=2) / count).sum())
    if variance <= 0:
        return Waiting(False, 0.0)
    score = float((np.einsum("sii->si", under_way) - mean).sum())
    usual = float(arrivals.elapsed[gaps].sum()) / float((start[gaps + 1] - start[gaps]).sum())
    slope = max(-score / variance, 0.0) * usual
    elasticity = slope / (1 + slope)
    return Waiting(score < -WAITS_SD * math.sqrt(variance) and elasticity > WAITS_FROM, elasticity)


def _of_threads(arrivals: Arrivals) -> Waiting | None:
    """From what each thread does after a login; None where threads tell nothing.

    A thread that keeps a pace begins again as long after its last begin, however long the login took. One of a pool
    that serves arrivals is needed again the sooner, the more of the others are under way: its rest shrinks by the time
    of an arrival for each of them. In a closed loop the rest is the same whatever the others do. Both slopes are shown
    to lie on their side of one half, each with p < 0.0005: none of 200 simulated pools was taken for a closed loop.
    """
    thread = arrivals.thread
    if thread is None:
        return None
    turn = np.concatenate([[0], np.cumsum(~arrivals.follows[: len(arrivals.start) - 1])])
    order = np.lexsort((arrivals.start, thread))
    first, second = order[:-1], order[1:]
    here = (thread[first] == thread[second]) & (turn[first] == turn[second])
    first, second = first[here], second[here]
    if len(first) < LEAST_GAPS:
        return None
    taken = arrivals.elapsed[first].astype(np.float64)
    between = (arrivals.start[second] - arrivals.start[first]).astype(np.float64)
    if (between < taken - arrivals.resolution).mean() > OVERLAPS:  # threads of several machines that go by one name
        return None
    lane = np.unique(thread[first], return_inverse=True)[1]
    early = arrivals.start[first] < np.median(arrivals.start[first])
    pace = _slope(taken, between, 2 * lane + early)
    if pace is not None and pace[0] + WAITS_SD * pace[1] < 0.5:
        return Waiting(False, 0.0)
    ended = arrivals.start[first] + arrivals.elapsed[first]
    place = np.argsort(ended, kind="stable")
    each = float(np.ptp(arrivals.start)) / len(arrivals.start)
    stratum = np.arange(len(first)) // STRATUM
    rest = _slope(arrivals.under_way(ended[place]).astype(np.float64), (between - taken)[place] / each, stratum)
    if rest is None or rest[0] - WAITS_SD * rest[1] < -0.5 < rest[0] + WAITS_SD * rest[1]:
        return None
    elasticity = float(taken.sum() / between.sum())
    return Waiting(rest[0] > -0.5 and elasticity > WAITS_FROM, elasticity)


def _slope(x: Floats, y: Floats, group: Ints) -> tuple[float, float] | None:
    """The slope of y on x within groups by least squares, and its standard error; None where x does not vary.

    Neighbours share what happened to them, so that the error is the one of groups, each taken as one (Liang & Zeger,
    *Longitudinal data analysis using generalized linear models*, Biometrika 73, 1986).
    """
    group = np.unique(group, return_inverse=True)[1]
    own = np.bincount(group)
    x, y = (values - (np.bincount(group, weights=values) / own)[group] for values in (x, y))
    squares = float((x**2).sum())
    if len(own) < LEAST_GROUPS or squares <= 0:
        return None
    slope = float((x * y).sum()) / squares
    scores = np.bincount(group, weights=x * (y - slope * x))
    return slope, math.sqrt(float((scores**2).sum()) * len(own) / (len(own) - 1)) / squares


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch without the start of a login, from the login ``after`` on, ``length`` long in the clock's units.

    ``frozen``: a login was under way all along, so that whatever held up the next starts may have held it too.
    """

    after: int
    length: int
    frozen: bool


def silences(arrivals: Arrivals) -> tuple[Silence, ...]:
    """Stretches without a start that are too long for arrivals of the rate around them.

    The 25 gaps on either side tell the rate: in Poisson arrivals a gap as long comes with
    p = (1 + gap / sum of the others)^(−others). A silence is one with p < 0.001 of there being any in the arm, counted
    in 1 to 2 of 1,000. Starts that are more regular have fewer; where crowds come and go, long gaps have long ones as
    their neighbours. The clock's resolution is taken off each gap.
    """
    gaps, start = arrivals.gaps, arrivals.start
    gap = (start[gaps + 1] - start[gaps]).astype(np.float64)
    length = np.maximum(gap - 2 * arrivals.resolution, 0)
    if len(length) <= LEAST_NEIGHBOURS:
        return ()
    summed = np.concatenate([[0.0], np.cumsum(gap)])
    place = np.arange(len(length))
    first, end = np.maximum(place - NEIGHBOURS, 0), np.minimum(place + NEIGHBOURS + 1, len(length))
    others = end - first - 1
    rest = np.maximum(summed[end] - summed[first] - gap, others * max(arrivals.resolution, 1))
    silent = others * np.log1p(length / rest) > math.log(len(length) / SILENCE_P)
    silent &= others >= LEAST_NEIGHBOURS
    latest = np.maximum.accumulate(start + arrivals.elapsed)
    return tuple(
        Silence(
            after=int(gap),
            length=int(start[gap + 1] - start[gap]),
            frozen=bool(latest[gap] >= start[gap] + FROZEN_SHARE * (start[gap + 1] - start[gap])),
        )
        for gap in gaps[silent].tolist()
    )


def set_back(start: Ints, elapsed: Ints) -> tuple[tuple[int, int], ...]:
    """Where the clock was set back, as the place of a row and by how much; rows (ns) as they stand in the file.

    A tool writes a row when it ends. Where from one row on both starts and ends lie before those of the rows above it,
    by more than the rows around take, the clock was set. It is not told of files that are not in order, nor taken for a
    step where a file goes back by half of the time it spans, as files of several machines do, one after the other.
    """
    end = start + elapsed
    falls = np.flatnonzero(np.diff(end) < -JITTER_NS) + 1
    if len(falls) > OUT_OF_ORDER * len(end):
        return ()
    found: list[tuple[int, int]] = []
    for row in falls[(falls >= WINDOW) & (falls <= len(end) - WINDOW)]:
        back = min(_fall(start, int(row)), _fall(end, int(row)))
        apart = not found or row - found[-1][0] >= WINDOW
        if apart and JITTER_NS < back < np.ptp(end[:row]) / 2:
            found.append((int(row), int(end[row - 1] - end[row])))
    return tuple(found) if len(found) <= STEPS_AT_MOST else ()


def _fall(times: Ints, row: int) -> int:
    return int(np.median(times[row - WINDOW : row]) - np.median(times[row : row + WINDOW]))
