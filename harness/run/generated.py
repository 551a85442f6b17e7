"""How an arm's load was generated: what each worker sent, how late, and what the generator itself may have added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Flags, GeneratorColumns, Ints
from harness.model.shown import NOTHING, Distribution
from harness.model.target import ARMS, Arm
from harness.record.schema import SEAT_WAIT_FROM_NS
from harness.run.delays import DelayedPairs

_WITHHELD, _DENIED = STATUSES.index("withheld"), STATUSES.index("denied")
_FAILED = tuple(STATUSES.index(status) for status in ("denied", "timeout", "error"))


@dataclass(frozen=True, slots=True)
class Sent:
    """Logins that one worker sent: how late those that had a seat at once, and each wait for a thread (ns)."""

    logins: int
    lag_ns: Distribution
    pool_wait_ns: Distribution

    @classmethod
    def joined(cls, parts: Sequence[Sent]) -> Sent:
        """Those of pieces of a run as one."""
        return cls(
            sum(part.logins for part in parts),
            Distribution.joined([part.lag_ns for part in parts]),
            Distribution.joined([part.pool_wait_ns for part in parts]),
        )


NONE_SENT = Sent(0, NOTHING, NOTHING)


@dataclass(frozen=True, slots=True)
class Generated:
    """How the load of one arm was generated, over some of its pairs; the last three are of all its logins.

    ``sent`` is by worker, of those that sent any.
    """

    started: int
    failed: int
    seat_waits: int
    sent: Mapping[int, Sent]
    delays: tuple[DelayedPairs, ...]
    recorded: int
    tried: int
    denied: int

    @classmethod
    def joined(cls, parts: Sequence[Generated]) -> Generated:
        """Those of pieces of a run, in order of time, as one."""
        counts = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
        workers = sorted({worker for part in parts for worker in part.sent})
        return cls(
            **counts,
            sent={worker: Sent.joined([p.sent[worker] for p in parts if worker in p.sent]) for worker in workers},
            delays=tuple(delayed for part in parts for delayed in part.delays),
        )


_COUNTS = ("started", "failed", "seat_waits", "recorded", "tried", "denied")


def generated_of(table: AttemptTable, arm: Arm, pairs: range) -> Generated:
    """How an arm's load was generated in some pairs."""
    assert table.generator is not None  # authgate's own attempts have it
    mine = table.arm == ARMS.index(arm)
    status = table.status[mine]
    (rows,) = np.nonzero(mine & (table.pair >= pairs.start) & (table.pair < pairs.stop))
    seat_wait = table.generator.seat_wait[rows]
    at_once = seat_wait < SEAT_WAIT_FROM_NS
    return Generated(
        started=int(np.count_nonzero(table.status[rows] != _WITHHELD)),
        failed=int(np.isin(table.status[rows], _FAILED).sum()),
        seat_waits=int(np.count_nonzero(~at_once)),
        sent=dict(_sent(table.generator, rows, at_once)),
        delays=(DelayedPairs.of(table.generator, rows, table.pair[rows], pairs),) if len(rows) else (),
        recorded=len(status),
        tried=int(np.count_nonzero(status != _WITHHELD)),
        denied=int(np.count_nonzero(status == _DENIED)),
    )


def _sent(generator: GeneratorColumns, rows: Ints, at_once: Flags) -> Iterator[tuple[int, Sent]]:
    """What each worker sent of the logins in these rows, of which some had a seat at once."""
    by = generator.worker[rows]
    worker_of = np.full(len(generator.own), -1, dtype=np.int16)
    worker_of[rows] = by
    waiting = worker_of[generator.pool_row]
    lag_ns = np.maximum(generator.lag[rows], 0).astype(np.float64)
    counts = np.bincount(by)
    for worker in np.flatnonzero(counts).tolist():
        mine = at_once if counts[worker] == len(by) else at_once & (by == worker)
        yield (
            worker,
            Sent(
                int(counts[worker]),
                Distribution.of(lag_ns[mine]),
                Distribution.of(generator.pool_wait[waiting == worker].astype(np.float64)),
            ),
        )
