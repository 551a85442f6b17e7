"""A run's logins while it goes on: what they amount to grows piece by piece, so that no look reads the past again.

1. Pairs that hold whole groups of pairs become a piece once, and their logins are let go.
2. What lies behind the last piece is measured anew at each look: a few pairs, and the logins of those under way.
3. Nothing becomes a piece before the first pairs have settled what holds for the whole run (``harness.stats.settled``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.comparison import Design
from harness.model.metric import STAGES, Stage
from harness.model.plan import Plan
from harness.model.policy import Policy
from harness.record.schema import ATTEMPTS
from harness.run.assess import Assessor
from harness.run.audit import AttemptAudit, Planned
from harness.run.pieces import Gathered, Piece, groups_of, piece_of
from harness.stats.logins import logins_of, of_stage
from harness.stats.settled import SETTLING_PAIRS, Settled


class Growing:
    """The logins of one plan as they come, each checked once; raises nothing for what can't have happened."""

    def __init__(self, assessor: Assessor, audit: AttemptAudit, plan: Plan) -> None:
        self._assessor = assessor
        self._audit = audit
        self._plan = plan
        self._design: Design = assessor.design
        self._policy: Policy = assessor.policy
        self._new: list[Any] = []
        self._rows: Any = ATTEMPTS.empty_table()
        """The logins of the pairs from ``_begin`` on, each of which can have happened."""
        self._begin = 0
        self._piece: Piece | None = None
        """What the pairs before that amount to."""
        self._settled: dict[Stage, Settled] = {}
        self._done = np.zeros(max(block.pair for block in plan.blocks) + 1, dtype=np.int64)
        self._bad: dict[str, int] = {}
        self._recorded = 0

    @property
    def held(self) -> int:
        """How many logins are in memory."""
        return len(self._rows) + sum(map(len, self._new))

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with logins that were recorded, in words."""
        return self._audit.faults(self._bad, self._recorded)

    def add(self, batch: Any) -> None:
        """Take a record batch of ATTEMPTS."""
        self._new.append(batch)

    def look(self) -> Gathered:
        """What all complete pairs amount to by now."""
        self._take_new()
        done = self._done.copy()
        done[self._begin :] += np.bincount(self._rows["pair"].to_numpy(), minlength=len(done))[self._begin :]
        judged = len(self._assessor.complete(done))
        self._settle(judged)
        end = self._whole_groups(judged)
        if end > self._begin:
            before = pc.less(self._rows["pair"], end)
            self._keep(self._rows.filter(before), range(self._begin, end))
            self._rows = self._rows.filter(pc.invert(before)).combine_chunks()
            self._done[self._begin : end] = done[self._begin : end]
            self._begin = end
        last = self._amount_to(self._rows, range(self._begin, judged))
        whole = last if self._piece is None else Piece.joined([self._piece, last])
        return Gathered(self._design, self._policy, judged, whole)

    def _take_new(self) -> None:
        if not self._new:
            return
        new = pa.Table.from_batches(self._new, ATTEMPTS)
        self._new = []
        self._recorded += len(new)
        # What was good before is first: where a login is there twice, its second row is the one that is wrong.
        rows = pa.concat_tables([self._rows, new])
        last = min(max(pc.max(rows["pair"]).as_py() or 0, self._begin), len(self._done) - 1)
        planned = Planned.of(self._plan.of_pairs(range(self._begin, last + 1)))
        self._rows = self._audit.part(rows, planned, self._bad)

    def _settle(self, judged: int) -> None:
        for stage in STAGES:
            first = of_stage(range(self._policy.discard_pairs, judged), self._design, stage)[:SETTLING_PAIRS]
            if stage not in self._settled and len(first) == SETTLING_PAIRS:
                logins = logins_of(self._assessor.table(self._rows), self._design, first)
                self._settled[stage] = Settled.by(logins, self._policy, self._design.timeout_s)

    def _whole_groups(self, judged: int) -> int:
        """Up to which pair all groups of pairs are whole, from the last such one on."""
        if "expected" not in self._settled:
            return self._begin
        groups = groups_of(self._settled)
        counted, end = dict.fromkeys(STAGES, 0), self._begin
        for pair in range(self._begin, judged):
            if pair >= self._policy.discard_pairs:
                counted[self._design.stage(pair)] += 1
            if all(count % groups[stage] == 0 if stage in groups else not count for stage, count in counted.items()):
                end = pair + 1
        return end

    def _keep(self, rows: Any, pairs: range) -> None:
        piece = self._amount_to(rows, pairs)
        self._piece = piece if self._piece is None else Piece.joined([self._piece, piece])

    def _amount_to(self, rows: Any, judged: range) -> Piece:
        table = self._assessor.table(rows.sort_by("seq"))
        return piece_of(table, self._design, self._policy, judged, self._settled)
