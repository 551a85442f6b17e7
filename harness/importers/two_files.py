"""Two files of another tool, one an arm, as attempts that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.errors import ConfigError
from harness.importers.copies import refuse_copies, refuse_one_file, refuse_repeated
from harness.importers.foreign import Foreign, Sent
from harness.importers.logins import OneArm, login_label, one_arm
from harness.importers.runs import runs_that_count
from harness.importers.samples import counted
from harness.importers.tools import read_samples
from harness.importers.turns import Cut
from harness.model.attempt import AttemptTable, Flags, StepColumns
from harness.model.comparison import Design
from harness.model.plan import NS
from harness.stats.arrivals import Arrivals


@dataclass(frozen=True, slots=True)
class Importing:
    """How two files are to be read: their format, the label of a login, and blocks, trim and time-out in seconds."""

    format: str = "auto"
    block_s: float = 15.0
    login_label: str | None = None
    trim_s: float = 0.0
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class TwoFiles:
    """Imported attempts, when the first of them was sent (ISO 8601), and what else the report says of them.

    ``apart_s``: how long after one arm the other began.
    """

    foreign: Foreign
    started: str
    apart_s: float
    said: dict[str, object]


def read_two(before: Path, after: Path, how: Importing) -> TwoFiles:
    """The samples of two files as attempts, the first file's as baseline; raises ConfigError.

    Which blocks are pairs depends on when they were measured (see ``importers.turns``).
    """
    files = [read_samples(path, how.format) for path in (before, after)]
    refuse_one_file(before, after)
    label = login_label(files, how.login_label)
    read = (one_arm(files[0], label), one_arm(files[1], label))
    for arm in read:
        refuse_repeated(str(arm.path), arm.start_ns, arm.elapsed_s)
    (baseline, candidate), found, of_runs = runs_that_count(read, how.block_s)
    refuse_copies(f"{before} and {after}", *((arm.start_ns, arm.elapsed_s) for arm in (baseline, candidate)))
    if not found.pairs:
        raise ConfigError(f"{before} and {after}: expected a block of {how.block_s:g} s with logins in both, got none")
    table = _table(baseline, candidate, found)
    design = Design(found.block_s, how.trim_s, found.pairs, how.timeout_s, found.how != "one after the other")
    begin_ns = min(int(arm.start_ns[0]) for arm in (baseline, candidate))
    return TwoFiles(
        Foreign(
            table=table,
            design=design,
            pairs=tuple(range(found.pairs)),
            steps=tuple(table.steps),
            how=found.how,
            sent=(_sent(baseline, candidate, found), _sent(candidate, baseline, found)),
            notices=(*of_runs, *(notice for arm in (baseline, candidate) for notice in _left_out(arm))),
        ),
        datetime.fromtimestamp(begin_ns / NS, UTC).isoformat(timespec="seconds"),
        abs(int(candidate.start_ns[0]) - int(baseline.start_ns[0])) / NS,
        {
            "baseline": str(before),
            "candidate": str(after),
            "formats": " and ".join(samples.format for samples in files),
            "login": label,
            "measured": f"{found.how}, in {found.pairs} pairs of blocks of {found.block_s:.3g} s",
        },
    )


def _left_out(arm: OneArm) -> Iterator[str]:
    if arm.left_out:
        count = sum(arm.left_out.values())
        yield f"{arm.path}: {count:,} samples lie in no login and are left out: {counted(dict(arm.left_out))}."
    if arm.missing:
        yield f"{arm.path}: its logins say that they hold {arm.missing:,} samples more than the file shows in them."


def _sent(arm: OneArm, other: OneArm, found: Cut) -> Sent:
    arrivals = Arrivals(
        start=arm.start_ns,
        elapsed=np.rint(arm.elapsed_s * NS).astype(np.int64),
        follows=_follows(arm, other) if found.how == "in turns" else np.ones(max(len(arm.start_ns) - 1, 0), dtype=bool),
        resolution=round(arm.resolution_s * NS),
        thread=arm.thread,
    )
    return Sent(arrivals, arm.row, lambda row: f"{arm.path}:{arm.line_of(row)}", epoch_s=0.0)


def _follows(arm: OneArm, other: OneArm) -> Flags:
    """After which logins the arm went on, since the other had no turn in between."""
    begun = np.searchsorted(other.start_ns, arm.start_ns)
    return np.asarray(np.diff(begun) == 0)


def _table(baseline: OneArm, candidate: OneArm, found: Cut) -> AttemptTable:
    arms = (baseline, candidate)
    counts = tuple(len(arm.start_ns) for arm in arms)
    steps = {}
    for name in dict.fromkeys((*baseline.steps, *candidate.steps)):
        parts = [
            (columns, shift)
            for arm, shift in zip(arms, (0, counts[0]), strict=True)
            if (columns := arm.steps.get(name)) is not None
        ]
        steps[name] = StepColumns.joined(parts)
    elapsed_s = np.concatenate([arm.elapsed_s for arm in arms])
    return AttemptTable(
        arm=np.repeat(np.arange(2, dtype=np.int8), counts),
        block=np.concatenate(found.block),
        pair=np.concatenate(found.pair),
        offset_s=np.concatenate(found.offset_s),
        intended_s=np.concatenate(found.start_s),
        cohort=np.zeros(sum(counts), dtype=np.int8),
        status=np.concatenate([arm.status for arm in arms]),
        response_s=elapsed_s,
        service_s=elapsed_s.copy(),
        steps=steps,
    )
