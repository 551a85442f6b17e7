"""What the watch of a run has to know of its attempts, kept up batch by batch, so that no look reads the past again."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.plan import NS, Plan
from harness.record.schema import ATTEMPTS


class Tally:
    """Counts of a plan's attempts so far, and the attempts of the last ``window_s`` seconds themselves."""

    def __init__(self, plan: Plan, window_s: float) -> None:
        self.by_block = np.zeros(len(plan.blocks), dtype=np.int64)
        self.by_pair = np.zeros(max(block.pair for block in plan.blocks) + 1, dtype=np.int64)
        self.denied = 0
        self._window = round(window_s * NS)
        self._recent: deque[Any] = deque()

    @property
    def total(self) -> int:
        """How many attempts have ended."""
        return int(self.by_block.sum())

    def add(self, batch: Any) -> None:
        """Count a record batch of ATTEMPTS; rows of no block or pair of the plan's are not counted."""
        _count(batch["block"], self.by_block)
        _count(batch["pair"], self.by_pair)
        self.denied += int(pc.sum(pc.equal(batch["status"], "denied")).as_py() or 0)
        self._recent.append(batch)

    def recent(self, now: int) -> Any:
        """The attempts that ended within the window before ``now`` (ns), as a table of ATTEMPTS; older ones go."""
        since = now - self._window
        while self._recent and (pc.max(self._recent[0]["ended"]).as_py() or 0) <= since:
            self._recent.popleft()
        return pa.Table.from_batches(self._recent, ATTEMPTS).filter(pc.field("ended") > since)


def _count(column: Any, counts: Any) -> None:
    """Add to ``counts`` how often each of its places stands in the column."""
    places = pc.drop_null(column).to_numpy()
    known = places[(places >= 0) & (places < len(counts))]
    counts += np.bincount(known, minlength=len(counts))
