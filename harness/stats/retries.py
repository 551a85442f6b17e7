"""How often logins were tried again, and what was under way when a try was given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import AttemptTable, Ints
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.retries import Contrast, RetryAnatomy
from harness.stats.attribution import LEAST_PAIRS
from harness.stats.intervals import mean_interval
from harness.stats.logins import Logins, logins_of, usable_pairs


def retry_anatomy(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> RetryAnatomy | None:
    """The retries of logins that count, by arm, with Student's intervals over pairs; no repeated bounds.

    None with fewer than 3 pairs, or where no login was tried again.
    """
    return retried(tries_of(table, logins_of(table, design, usable_pairs(pairs, design, policy))))


@dataclass(frozen=True, slots=True)
class Tries:
    """By pair and arm: the logins, those tried again, and the tries that were given up in each step."""

    logins: Ints
    again: Ints
    given_up: Mapping[str, Ints]


def tries_of(table: AttemptTable, logins: Logins) -> Tries:
    """The tries of logins that count; pieces of a run add up to the whole."""
    counts: Ints = logins.counts.sum(axis=0)
    if (given_up := table.given_up) is None:
        return Tries(counts, np.zeros_like(counts), {})
    block = np.full(len(table), counts.size)
    block[logins.rows] = logins.used % max(counts.size, 1)

    def counted(rows: Ints) -> Ints:
        return np.bincount(block[rows], minlength=counts.size + 1)[: counts.size].reshape(counts.shape)

    return Tries(
        counts,
        counted(np.unique(given_up.row)),
        {name: counted(given_up.row[given_up.step == at]) for at, name in enumerate(given_up.steps)},
    )


def joined(pieces: Sequence[Tries]) -> Tries:
    """Pieces of a run, in order of time, as one."""
    names = dict.fromkeys(name for piece in pieces for name in piece.given_up)
    return Tries(
        np.concatenate([piece.logins for piece in pieces]),
        np.concatenate([piece.again for piece in pieces]),
        {
            name: np.concatenate([piece.given_up.get(name, np.zeros_like(piece.logins)) for piece in pieces])
            for name in names
        },
    )


def retried(whole: Tries) -> RetryAnatomy | None:
    """The anatomy of a run's retries."""
    counts, again = whole.logins, whole.again
    both = (counts > 0).all(axis=1)
    if np.count_nonzero(both) < LEAST_PAIRS or not again.any():
        return None

    def contrast(hits: Ints, least: float = 0.0) -> Contrast:
        baseline, candidate = (least + hits[both] / counts[both]).T
        return Contrast(float(baseline.mean()), float(candidate.mean()), *mean_interval(candidate - baseline))

    return RetryAnatomy(
        again=contrast(again),
        tries=contrast(np.sum(list(whole.given_up.values()), axis=0), least=1.0),
        given_up={name: contrast(hits) for name, hits in whole.given_up.items()},
    )
