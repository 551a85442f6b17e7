"""Two files of another tool, one an arm, as attempts that can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.errors import ConfigError
from harness.importers.attempts_csv import Foreign
from harness.importers.samples import OneArm, login_label, one_arm
from harness.importers.tools import read_samples
from harness.importers.turns import Cut, cut
from harness.model.attempt import AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.plan import NS


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

    Which blocks are pairs depends on when they were measured (see ``record.turns``).
    """
    files = [read_samples(path, how.format) for path in (before, after)]
    label = login_label(files, how.login_label)
    baseline, candidate = (one_arm(samples, label) for samples in files)
    begin_ns = min(int(arm.start_ns[0]) for arm in (baseline, candidate))
    found = cut((baseline.start_ns - begin_ns) / NS, (candidate.start_ns - begin_ns) / NS, how.block_s)
    if not found.pairs:
        raise ConfigError(f"{before} and {after}: expected a block of {how.block_s:g} s with logins in both, got none")
    table = _table(baseline, candidate, found)
    design = Design(found.block_s, how.trim_s, found.pairs, how.timeout_s, found.how != "one after the other")
    return TwoFiles(
        Foreign(table, design, tuple(range(found.pairs)), tuple(table.steps)),
        datetime.fromtimestamp(begin_ns / NS, UTC).isoformat(timespec="seconds"),
        abs(int(candidate.start_ns[0]) - int(baseline.start_ns[0])) / NS,
        {
            "baseline": str(before),
            "candidate": str(after),
            "formats": " and ".join(samples.format for samples in files),
            "login": label or "each sample, since none is labelled login",
            "measured": f"{found.how}, in {found.pairs} pairs of blocks of {found.block_s:.3g} s",
        },
    )


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
