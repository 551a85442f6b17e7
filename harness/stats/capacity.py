"""The highest rate that an arm serves within its budget, from ladders of rising rates.

1. A rung is *sustained* when its p95 is within the budget, no more logins failed than the budget's share explains, and
   the queue did not grow: with a budget of seconds, a server 10 % too slow still answers within it for half a minute.
2. Each rung says something of the capacity at its moment: sustained, at least its rate; growing, what was served a
   second; too slow or failing, less than its rate. A ladder's capacity is the most likely one under a normal spread of
   ln capacity from rung to rung (Tobin, *Estimation of relationships for limited dependent variables*, Econometrica 26
   (1958)), so that every rung counts and not only the first that failed.
3. Where logins are too slow while the queue is steady, the budget is what limits, and what was served beyond it is
   no capacity: then a growing rung too says only "less than its rate", on both arms.
4. Where a ladder was sustained to its top, its capacity is at least that; a bound on the mean of such lower ends is a
   bound on the mean. The unit is the ladder, and intervals are Student's over ladders.

Related: RFC 2544 section 26.1 (throughput by trials of rising and falling rate), MLRsearch (IETF draft
draft-ietf-bmwg-mlrsearch: relevant bounds, several trials a load), SPECjbb2015 (max-jOPS and critical-jOPS on a
response-throughput ramp), Hyperfoil (a phase's maximum rate within an SLA).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import bdtr, log_ndtr, stdtrit

from harness.model.attempt import STATUSES, AttemptTable, Floats
from harness.model.capacity import ArmCapacity, Budget, CapacityShift, Comparison, Rung, Span, Times
from harness.model.comparison import Design
from harness.model.target import ARMS, Arm

LEAST_LOGINS = 10
"""Fewer logins on a rung than this are not read."""
GROWTH_LIMIT = 0.05
"""Seconds a second: what a server 5 % too slow lets its queue grow by. Less is lost in what a queue near its limit
wanders by in a block of 15 s; and it must be more than three standard errors."""
FAILING_P = 0.01
"""As many failures come by chance less often than this where the failure rate is just the allowed one."""
RUNG_SPREAD = 0.07
"""Of ln capacity from rung to rung, as simulated; halving or doubling it moves a ladder's capacity by some 1 %."""
LADDER_RESOLUTION = 0.01
"""Of ln capacity on one ladder: no two ladders that agree better than this are taken for exact."""
STEADY_BUT_SLOW_RUNGS = 2
"""So many rungs that were too slow without growing show that the budget is what limits; one may be a hiccup."""
_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


def rungs_of(
    table: AttemptTable, arm: Arm, rates: Sequence[float], design: Design, budget: Budget, faults: Mapping[int, str]
) -> tuple[Rung, ...]:
    """One arm's rungs of a run whose pair i was planned at ``rates[i]``, as many as ``rates``.

    ``faults`` says of pairs how the load generator was unsound; a rung that was not sustained despite it is unknown.
    """
    found = []
    mine = (table.arm == ARMS.index(arm)) & (table.status != _WITHHELD)
    for pair, rate in enumerate(rates):
        (rows,) = np.nonzero(mine & (table.pair == pair))
        found.append(_rung(table, rows, rate, design, budget, faults.get(pair, "")))
    return tuple(found)


def _rung(
    table: AttemptTable, rows: np.ndarray[tuple[int], np.dtype[np.intp]], rate: float, design: Design, budget: Budget,
    fault: str,
) -> Rung:  # fmt: skip
    offset, ok = table.offset_s[rows], table.status[rows] == _OK
    response = np.where(ok, table.response_s[rows], np.maximum(table.response_s[rows], design.timeout_s))
    late = offset >= design.trim_s
    n, seconds = int(late.sum()), design.block_s - design.trim_s
    if n < LEAST_LOGINS:
        nothing = Times(math.nan, math.nan)
        few = f"only {n} logins, {LEAST_LOGINS} are needed"
        return Rung(rate, n / seconds, 0.0, n, 0.0, 0.0, nothing, {}, "unknown", False, few)
    third = seconds / 3
    early, final = response[late & (offset < design.trim_s + third)], response[offset >= design.block_s - third]
    if not len(early) or not len(final):
        early = final = response[late]
    first = float(np.median(early))
    growth = (float(np.median(final)) - first) / (2 * third)
    noise = 3.0 * math.hypot(_median_se(early), _median_se(final)) / (2 * third)
    growing = growth > max(GROWTH_LIMIT, noise)
    # What is served counts from when the first logins come out again, so that a long way is not read as a slow one.
    since = max(design.trim_s, min(first, design.block_s - third))
    ends = (offset + response)[ok]
    served = float(np.count_nonzero((ends > since) & (ends <= design.block_s)) / (design.block_s - since))
    failures = int((late & ~ok).sum())
    login = Times(_mean(response[late & ok]), _p95(response[late]))
    whys = list(_whys(login.p95_s, failures, n, growth if growing else 0.0, budget))
    return Rung(
        rate=rate,
        offered=n / seconds,
        served=served,
        logins=n,
        failed=failures / n,
        growth=growth,
        login=login,
        steps=_step_times(table, rows[late & ok]),
        state="sustained" if not whys else "unknown" if fault else "failed",
        growing=growing,
        why="; ".join([*whys, *([fault] if fault and whys else [])]),
    )


def _whys(p95_s: float, failures: int, logins: int, growth: float, budget: Budget) -> Iterator[str]:
    if p95_s > budget.within_s:
        yield f"p95 {p95_s:.3g} s, {budget.within_s:g} s allowed"
    if 1.0 - float(bdtr(failures - 1, logins, budget.failure_rate)) < FAILING_P and failures:
        yield f"{failures} of {logins} logins failed, {budget.failure_rate:.2%} may"
    if growth > 0:
        yield f"response times grew by {growth:.2g} s a second"


def _step_times(table: AttemptTable, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> dict[str, Times]:
    counted = np.zeros(len(table), dtype=bool)
    counted[rows] = True
    times = {step: columns.service_s[counted[columns.row]] for step, columns in table.steps.items()}
    return {step: Times(_mean(values), _p95(values)) for step, values in times.items() if len(values) >= LEAST_LOGINS}


def _median_se(values: Floats) -> float:
    """That of a normal sample's median, with its spread taken from the quartiles."""
    low, high = np.quantile(values, [0.25, 0.75])
    return math.sqrt(math.pi / 2) * float(high - low) / 1.349 / math.sqrt(len(values))


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else math.nan


def _p95(values: Floats) -> float:
    return float(np.quantile(values, 0.95, method="median_unbiased"))


Seen = tuple[Literal["above", "at", "below"], float]
"""What a rung says of ln capacity at its moment: above, at or below a value."""


def ladder_capacity(rungs: Sequence[Rung], by_budget: bool) -> Span:
    """The capacity that one ladder shows, in logins a second; open where every known rung was sustained, or none."""
    seen = [_seen(rung, by_budget) for rung in rungs if rung.state != "unknown"]
    above, at, below = (np.array([value for kind, value in seen if kind == k]) for k in ("above", "at", "below"))
    if not len(above) + len(at):
        return Span(None, 0.0, float(np.exp(below.min())) if len(below) else math.inf)
    if not len(at) + len(below):
        return Span(None, float(np.exp(above.max())), math.inf)

    def unlikeliness(m: float) -> float:
        return float(
            (((at - m) / RUNG_SPREAD) ** 2).sum() / 2
            - log_ndtr((m - above) / RUNG_SPREAD).sum()
            - log_ndtr((below - m) / RUNG_SPREAD).sum()
        )

    values = np.concatenate([above, at, below])
    found = math.exp(minimize_scalar(unlikeliness, bounds=(values.min() - 1, values.max() + 1), method="bounded").x)
    # Above the last rung sustained, one that the generator spoiled may have been where the arm failed.
    sustained_to = float(np.exp(above.max())) if len(above) else 0.0
    spoiled = [rung for rung in rungs if rung.state == "unknown" and sustained_to < rung.rate < found]
    return Span(None, sustained_to, found) if spoiled else Span(found, found, found)


def _seen(rung: Rung, by_budget: bool) -> Seen:
    """By the rate that was sent, which chance puts a little off the planned one."""
    if rung.state == "sustained":
        return "above", math.log(rung.offered)
    if rung.growing and not by_budget and rung.served > 0:
        return "at", math.log(min(rung.served, rung.offered))
    return "below", math.log(rung.offered)


def limited_by_budget(rungs: Sequence[Sequence[Rung]]) -> bool:
    """Whether logins were too slow, or failed, on rungs whose queue was steady (rule 3)."""
    return (
        sum(rung.state == "failed" and not rung.growing for of_ladder in rungs for rung in of_ladder)
        >= STEADY_BUT_SLOW_RUNGS
    )


def compare_capacities(ladders: Sequence[Mapping[Arm, Sequence[Rung]]], margin: float, alpha: float) -> Comparison:
    """Capacities over ladders of both arms, each a run of its own, and their difference.

    ``margin`` is the share by which capacity may fall; ``alpha`` the one-sided error of each bound.
    """
    by_budget = any(limited_by_budget([ladder[arm] for ladder in ladders]) for arm in ARMS)
    arms = {arm: arm_capacity([ladder[arm] for ladder in ladders], by_budget, alpha) for arm in ARMS}
    changes = tuple(
        (_ln(after.low) - _ln(before.high), _ln(after.high) - _ln(before.low))
        for before, after in zip(arms["baseline"].ladders, arms["candidate"].ladders, strict=True)
    )
    known = [low for low, high in changes if low == high]
    return Comparison(
        arms,
        CapacityShift(
            ladders=changes,
            estimate=float(np.mean(known)) if len(known) == len(changes) > 0 else None,
            low=_bound([low for low, _ in changes], alpha, "low"),
            high=_bound([high for _, high in changes], alpha, "high"),
            margin=math.log1p(-margin),
        ),
        by_budget,
    )


def arm_capacity(ladders: Sequence[Sequence[Rung]], by_budget: bool, alpha: float) -> ArmCapacity:
    """One arm's capacity on each ladder and over them; not ``by_budget`` it is the rate that the arm can sustain."""
    spans = tuple(ladder_capacity(rungs, by_budget) for rungs in ladders)
    low = _bound([_ln(span.low) for span in spans], alpha, "low")
    if spans and all(math.isinf(span.high) for span in spans):
        low = min(_ln(span.low) for span in spans)  # observed, not estimated: every ladder was sustained that far
    high = _bound([_ln(span.high) for span in spans], alpha, "high")
    known = [span.estimate for span in spans if span.estimate is not None]
    estimate = math.exp(float(np.mean(np.log(known)))) if len(known) == len(spans) > 0 else None
    return ArmCapacity(spans, Span(estimate, math.exp(low), math.exp(high)))


def _ln(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _bound(values: Sequence[float], alpha: float, side: str) -> float:
    """Student's bound below or above the mean of the values; infinite where one is, or with fewer than two."""
    sign = -1.0 if side == "low" else 1.0
    n = len(values)
    if n < 2 or not all(map(math.isfinite, values)):
        return sign * math.inf
    se = max(float(np.std(values, ddof=1)), LADDER_RESOLUTION) / math.sqrt(n)
    return float(np.mean(values)) + sign * float(stdtrit(n - 1, 1.0 - alpha)) * se
