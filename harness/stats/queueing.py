"""What logins would take at rates that were not measured: a queue fitted to the rungs below saturation.

The model is one bottleneck of c equal servers with Poisson arrivals, and a fixed time for everything else. At a rate λ
below the saturation rate K, with ρ = λ/K (Sakasegawa, *An approximation formula L_q ≃ α·ρ^β/(1−ρ)*, Ann. Inst. Statist.
Math. 29 (1977), with Allen & Cunneen's factor for general service times):

    R(λ) = A + B · ρ^(√(2(c+1)) − 1) / (1 − ρ)

A is the login in an idle system and B = v/K, with v half the sum of the squared variations of arrivals and service. The
p95 is taken to follow the same curve with an A and a B of its own: near saturation waits are exponential (Kingman, *On
queues in heavy traffic*, JRSS B 24 (1962)), so that all their quantiles grow alike.

K is not fitted: it is the rate that the ladders showed the arm to sustain. In simulation a K that was fitted to rungs
of up to 85 % of the true one lay inside its own 95 % interval in about half of the runs, so that where the ladders
reached no saturation none is predicted.

Assumptions, beyond these: the mix of logins stays; load neither adds work nor sheds it (no retries, no scaling out, no
cache that fades); one resource is the limit. Where several are about as scarce, c and B stand for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from harness.model.attempt import Floats
from harness.model.capacity import Extrapolation, Prediction, Span

SERVERS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64])
FITTED_TO = 0.95
"""Of the saturation rate: nearer to it a block ends before its queue has settled."""
LARGEST_ERROR = 0.5
"""A relative residual (root mean square) above this is no fit; drift alone made 0.2 to 0.3 in simulation."""
PREDICTED_TO = 0.8
"""Of the saturation rate: in simulated worlds that drift, mean and p95 lay within 10 % of the truth up to here; at 90 %
the p95 was predicted at half of what it was."""
LEAST_RUNGS, LEAST_LADDERS = 6, 2
CURVE_POINTS = 60
REWEIGHTINGS = 5
SHORTEST_S = 1e-6


@dataclass(frozen=True, slots=True)
class Observed:
    """Sustained rungs, in columns of one length: ladder (0, 1, …), rate (logins a second), mean and p95 (s)."""

    ladder: Floats
    rate: Floats
    mean_s: Floats
    p95_s: Floats

    def where(self, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Observed:
        """Some of the rungs."""
        return Observed(self.ladder[kept], self.rate[kept], self.mean_s[kept], self.p95_s[kept])


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted queue; ``fixed`` and ``queue`` are A and B of mean and p95, in seconds; ``error`` is relative."""

    saturation: float
    servers: int
    fixed: tuple[float, float]
    queue: tuple[float, float]
    error: float

    def at(self, rate: float) -> tuple[float, float] | None:
        """Mean and p95 (s) at a rate; None from saturation on."""
        if rate >= self.saturation:
            return None
        q = float(waiting(np.array([rate / self.saturation]), np.array([self.servers]))[0, 0])
        return self.fixed[0] + self.queue[0] * q, self.fixed[1] + self.queue[1] * q


def waiting(load: Floats, servers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """ρ^(√(2(c+1)) − 1) / (1 − ρ), the mean wait in units of B: a row for each c, a column for each ρ."""
    found: Floats = load ** (np.sqrt(2.0 * (servers[:, None] + 1.0)) - 1.0) / (1.0 - load)
    return found


def fit(observed: Observed, saturation: float) -> Fit:
    """Least squares of the relative residuals of mean and p95 for the best c; A and B are never below 0."""
    q = waiting(observed.rate / saturation, SERVERS)
    parts = [_linear(q, y) for y in (observed.mean_s, observed.p95_s)]
    error = parts[0][2] + parts[1][2]
    best = int(np.argmin(error))
    return Fit(
        saturation=saturation,
        servers=int(SERVERS[best]),
        fixed=(float(parts[0][0][best]), float(parts[1][0][best])),
        queue=(float(parts[0][1][best]), float(parts[1][1][best])),
        error=math.sqrt(float(error[best]) / (2 * len(observed.rate))),
    )


def _linear(q: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """A, B and the squared relative error of y ≈ A + B·q for each row of q, with A and B at least 0.

    Residuals count relative to the model, not to y: what is slow by chance would otherwise count least, and the fit
    be too low.
    """
    a, b = np.full(len(q), float(y.mean())), np.zeros(len(q))
    for _ in range(REWEIGHTINGS):
        w = 1.0 / np.maximum(a[:, None] + b[:, None] * q, SHORTEST_S) ** 2
        s1, sq, sy = w.sum(axis=1), (w * q).sum(axis=1), (w * y).sum(axis=1)
        sqq, sqy = (w * q * q).sum(axis=1), (w * q * y).sum(axis=1)
        b = np.maximum((s1 * sqy - sq * sy) / np.maximum(s1 * sqq - sq**2, np.finfo(float).tiny), 0.0)
        b = np.where(sy < b * sq, sqy / np.maximum(sqq, np.finfo(float).tiny), b)
        a = np.maximum((sy - b * sq) / s1, 0.0)
    model = np.maximum(a[:, None] + b[:, None] * q, SHORTEST_S)
    return a, b, ((y / model - 1.0) ** 2).sum(axis=1)


def extrapolate(
    subject: str, observed: Observed, saturations: Sequence[Span], saturation: Span, peak: float | None, alpha: float
) -> Extrapolation:
    """What the rungs of one arm predict, or why they don't.

    ``saturations`` holds the rate that each ladder showed to be sustained and ``saturation`` that over all of them.
    Intervals leave out one ladder at a time (jackknife) and have a two-sided error of 2·``alpha``.
    """
    highest = float(observed.rate.max(initial=0.0))
    known = [span.estimate for span in saturations if span.estimate is not None]
    if len(known) < len(saturations) or saturation.estimate is None:
        return _refused(subject, highest, f"no saturation was shown up to {highest:.3g} logins/s")
    below = observed.where(observed.rate <= FITTED_TO * saturation.estimate)
    if len(below.rate) < LEAST_RUNGS or len(known) < LEAST_LADDERS:
        few = f"{len(below.rate)} rungs were sustained below saturation, {LEAST_RUNGS} are needed"
        return _refused(subject, highest, few)
    whole = fit(below, saturation.estimate)
    if whole.error > LARGEST_ERROR:
        return _refused(subject, highest, f"the model misses the measured times by {100 * whole.error:.0f} %")
    logs = np.log(known)
    others = [
        fit(below.where(below.ladder != ladder), math.exp(float(np.delete(logs, ladder).mean())))
        for ladder in range(len(known))
        if np.count_nonzero(below.ladder != ladder) > 1
    ]
    rates = np.linspace(0.0, 0.99 * saturation.estimate, CURVE_POINTS)
    return Extrapolation(
        subject=subject,
        highest=highest,
        refused="",
        saturation=saturation,
        servers=whole.servers,
        error=whole.error,
        fixed_s=whole.fixed[0],
        curve=tuple((float(rate), *times) for rate in rates if (times := whole.at(float(rate))) is not None),
        at_peak=None if peak is None else _predict(whole, others, peak, alpha),
    )


def _predict(whole: Fit, others: Sequence[Fit], rate: float, alpha: float) -> Prediction:
    here, there = whole.at(rate), [other.at(rate) for other in others]
    if here is None:
        return Prediction(rate, None, None)
    means, p95s = (
        _jackknife(here[place], [math.inf if times is None else times[place] for times in there], alpha)
        for place in (0, 1)
    )
    if rate > PREDICTED_TO * whole.saturation:
        means, p95s = (Span(None, span.low, math.inf) for span in (means, p95s))
    return Prediction(rate, means, p95s)


def _jackknife(whole: float, others: Sequence[float], alpha: float) -> Span:
    """The estimate with Student's interval in ln-units; open above where a ladder left out brings saturation."""
    n = len(others)
    if n < LEAST_LADDERS or not all(map(math.isfinite, others)):
        return Span(whole, min([whole, *others]), math.inf)
    logs = np.log(others)
    se = math.sqrt((n - 1) / n * float(((logs - logs.mean()) ** 2).sum()))
    width = math.exp(float(stdtrit(n - 1, 1.0 - alpha)) * se)
    return Span(whole, whole / width, whole * width)


def _refused(subject: str, highest: float, why: str) -> Extrapolation:
    return Extrapolation(subject, highest, why, None, None, None, None, (), None)
