"""How often logins were tried again, and what was under way when a try was given up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.retries import Contrast, RetryAnatomy
from harness.stats.attribution import LEAST_PAIRS
from harness.stats.intervals import mean_interval
from harness.stats.logins import logins_of, usable_pairs


def retry_anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> RetryAnatomy | None:
    """The retries of logins that count, by arm, with Student's intervals over pairs; no repeated bounds.

    None with fewer than 3 pairs, or where no login was tried again.
    """
    given_up = table.given_up
    if given_up is None:
        return None
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    both = logins.counts.sum(axis=0).all(axis=1)
    if np.count_nonzero(both) < LEAST_PAIRS:
        return None

    def contrast(of_login: Floats) -> Contrast:
        baseline, candidate = logins.shares(of_login[logins.rows])[0][both].T
        return Contrast(float(baseline.mean()), float(candidate.mean()), *mean_interval(candidate - baseline))

    def tries_of(rows: Ints) -> Floats:
        return np.bincount(rows, minlength=len(table)).astype(np.float64)

    earlier = tries_of(given_up.row)
    if not earlier[logins.rows].any():
        return None
    return RetryAnatomy(
        again=contrast((earlier > 0).astype(np.float64)),
        tries=contrast(1 + earlier),
        given_up={
            name: contrast(tries_of(given_up.row[given_up.step == at])) for at, name in enumerate(given_up.steps)
        },
    )
