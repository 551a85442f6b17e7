"""The numbers behind figures and overviews, drawn from a run's attempts.

A login that did not succeed counts as one that took the time-out, as it does in the verdict. Left out is what the
verdict leaves out: logins within a block's trim, those withheld, and all of the policy's discarded first pairs, which
only what is shown block by block has too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.attempt import STATUSES, Floats
from harness.model.comparison import StepShare
from harness.model.evidence import Evidence
from harness.model.target import ARMS, Arm

POINTS_AT_MOST = 2000


@dataclass(frozen=True, slots=True)
class BlockSeries:
    """One arm's blocks in order of time: when each began (minutes), p50 and p95 of its response times (s)."""

    start_min: Floats
    p50: Floats
    p95: Floats


def cohorts_seen(evidence: Evidence) -> tuple[str, ...]:
    """The cohorts that the run has any measured login of."""
    return tuple(
        cohort for cohort in evidence.table.cohorts if any(_measured(evidence, arm, cohort).any() for arm in ARMS)
    )


def login_seconds(evidence: Evidence, arm: Arm, cohort: str) -> Floats:
    """Response times (s) of one arm's logins of a cohort."""
    return _censored(evidence)[_measured(evidence, arm, cohort)]


def done_seconds(evidence: Evidence, arm: Arm, cohort: str) -> Floats:
    """Response times (s) of one arm's logins of a cohort, infinite for those that failed: nobody was ever logged in."""
    mask = _measured(evidence, arm, cohort)
    return np.where(evidence.table.status[mask] == 0, evidence.table.response_s[mask], np.inf)


def failed_share(evidence: Evidence, arm: Arm) -> float | None:
    """The share of one arm's logins that did not succeed; None where there was no login."""
    status = evidence.table.status[_measured(evidence, arm)]
    return float((status != 0).mean()) if len(status) else None


def thinned(values: Floats) -> tuple[Floats, Floats]:
    """Sorted values and the share of values at or below each: 2,000 points at most, densest in the slow tail."""
    ordered = np.sort(values)
    count = len(ordered)
    if count <= POINTS_AT_MOST:
        ranks = np.arange(count)
    else:
        even = np.linspace(0, count - 1, POINTS_AT_MOST // 2)
        tail = count - np.geomspace(1, count, POINTS_AT_MOST // 2)
        ranks = np.unique(np.concatenate([even, tail]).round().astype(np.int64))
    return ordered[ranks], (ranks + 1) / max(count, 1)


def blocks(evidence: Evidence, arm: Arm, cohort: str) -> BlockSeries:
    """Quantiles of every block of one arm's logins of a cohort."""
    mask = _measured(evidence, arm, cohort, discarded_too=True)
    response = _censored(evidence)[mask]
    starts, parts = _by_block(evidence, mask)
    quantiles = np.array([np.quantile(response[part], [0.5, 0.95]) for part in parts]).reshape(-1, 2)
    return BlockSeries(starts, quantiles[:, 0], quantiles[:, 1])


def block_failures(evidence: Evidence, arm: Arm) -> tuple[Floats, Floats]:
    """When each block of one arm began (minutes), and the share of its logins that did not succeed."""
    mask = _measured(evidence, arm, discarded_too=True)
    failed = evidence.table.status[mask] != 0
    starts, parts = _by_block(evidence, mask)
    return starts, np.array([failed[part].mean() for part in parts], dtype=np.float64)


def discarded_until_min(evidence: Evidence) -> float:
    """When the last of the policy's discarded pairs was over, in minutes; 0 where none was."""
    table = evidence.table
    discarded = (table.pair >= 0) & (table.pair < discarded_pairs(evidence))
    starts_s = (table.intended_s - table.offset_s)[discarded]
    return (float(starts_s.max()) + evidence.design.block_s) / 60 if len(starts_s) else 0.0


def discarded_pairs(evidence: Evidence) -> int:
    """How many first pairs the policy discards."""
    return evidence.policy.discard_pairs if evidence.policy else 0


def step_means(evidence: Evidence, cohort: str) -> tuple[StepShare, ...]:
    """Mean service time of each step on both arms, in the order of the login.

    These are the comparison's own means where it has them, so that page and verdict agree; else those of all measured
    logins. A step that an arm never reached has NaN there.
    """
    judged = evidence.comparison.attribution if evidence.comparison else ()
    of_cohort = [part for part in judged if part.cohort == cohort]
    if of_cohort:
        order = {step: place for place, step in enumerate(evidence.step_order)}
        return tuple(sorted(of_cohort, key=lambda part: order.get(part.step, len(order))))
    masks = {arm: _measured(evidence, arm, cohort) for arm in ARMS}
    parts = []
    for step in evidence.step_order:
        columns = evidence.table.steps.get(step)
        if columns is None:
            continue
        means = {}
        for arm in ARMS:
            service = columns.service_s[masks[arm][columns.row]]
            means[arm] = float(np.minimum(service, evidence.design.timeout_s).mean()) if len(service) else np.nan
        if not all(np.isnan(mean) for mean in means.values()):
            added = means["candidate"] - means["baseline"]
            parts.append(StepShare(cohort, step, added, means["baseline"], means["candidate"]))
    return tuple(parts)


def _measured(
    evidence: Evidence, arm: Arm, cohort: str | None = None, *, discarded_too: bool = False
) -> npt.NDArray[np.bool_]:
    table = evidence.table
    mask: npt.NDArray[np.bool_] = (
        (table.arm == ARMS.index(arm))
        & (table.status != STATUSES.index("withheld"))
        & (table.offset_s >= evidence.design.trim_s)
        & (table.pair >= (0 if discarded_too else discarded_pairs(evidence)))
    )
    return mask if cohort is None else mask & (table.cohort == table.cohorts.index(cohort))


def _censored(evidence: Evidence) -> Floats:
    table = evidence.table
    return np.where(table.status == 0, table.response_s, evidence.design.timeout_s)


def _by_block(evidence: Evidence, mask: npt.NDArray[np.bool_]) -> tuple[Floats, list[npt.NDArray[np.int64]]]:
    """Start of each block (minutes from the origin), and the places of its logins among those of the mask."""
    block = evidence.table.block[mask]
    start_s = (evidence.table.intended_s - evidence.table.offset_s)[mask]
    order = np.argsort(block, kind="stable")
    _, first = np.unique(block[order], return_index=True)
    parts = [part.astype(np.int64) for part in np.split(order, first[1:]) if len(part)]
    return np.array([start_s[part[0]] / 60 for part in parts], dtype=np.float64), parts
