"""Do logins get slower, or fail more, with the age of one arm? Slopes over hours, robust to drift of minutes.

1. The series has one value a block: ln p50, ln p95, a rate. Its errors are autocorrelated, since surroundings drift.
2. The slope's noise is measured at the slope's own time scale. Behind the straight line the series is projected on
   orthogonal polynomials of degrees 2 … K + 1. Where drift is short against the soak they hold nothing but noise, of
   the same variance as the slope's whatever the autocorrelation, and their mean square gives a t on K degrees of
   freedom: an orthonormal series variance estimator (Y. Sun, *A heteroskedasticity and autocorrelation robust F test
   using an orthonormal series variance estimator*, Econometrics Journal 16 (2013)). Least squares on blocks would take
   a drift of a minute for evidence (tests/benchmarks/soak.py measures both).
3. A cold start that fades is an exponential in addition to the line of a latency. It is removed where it is shown,
   reported, and never judged. Only time constants up to an eighth of the soak are tried: what fades more slowly can't
   be distinguished from growth by this soak.
4. One judgement, at the end, with an error for each of the four statistics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.model.attempt import STATUSES, AttemptTable, Flags, Floats, Ints
from harness.model.comparison import Design, Fade
from harness.model.metric import LARGEST_LOG, QUANTILES, Statistic
from harness.model.policy import Policy
from harness.model.soak import Growth, Soak, SoakBlocks, StepGrowth
from harness.model.target import Arm
from harness.stats.logins import censored
from harness.stats.settled import SETTLING_PAIRS, needed_in_block, slow_after_s
from harness.stats.shift import POWER, RESOLUTION_S

STATISTICS: tuple[Statistic, ...] = ("p50", "p95", "failure_rate", "slow_rate")
FREEDOM = 12
"""Polynomials that measure the noise. More would reach drift of shorter times, which is smaller; fewer cost power."""
LEAST_BLOCKS = 12
FADES = 6
"""Time constants that are tried, from a block's length to an eighth of the soak, evenly in logs."""
FADE_P = 0.05
MINUTES_AN_HOUR = 60
_OK, _WITHHELD = STATUSES.index("ok"), STATUSES.index("withheld")


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A regressor's coefficient, fitted with those before it.

    ``se`` has ``freedom`` degrees of freedom and is robust to autocorrelation.
    """

    value: float
    se: float
    freedom: int

    @property
    def p_value(self) -> float:
        """One-sided, of a coefficient of zero or below."""
        return float(stdtr(self.freedom, -self.value / self.se))


def soak_of(table: AttemptTable, arm: Arm, design: Design, policy: Policy, blocks: Sequence[int]) -> Soak:
    """The trends of one arm over ``blocks``, those that ran to their end; a soak sends one cohort alone."""
    known = np.array(sorted(set(blocks)), dtype=np.int64)
    counts = np.isin(table.block, known) & (table.status != _WITHHELD) & (table.cohort == 0)
    (rows,) = np.nonzero(counts)
    place = np.searchsorted(known, table.block[rows])
    failed = table.status[rows] != _OK
    times_s = censored(table.response_s[rows], failed, design.timeout_s)
    early = times_s[place < SETTLING_PAIRS]
    usual_s = np.array(np.median(early) if len(early) else np.nan)
    slow = failed | (times_s > slow_after_s(usual_s, policy, design.timeout_s))
    series = _series(times_s, slow, failed, place, len(known), design)
    reasons = {statistic: _why_not(statistic, series, design) for statistic in STATISTICS}
    fade = None if reasons["p50"] else _fade(series)
    return Soak(
        arm=arm,
        minutes=len(known) * design.block_s / 60,
        blocks=series,
        growths=tuple(_growth(name, series, fade, policy) for name, reason in reasons.items() if not reason),
        not_judged=tuple((name, reason) for name, reason in reasons.items() if reason),
        fade=fade,
        steps=tuple(_step_growths(table, rows, place, series, design)),
        failed_share=float(failed.mean()) if len(rows) else 0.0,
        cohort=table.cohorts[0],
    )


def coefficient(values: Floats, minute: Floats, regressors: Sequence[Floats], least_sd: float = 0.0) -> Coefficient:
    """The last regressor's coefficient in a series (rule 2); a single value has a standard deviation of at least
    ``least_sd``."""
    freedom = min(FREEDOM, (len(values) - 2) // 3)
    unit = 2.0 * (minute - minute[0]) / (minute[-1] - minute[0]) - 1.0
    noise_only = np.polynomial.legendre.legvander(unit, freedom + 1)[:, 2:]
    basis, triangle = np.linalg.qr(np.column_stack([*regressors, noise_only]))
    found = basis.T @ values
    last = len(regressors) - 1
    noise = math.sqrt(max(float((found[last + 1 :] ** 2).mean()), least_sd**2))
    scale = float(triangle[last, last])
    return Coefficient(float(found[last]) / scale, noise / abs(scale), freedom)


def _series(times_s: Floats, slow: Flags, failed: Flags, place: Ints, count: int, design: Design) -> SoakBlocks:
    logins = np.bincount(place, minlength=count)
    ordered = np.split(times_s[np.lexsort((times_s, place))], np.cumsum(logins))[:count]
    # The nearly unbiased quantile of samples.Cells.
    quantiles = np.array(
        [np.quantile(t, [0.5, 0.95], method="median_unbiased") if len(t) else [np.nan, np.nan] for t in ordered]
    ).reshape(-1, 2)

    def share(flags: Flags) -> Floats:
        found: Floats = np.bincount(place, weights=flags, minlength=count) / np.where(logins > 0, logins, np.nan)
        return found

    return SoakBlocks(
        minute=(np.arange(count) + 0.5) * design.block_s / 60,
        p50=quantiles[:, 0],
        p95=quantiles[:, 1],
        failure_rate=share(failed),
        slow_rate=share(slow),
        logins=logins,
    )


def _why_not(statistic: Statistic, series: SoakBlocks, design: Design) -> str:
    """Why a statistic can't be judged, in words; empty where it can."""
    held = int(np.count_nonzero(series.logins))
    if held < LEAST_BLOCKS:
        return f"{held} whole blocks with logins, {LEAST_BLOCKS} are needed"
    if statistic in QUANTILES:
        needed, usual = needed_in_block(QUANTILES[statistic]), float(np.median(series.logins))
        if usual < needed:
            return f"too few logins: a block holds {usual:.0f}, {statistic} needs {needed}"
        if np.nanmedian(series.of(statistic)) >= design.timeout_s:
            return f"{statistic} is the time-out of {design.timeout_s:g} s: no growth could be seen"
    return ""


def _held(statistic: Statistic, series: SoakBlocks) -> tuple[Floats, Floats]:
    """The series as it is tested, and its minutes; blocks without a login are left out."""
    held = series.logins > 0
    values = series.of(statistic)[held]
    return np.log(values) if statistic in QUANTILES else values, series.minute[held]


def _fade(series: SoakBlocks) -> Fade | None:
    """The exponential that fits ln p50 best besides a straight line, if it is shown: Bonferroni over those tried."""
    values, minute = _held("p50", series)
    line = [np.ones(len(minute)), minute]

    def rest(minutes: float) -> float:
        columns = np.column_stack([*line, np.exp(-minute / minutes)])
        return float(((values - columns @ np.linalg.lstsq(columns, values, rcond=None)[0]) ** 2).sum())

    tried = np.geomspace(minute[1] - minute[0], (minute[-1] - minute[0]) / 8, FADES).tolist()
    minutes = min(tried, key=rest)
    found = coefficient(values, minute, [*line, np.exp(-minute / minutes)], _least_sd("p50", series))
    p_value = min(2 * FADES * min(found.p_value, 1.0 - found.p_value), 1.0)
    return Fade(found.value, minutes, p_value) if p_value < FADE_P else None


def _least_sd(statistic: Statistic, series: SoakBlocks) -> float:
    """The least standard deviation of a block's value: of the generator's clock, or of independent logins.

    For rates one event more and one less than was seen, as in ``shift.binomial_se``: no failure in few logins proves
    little.
    """
    if statistic in QUANTILES:
        return RESOLUTION_S / float(np.nanmedian(series.of(statistic))) / math.sqrt(12)
    count = float(series.logins.sum())
    share = (float(np.nansum(series.of(statistic) * series.logins)) + 1.0) / (count + 2.0)
    return math.sqrt(share * (1.0 - share) / max(float(np.median(series.logins)), 1.0))


def _growth(statistic: Statistic, series: SoakBlocks, fade: Fade | None, policy: Policy) -> Growth:
    values, minute = _held(statistic, series)
    others = [np.ones(len(minute))]
    if fade is not None and statistic in QUANTILES:
        curve = np.exp(-minute / fade.minutes)
        others += [curve, minute * curve]  # the second makes room for another time constant, which is not known either
    slope = coefficient(values, minute, [*others, minute], _least_sd(statistic, series))
    start = float(np.linalg.lstsq(np.column_stack([*others, minute]), values, rcond=None)[0][0])
    ends = start, start + slope.value * float(minute[0] + minute[-1])
    down, up, certain = (float(stdtrit(slope.freedom, p)) for p in (1 - policy.leak.block_p, 1 - policy.alpha, POWER))
    margin = _margin(statistic, policy)
    return Growth(
        statistic=statistic,
        start=_level(statistic, ends[0]),
        end=_level(statistic, ends[1]),
        slope=slope.value,
        low=slope.value - down * slope.se,
        high=slope.value + up * slope.se,
        margin=margin,
        detectable=max(margin, down * slope.se) + certain * slope.se,
        p_value=slope.p_value,
    )


def _level(statistic: Statistic, value: float) -> float:
    return math.exp(min(value, LARGEST_LOG)) if statistic in QUANTILES else min(max(value, 0.0), 1.0)


def _margin(statistic: Statistic, policy: Policy) -> float:
    """What may be added in a minute, in the unit of the series."""
    if statistic in QUANTILES:
        return math.log1p(policy.soak.growth_per_minute)
    margins = policy.margins
    return (margins.failure_rate if statistic == "failure_rate" else margins.slow_rate) / MINUTES_AN_HOUR


def _step_growths(
    table: AttemptTable, rows: Ints, place: Ints, series: SoakBlocks, design: Design
) -> Iterator[StepGrowth]:
    """The straight line through each step's mean time by block; a step that a login did not reach took no time."""
    held = series.logins > 0
    if np.count_nonzero(held) < LEAST_BLOCKS:
        return
    place_of = np.full(len(table), -1, dtype=np.int64)
    place_of[rows] = place
    for step, columns in table.steps.items():
        counts = place_of[columns.row] >= 0
        took_s = censored(columns.service_s[counts], columns.status[counts] != _OK, design.timeout_s)
        total = np.bincount(place_of[columns.row[counts]], weights=took_s, minlength=len(held))
        slope, start = np.polyfit(series.minute[held], total[held] / series.logins[held], 1)
        end = start + slope * len(held) * design.block_s / 60
        yield StepGrowth(step, max(float(start), 0.0), max(float(end), 0.0))
