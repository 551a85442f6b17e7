"""A run's attempts gathered from its Parquet file, row group by row group, where nothing is wrong with them.

1. Every check that a run read as a whole is put to is made here too, on each piece.
2. Where anything is wrong, or the file is another version's, nothing is gathered: the whole is read then, to say what.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from harness.model.attempt import AttemptTable
from harness.model.target import ARMS
from harness.record.completeness import disagreement, written_of
from harness.record.folder import FORMAT, RunFolder
from harness.record.parquet import GroupedAttempts
from harness.record.schema import ATTEMPTS
from harness.run.assess import Assessor, Ending
from harness.run.audit import AttemptAudit, Planned
from harness.run.pieces import Gathered, gather
from harness.run.stored import OpenedRun, cut, open_run


class _WrongError(Exception):
    """Something is wrong with the attempts."""


def open_checked(folder: RunFolder) -> tuple[OpenedRun, bool]:
    """A run without its attempts, and whether these are in the file that it wrote; raises RunError as ``open_run``.

    The file is digested while the plan is drawn: each takes a core for about a second of 10 million logins.
    """
    with ThreadPoolExecutor(1) as beside:
        checked = beside.submit(_as_written, folder)
        run = open_run(folder)
        return run, checked.result()


def _as_written(folder: RunFolder) -> bool:
    """Whether there is a whole file of attempts, by today's format and as it was counted."""
    manifest, path = folder.manifest(), folder.path / "attempts.parquet"
    written = written_of(manifest)
    if manifest.get("format") != FORMAT or written is None or written.damaged or path.name not in written.files:
        return False
    return disagreement(path, written) is None


def gathered_from_file(run: OpenedRun, assessor: Assessor, ending: Ending) -> Gathered | None:
    """What a run's attempts amount to, in the file that it wrote; None where they have to be read as a whole."""
    try:
        return _Reader(run, assessor).gathered(ending)
    except (_WrongError, ValueError, TypeError, OSError, MemoryError, pa.ArrowException):
        return None


class _Reader:
    def __init__(self, run: OpenedRun, assessor: Assessor) -> None:
        self._run = run
        self._assessor = assessor
        self._file = GroupedAttempts(run.folder.path / "attempts.parquet")
        self._audit = AttemptAudit(run.scenario, run.plan)

    def gathered(self, ending: Ending) -> Gathered:
        """Everything, piece by piece."""
        pairs = self._run.scenario.blocks.pairs
        done = self._file.pairs_done(pairs)
        whole = self._assessor.complete(done)
        if list(cut(self._run, len(whole))):
            raise _WrongError
        judged = len(whole[: ending.pairs])
        ends = [group.last + 1 for group in self._file.groups]
        found = gather(self._read, self._assessor.design, self._assessor.policy, done, ends, judged)
        self._check_counts(found)
        return found

    def _read(self, pairs: range) -> AttemptTable:
        """The attempts of some pairs, each checked."""
        blocks = self._run.plan.of_pairs(pairs)
        planned = Planned.of(blocks)
        tables, bad = [], dict[str, int]()
        for table in self._file.tables(pairs):
            rows = self._audit.part(table, planned, bad)
            seq = rows["seq"].to_numpy()
            if bad or (seq[1:] <= seq[:-1]).any():
                raise _WrongError
            tables.append(self._assessor.table(rows))
        if not tables:
            tables.append(self._assessor.table(ATTEMPTS.empty_table()))
        return AttemptTable.joined(tables)

    def _check_counts(self, found: Gathered) -> None:
        """The run counted what it wrote, by arm."""
        written = self._run.written
        for arm in ARMS:
            there = found.whole.generated[arm].recorded
            if written is not None and there != written.attempts.get(arm, 0):
                raise _WrongError
