"""The numbers behind figures and overviews: what of a run's logins is shown (``harness.model.shown``)."""

from __future__ import annotations

import numpy as np

from harness.model.attempt import Floats
from harness.model.comparison import StepShare
from harness.model.evidence import Evidence
from harness.model.shown import BlockSeries, Distribution
from harness.model.target import ARMS, Arm

POINTS_AT_MOST = 2000


def cohorts_seen(evidence: Evidence) -> tuple[str, ...]:
    """The cohorts that the run has any measured login of."""
    shown = evidence.shown
    return tuple(cohort for cohort in shown.cohorts if any(len(shown.kept[arm, cohort].response_s) for arm in ARMS))


def login_seconds(evidence: Evidence, arm: Arm, cohort: str) -> Distribution:
    """Response times (s) of one arm's logins of a cohort."""
    return evidence.shown.kept[arm, cohort].response_s


def done_seconds(evidence: Evidence, arm: Arm, cohort: str) -> Distribution:
    """Response times (s) of one arm's logins of a cohort, infinite for those that failed: nobody was ever logged in."""
    return evidence.shown.kept[arm, cohort].done_s


def failed_share(evidence: Evidence, arm: Arm) -> float | None:
    """The share of one arm's logins that did not succeed; None where there was no login."""
    tried, failed = evidence.shown.tried[arm]
    return failed / tried if tried else None


def thinned(values: Distribution) -> tuple[Floats, Floats]:
    """Ascending values and the share of values at or below each: 2,000 points at most, densest in the slow tail."""
    count = len(values)
    if count <= POINTS_AT_MOST:
        ranks = np.arange(count)
    else:
        even = np.linspace(0, count - 1, POINTS_AT_MOST // 2)
        tail = count - np.geomspace(1, count, POINTS_AT_MOST // 2)
        ranks = np.unique(np.concatenate([even, tail]).round().astype(np.int64))
    return values.at(ranks), (ranks + 1) / max(count, 1)


def blocks(evidence: Evidence, arm: Arm, cohort: str) -> BlockSeries:
    """Quantiles of every block of one arm's logins of a cohort."""
    return evidence.shown.kept[arm, cohort].blocks


def block_failures(evidence: Evidence, arm: Arm) -> tuple[Floats, Floats]:
    """When each block of one arm began (minutes), and the share of its logins that did not succeed."""
    return evidence.shown.failures[arm]


def discarded_until_min(evidence: Evidence) -> float:
    """When the last of the policy's discarded pairs was over, in minutes; 0 where none was."""
    return evidence.shown.discarded_until_min


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
    parts = []
    for step in evidence.step_order:
        means = {}
        for arm in ARMS:
            spent_s, count = evidence.shown.kept[arm, cohort].step_s.get(step, (0.0, 0))
            means[arm] = spent_s / count if count else np.nan
        if not all(np.isnan(mean) for mean in means.values()):
            added = means["candidate"] - means["baseline"]
            parts.append(StepShare(cohort, step, added, means["baseline"], means["candidate"]))
    return tuple(parts)
