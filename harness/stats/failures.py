"""Which step, and which answer of a server, a difference in failed logins comes from.

Each failed login has one cause: the step that did not succeed, how that ended, and the protocol's code. So the
causes' shares add up to the share of failed logins, in every block and in the differences of the arms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Floats, Ints
from harness.model.comparison import Design
from harness.model.failures import Cause, CausePart, FailureAnatomy
from harness.model.policy import Policy
from harness.stats.attribution import LEAST_PAIRS
from harness.stats.intervals import mean_interval, ratio_interval
from harness.stats.logins import logins_of, usable_pairs

NAMED_AT_MOST = 8
"""Causes that are named, the commonest; the rest are one."""
_OK = STATUSES.index("ok")


def failure_anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> FailureAnatomy | None:
    """The difference in failed logins, divided among their causes.

    Intervals are Student's t over pairs, those of the parts by the jackknife of the ratio, as in ``anatomy``: they
    describe this run at its end and are no repeated bounds. None with fewer than 3 pairs, or where no login failed.
    """
    logins = logins_of(table, design, usable_pairs(pairs, design, policy))
    causes, cause = _causes(table)
    failed = cause[logins.rows]
    often = np.bincount(failed[failed >= 0], minlength=len(causes))
    named = [int(index) for index in np.argsort(-often, kind="stable")[:NAMED_AT_MOST] if often[index]]
    kinds = [(causes[index], failed == index) for index in named]
    rest = (failed >= 0) & ~np.isin(failed, named)
    shares: dict[Cause | None, Floats] = {held: logins.shares(flags)[0] for held, flags in kinds}
    if rest.any():
        shares[None] = logins.shares(rest)[0]
    failing, _ = logins.shares(failed >= 0)
    both = np.isfinite(failing).all(axis=1)
    if not shares or np.count_nonzero(both) < LEAST_PAIRS:
        return None
    whole = _added(failing[both])
    center, low, high = mean_interval(whole)
    shown = low > 0 or high < 0
    held = {cause: share[both] for cause, share in shares.items()}
    return FailureAnatomy(center, low, high, tuple(_parts(held, whole, shown)))


def _parts(shares: Mapping[Cause | None, Floats], whole: Floats, shown: bool) -> Iterator[CausePart]:
    for cause, share in shares.items():
        added = _added(share)
        baseline, candidate = (float(v) for v in share.mean(axis=0))
        part = ratio_interval(added, whole) if shown else (None, None, None)
        yield CausePart(cause, baseline, candidate, *mean_interval(added), *part)


def _added(share: Floats) -> Floats:
    found: Floats = share[:, 1] - share[:, 0]
    return found


def _causes(table: AttemptTable) -> tuple[list[Cause], Ints]:
    """Every cause, and for each login which it is of them: −1 where it did not fail."""
    names = ("", *table.steps)
    step = np.zeros(len(table), dtype=np.int64)
    for place, columns in enumerate(table.steps.values(), start=1):
        broken = columns.row[columns.status != _OK]
        step[broken[step[broken] == 0]] = place
    (failed,) = np.nonzero(table.status != _OK)
    code = np.zeros(len(table), dtype=np.int16) if table.code is None else table.code
    key = np.stack([step[failed], table.status[failed], code[failed]], axis=1)
    kinds, which = np.unique(key, axis=0, return_inverse=True)
    cause = np.full(len(table), -1, dtype=np.int64)
    cause[failed] = which.ravel()
    return [Cause(names[s], STATUSES[status], table.codes[code]) for s, status, code in kinds.tolist()], cause
