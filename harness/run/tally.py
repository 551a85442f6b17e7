"""What the watch of a run has to know of its attempts, kept up batch by batch, so that no look reads the past again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.plan import NS, Plan
from harness.model.target import Arm
from harness.record.schema import ATTEMPTS


class Tally:
    """Counts of a plan's attempts so far, and the attempts of the last ``window_s`` seconds themselves."""

    def __init__(self, plan: Plan, window_s: float) -> None:
        self.by_block = np.zeros(len(plan.blocks), dtype=np.int64)
        self.by_pair = np.zeros(max(block.pair for block in plan.blocks) + 1, dtype=np.int64)
        self.denied = 0
        self.ended: Counter[str] = Counter()
        """By arm."""
        self.failures: Counter[tuple[Arm, str, str]] = Counter()
        """Logins that failed, by arm, step and code."""
        self._window = round(window_s * NS)
        self._recent: deque[tuple[Any, int, int]] = deque()
        """Batches, each with the instants (ns) at which the first and the last of its logins ended."""

    @property
    def total(self) -> int:
        """How many attempts have ended."""
        return int(self.by_block.sum())

    def add(self, batch: Any) -> None:
        """Count a record batch of ATTEMPTS; rows of no block or pair of the plan's are not counted."""
        _count(batch["block"], self.by_block)
        _count(batch["pair"], self.by_pair)
        self.denied += int(pc.sum(pc.equal(batch["status"], "denied")).as_py() or 0)
        for found in pc.value_counts(batch["arm"]).to_pylist():
            self.ended[found["values"]] += found["counts"]
        self.failures.update(map(_failure, batch.filter(pc.not_equal(batch["status"], "ok")).to_pylist()))
        if batch["ended"].null_count:  # of a damaged journal
            batch = batch.filter(pc.is_valid(batch["ended"]))
        if len(batch):
            ends = pc.min_max(batch["ended"]).as_py()
            self._recent.append((batch, ends["min"], ends["max"]))

    def recent(self, now: int) -> Any:
        """The attempts that ended within the window before ``now`` (ns), as a table of ATTEMPTS; older ones go.

        Batches are given as they came: but for the one or two at the window's edge nothing is copied, whose logins'
        steps would take most of the time.
        """
        since = now - self._window
        while self._recent and self._recent[0][2] <= since:
            self._recent.popleft()
        within = [
            batch if first > since else batch.filter(pc.greater(batch["ended"], since))
            for batch, first, _ in self._recent
        ]
        return pa.Table.from_batches(within, ATTEMPTS)


def _count(column: Any, counts: Any) -> None:
    """Add to ``counts`` how often each of its places stands in the column."""
    places = pc.drop_null(column).to_numpy()
    known = places[(places >= 0) & (places < len(counts))]
    counts += np.bincount(known, minlength=len(counts))


def _failure(login: Mapping[str, Any]) -> tuple[Arm, str, str]:
    """Whose login failed, at which step, and how."""
    at = next((step["step"] for step in reversed(login["steps"]) if step["status"] != "ok"), "")
    arm: Arm = login["arm"]
    return arm, at, f"{login['status']} {login['code']}".rstrip()
