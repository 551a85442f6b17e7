"""The same runs judged as other tools would: once, at the end, on all that was measured.

They get the logins that this judge gets (trimmed, without the first pair and those above the peak), a failed login at
its own duration, as those tools record it. Each answers whether it blocks.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import mannwhitneyu, norm

from harness.model.attempt import AttemptTable, Flags, Floats
from harness.stats.logins import of_stage
from tests.benchmarks.operating_characteristics.world import Layout

RIVALS = {
    "mann-whitney": "Mann–Whitney over requests, one-sided p < 0.05",
    "kayenta": "Kayenta's Mann–Whitney rule on block p95",
    "fixed p95": "fixed threshold: candidate's p95 above 1.2 × nominal (as k6's thresholds)",
    "mean 20 %": "averages differ by more than 20 % (as Login Enterprise)",
    "p95 15 %": "p95 of the runs differ by more than 15 % (as locomotive)",
    "bootstrap": "95 % i.i.d. bootstrap interval of the p95 ratio over requests above 1",
}
KAYENTA_CONFIDENCE, KAYENTA_FRACTION = 0.98, 0.25
"""NetflixACAJudge classifies a metric as High where the confidence interval of the location shift lies above this
fraction of the shift's own Hodges–Lehmann estimate."""
RESAMPLES = 2000


def rival_blocks(table: AttemptTable, layout: Layout, nominal_p95_s: float, seed: tuple[int, ...]) -> dict[str, bool]:
    """What each rival says of a whole run."""
    usable = of_stage(range(1, layout.pairs), layout.design, "expected")
    counts = (table.offset_s >= layout.design.trim_s) & np.isin(table.pair, usable)
    before, after = (np.sort(table.response_s[counts & (table.arm == arm)]) for arm in (0, 1))
    p95_before, p95_after = (float(np.quantile(x, 0.95)) for x in (before, after))
    return {
        "mann-whitney": bool(mannwhitneyu(after, before, alternative="greater", method="asymptotic").pvalue < 0.05),
        "kayenta": kayenta_is_high(block_p95(table, counts, 1), block_p95(table, counts, 0)),
        "fixed p95": p95_after > 1.2 * nominal_p95_s,
        "mean 20 %": bool(after.mean() > 1.2 * before.mean()),
        "p95 15 %": p95_after > 1.15 * p95_before,
        "bootstrap": bootstrap_low(before, after, 0.95, seed) > 1.0,
    }


def block_p95(table: AttemptTable, counts: Flags, arm: int) -> Floats:
    """The p95 of each of an arm's blocks: the time series that a canary judge would be fed."""
    mine = counts & (table.arm == arm)
    pair, response = table.pair[mine], table.response_s[mine]
    return np.array([np.quantile(part, 0.95) for part in np.split(response, np.flatnonzero(np.diff(pair)) + 1)])


def kayenta_is_high(canary: Floats, control: Floats) -> bool:
    """Whether Kayenta's classifier would call the canary High; its interval by the normal approximation."""
    shifts = np.sort((canary[:, None] - control[None, :]).ravel())
    m, n = len(canary), len(control)
    z = float(norm.ppf(0.5 + KAYENTA_CONFIDENCE / 2))
    rank = max(round(m * n / 2 - z * math.sqrt(m * n * (m + n + 1) / 12)), 1)
    return bool(shifts[rank - 1] > KAYENTA_FRACTION * abs(float(np.median(shifts))))


def bootstrap_low(before: Floats, after: Floats, q: float, seed: tuple[int, ...]) -> float:
    """The lower end of the 95 % percentile interval of the ratio of quantiles; both samples ascending.

    The k-th of n values drawn with replacement is the value of rank n·U, U being Beta(k, n + 1 − k): an exact draw.
    """
    rng = np.random.default_rng((*seed, 95))
    drawn = []
    for ordered in (before, after):
        n = len(ordered)
        k = math.ceil(q * n)
        drawn.append(ordered[(n * rng.beta(k, n + 1 - k, RESAMPLES)).astype(np.int64)])
    return float(np.quantile(drawn[1] / drawn[0], 0.025))
