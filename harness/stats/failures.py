"""Which step, and which answer of a server, a difference in failed logins comes from.

Each failed login has one cause: the step that did not succeed, how that ended, and the protocol's code. So the
causes' shares add up to the share of failed logins, in every block and in the differences of the arms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Floats, Ints
from harness.model.comparison import Design
from harness.model.failures import Cause, CausePart, FailureAnatomy
from harness.model.policy import Policy
from harness.stats.attribution import LEAST_PAIRS
from harness.stats.intervals import mean_interval, ratio_interval
from harness.stats.logins import Logins, logins_of, usable_pairs

NAMED_AT_MOST = 8
"""Causes that are named, the commonest; the rest are one."""
_OK = STATUSES.index("ok")


def failure_anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> FailureAnatomy | None:
    """The difference in failed logins, divided among their causes.

    Intervals are Student's t over pairs, those of the parts by the jackknife of the ratio, as in ``anatomy``: they
    describe this run at its end and are no repeated bounds. None with fewer than 3 pairs, or where no login failed.
    """
    return explained(failing(table, logins_of(table, design, usable_pairs(pairs, design, policy))))


@dataclass(frozen=True, slots=True)
class Failing:
    """How many logins of each block failed by each cause, and the blocks' logins: by pair and arm."""

    by_cause: Mapping[Cause, Ints]
    logins: Ints


def failing(table: AttemptTable, logins: Logins) -> Failing:
    """The failures among logins that count; pieces of a run add up to the whole."""
    causes, cause = _causes(table)
    (failed,) = np.nonzero(cause[logins.rows] >= 0)
    shape = logins.shape[1:]
    block = logins.used[failed] % max(math.prod(shape), 1)
    of_block = cause[logins.rows[failed]] * math.prod(shape) + block
    hits = np.bincount(of_block, minlength=len(causes) * math.prod(shape)).reshape(len(causes), *shape)
    counts: Ints = logins.counts.sum(axis=0)
    return Failing({held: found for held, found in zip(causes, hits, strict=True) if found.any()}, counts)


def joined(pieces: Sequence[Failing]) -> Failing:
    """Pieces of a run, in order of time, as one."""
    causes = sorted({cause for piece in pieces for cause in piece.by_cause}, key=str)
    return Failing(
        {
            cause: np.concatenate([piece.by_cause.get(cause, np.zeros_like(piece.logins)) for piece in pieces])
            for cause in causes
        },
        np.concatenate([piece.logins for piece in pieces]),
    )


def explained(whole: Failing) -> FailureAnatomy | None:
    """The anatomy of a run's failures."""
    hits, counts = whole.by_cause, whole.logins
    order = sorted(hits, key=lambda cause: -int(hits[cause].sum()))
    named: dict[Cause | None, Ints] = {cause: hits[cause] for cause in order[:NAMED_AT_MOST]}
    if rest := order[NAMED_AT_MOST:]:
        named[None] = np.sum([hits[cause] for cause in rest], axis=0)
    both = (counts > 0).all(axis=1)
    if not named or np.count_nonzero(both) < LEAST_PAIRS:
        return None
    shares: dict[Cause | None, Floats] = {cause: found[both] / counts[both] for cause, found in named.items()}
    added = _added(np.sum(list(shares.values()), axis=0))
    center, low, high = mean_interval(added)
    return FailureAnatomy(center, low, high, tuple(_parts(shares, added, low > 0 or high < 0)))


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
    (failed,) = np.nonzero(table.status != _OK)
    cause = np.full(len(table), -1, dtype=np.int64)
    if not len(failed):
        return [], cause
    names = ("", *table.steps)
    step = np.zeros(len(table), dtype=np.int64)
    for place, columns in enumerate(table.steps.values(), start=1):
        broken = columns.row[columns.status != _OK]
        step[broken[step[broken] == 0]] = place
    code = np.zeros(len(table), dtype=np.int16) if table.code is None else table.code
    key = np.stack([step[failed], table.status[failed], code[failed]], axis=1)
    kinds, which = np.unique(key, axis=0, return_inverse=True)
    cause[failed] = which.ravel()
    return [Cause(names[s], STATUSES[status], table.codes[code]) for s, status, code in kinds.tolist()], cause
