"""Two arms compared, metric by metric: the one entrance from attempts to what the gate judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.model.attempt import AttemptTable, Floats
from harness.model.comparison import QUANTILES, Comparison, Design
from harness.model.policy import Policy
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS
from harness.stats.attribution import attribution
from harness.stats.bounds import critical_value
from harness.stats.leak import leak_test
from harness.stats.samples import Cells, Logins, logins_of, needed_in_block, samples_of
from harness.stats.shift import RESOLUTION_S, boundings, shift_of

_BASELINE, _CANDIDATE = 0, 1


def compare(
    table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int], site: Site = UNCALIBRATED
) -> Comparison:
    """Compare the arms over ``pairs``, those in which both blocks ran to their end.

    Takes about a fifth of a second for a million logins. Metrics that the policy has no margin for are left out.
    """
    logins = logins_of(table, design, policy, pairs)
    samples, not_judged = samples_of(table, logins, design, policy)
    bounds = boundings([sample.metric for sample in samples], design, policy, site)
    low_s, high_s = candidate_p95_s(logins, policy, design.horizon_pairs - policy.discard_pairs)
    age_s = block_starts(table, logins) + design.block_s
    return Comparison(
        design=design,
        pairs=len(logins.pairs),
        load_s=len(ARMS) * design.block_s * len(set(pairs)),
        candidate_age_s=float(np.max(age_s, where=~np.isnan(age_s), initial=0.0)),
        shifts=tuple(shift_of(s, b, policy.margins) for s, b in zip(samples, bounds, strict=True)),
        leak=leak_test(Cells.of(logins.response_s, logins.used, logins.shape), (age_s - design.block_s / 2) / 60),
        attribution=attribution(table, logins, design.timeout_s),
        not_judged=not_judged,
        outage_blocks=outages(logins, policy),
        candidate_p95_s=low_s,
        candidate_p95_high_s=high_s,
        site=site,
    )


def block_starts(table: AttemptTable, logins: Logins) -> Floats:
    """When each pair's candidate block began, in seconds from the run's origin; NaN where it holds no login."""
    mine = table.arm[logins.rows] == _CANDIDATE
    pair = logins.used[mine] // len(ARMS) % max(len(logins.pairs), 1)
    starts = np.full(len(logins.pairs), np.nan)
    starts[pair] = (table.intended_s - table.offset_s)[logins.rows[mine]]
    return starts


def outages(logins: Logins, policy: Policy) -> tuple[int, ...]:
    """The pairs in which the candidate's block failed as in an outage while the baseline's served."""
    failed, _ = logins.shares(logins.failed)
    down = failed[:, _CANDIDATE] > policy.budgets.outage_share
    served = failed[:, _BASELINE] <= policy.limits.baseline_failures
    return tuple(pair for pair, out in zip(logins.pairs, down & served, strict=True) if out)


def candidate_p95_s(logins: Logins, policy: Policy, horizon: int) -> tuple[float, float]:
    """Lower and upper bound of the candidate's p95 over cold and warm logins, in seconds; 0 and infinite if unknown.

    Repeated bounds on the mean of ln(block p95), so that a single bad block can't lift it, at the policy's alpha.
    """
    shape = (1, len(logins.pairs), len(ARMS))
    cells = Cells.of(logins.response_s, logins.used % max(math.prod(shape), 1), shape)
    counts = cells.counts[0, :, _CANDIDATE]
    held = counts > 0
    pairs = int(np.count_nonzero(held))
    if pairs < 2 or np.median(counts) < needed_in_block(QUANTILES["p95"]):
        return 0.0, math.inf
    logs = np.log(cells.quantile(QUANTILES["p95"])[0, held, _CANDIDATE])
    center = float(logs.mean())
    se = max(float(logs.std(ddof=1)), RESOLUTION_S / math.exp(center) / math.sqrt(12)) / math.sqrt(pairs)
    horizon = max(horizon, pairs)
    down, up = (
        critical_value(policy.alpha, pairs, first, horizon) * se
        for first in (policy.looks.block_from, policy.looks.pass_from)
    )
    return math.exp(center - down), math.exp(min(center + up, 700.0)) if math.isfinite(up) else math.inf
