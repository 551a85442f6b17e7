"""A run's logins as they are recorded: its journals are followed, and what was written last is read from its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from harness.record.completeness import written_of
from harness.record.folder import RunFolder
from harness.record.journal import JournalReader
from harness.record.schema import ATTEMPTS

TRIES, APART_S = 20, 0.25
"""How often a run that has ended is read until all that it counted is there: it is just being turned into Parquet."""
Login = dict[str, Any]


class Feed:
    """Reads beside the run and touches nothing; each login comes once, as a row of ATTEMPTS in a dictionary."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        manifest = folder.manifest()
        workers = range(folder.workers())
        self._readers = [
            JournalReader(folder.journal("attempts", arm, worker), ATTEMPTS)
            for arm in folder.arms()
            for worker in workers
            if manifest["status"] == "running"
        ]
        self._seen: set[tuple[str, int]] = set()

    @property
    def origin_wall_s(self) -> float | None:
        """When the load began, in seconds since 1970; None before it."""
        found = self._folder.manifest().get("origin_wall")
        return float(found) if isinstance(found, int | float) else None

    @property
    def over(self) -> bool:
        """Whether the run has an end."""
        return bool(self._folder.manifest()["status"] != "running")

    def new(self) -> Iterator[Login]:
        """What the journals have since the last call."""
        for reader in self._readers:
            for batch in reader.new_batches():
                yield from self._unseen(batch)

    def rest(self) -> Iterator[Login]:
        """What has not come yet of a run that is over, in order of time."""
        for _ in range(TRIES):
            written = written_of(self._folder.manifest())
            table = self._folder.attempts()
            if written is None or len(table) >= sum((written.attempts or {}).values()):
                break
            time.sleep(APART_S)
        yield from self._unseen(table.sort_by("ended"))

    def _unseen(self, part: pa.RecordBatch | pa.Table) -> Iterator[Login]:
        for some in part.to_batches(1000) if isinstance(part, pa.Table) else [part]:
            for login in some.to_pylist():
                if (key := (login["arm"], login["seq"])) not in self._seen:
                    self._seen.add(key)
                    yield login
