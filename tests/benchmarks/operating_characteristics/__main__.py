"""Measures the gate's operating characteristics: ``python -m tests.benchmarks.operating_characteristics --help``."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.operating_characteristics.calibrated import POOL, Repeat, repeat_of, site_of
from tests.benchmarks.operating_characteristics.judged import Outcome, outcome
from tests.benchmarks.operating_characteristics.rows import (
    LAYOUTS,
    PAIRED,
    ROWS,
    candidate_of,
    nominal_p95_s,
    policy_of,
)
from tests.benchmarks.operating_characteristics.table import Cell, as_json, cell_of, from_json, markdown, merged
from tests.benchmarks.operating_characteristics.world import RATE, Candidate

CHUNK = 10
ERRORS = ("equal", "at-margin")
"""The rows at which a wrong BLOCK and a wrong PASS are counted."""
COMMAND = "python -m tests.benchmarks.operating_characteristics"
IN_SITTINGS = (
    f"Measured in several sittings, each put onto the table by `{COMMAND} --runs N --designs … --rows … "
    "--onto FILE.json --out FILE.md FILE.json`."
)
Task = tuple[str, Candidate, str, int, float, range, list[Repeat]]


def run_chunk(task: Task) -> list[Outcome]:
    """Some runs of one cell."""
    row, candidate, name, seed, nominal_s, runs, pool = task
    layout = LAYOUTS[name]
    return [
        outcome(
            row, candidate, layout, policy_of(layout), seed, run, nominal_s, site_of(layout, pool, (seed, run, 1989))
        )
        for run in runs
    ]


def cells_of(pool: ProcessPoolExecutor, counts: Mapping[str, int], layouts: Sequence[str], seed: int) -> Iterator[Cell]:
    """Every cell, layout by layout; a cell's runs see the same worlds as those of every other cell of its layout.

    ``counts``: how many runs each row has.
    """
    for name in layouts:
        nominal_s = nominal_p95_s(LAYOUTS[name])
        repeats = range(POOL if LAYOUTS[name].calibrated else 0)
        known = list(pool.map(repeat_of, [LAYOUTS[name]] * len(repeats), repeats, chunksize=CHUNK))
        candidates = pool.map(_candidate, [(row, name) for row in counts])
        for (row, count), candidate in zip(counts.items(), candidates, strict=True):
            chunks = [range(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]
            tasks = [(row, candidate, name, seed, nominal_s, chunk, known) for chunk in chunks]
            yield cell_of([found for part in pool.map(run_chunk, tasks) for found in part])


def _candidate(key: tuple[str, str]) -> Candidate:
    row, name = key
    return candidate_of(ROWS[row], LAYOUTS[name])


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="operating_characteristics", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs a cell (%(default)s)")
    parser.add_argument("--error-runs", type=int, help=f"runs a cell of the rows {' and '.join(ERRORS)} (as --runs)")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--designs", nargs="+", choices=list(LAYOUTS), default=[layout.name for layout in PAIRED])
    parser.add_argument("--seed", type=int, default=2016)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--onto",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE.json",
        help="cells of this judge and seed that were measured before, to be kept where none is measured now; "
        "with --runs 0 they are the whole table",
    )
    parser.add_argument("--note", help="a sentence above the table")
    parser.add_argument("--out", type=Path, nargs="+", default=[], help="FILE.md or FILE.json, written after each cell")
    arguments = parser.parse_args(argv)
    if not arguments.runs and not arguments.onto:
        parser.error("--runs 0 needs --onto")
    return arguments


def main(argv: Sequence[str]) -> int:
    """Measure, and print the table."""
    arguments = _arguments(argv)
    error_runs = arguments.error_runs or arguments.runs
    counts = {row: count for row in arguments.rows if (count := error_runs if row in ERRORS else arguments.runs)}
    began = time.perf_counter()
    how = [IN_SITTINGS if arguments.onto else f"Regenerate with `{COMMAND} {shlex.join(argv)}`."]
    how += [arguments.note] if arguments.note else []
    cells = merged(*(from_json(json.loads(path.read_text("utf-8"))) for path in arguments.onto))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for cell in cells_of(pool, counts, arguments.designs if counts else [], arguments.seed):
            cells = merged(cells, [cell])
            _write(cells, arguments.seed, how, arguments.out)
            elapsed = time.perf_counter() - began
            print(f"{elapsed:6.0f} s  {cell.layout} {cell.row}: {cell.block:.1f} / {cell.passed:.1f}", file=sys.stderr)
    print(_write(cells, arguments.seed, how, arguments.out))
    return 0


def _write(cells: Sequence[Cell], seed: int, how: Sequence[str], paths: Sequence[Path]) -> str:
    """Write the table to files; its Markdown."""
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, {RATE:g} logins/s, {sum(cell.runs for cell in cells):,} simulated "
        "runs; where there is no figure the row was not run.",
        "The default policy, looks after every pair; *quick* may pass before the candidate is 11 minutes old.",
        "n is the number of runs of a cell: a share near 50 % is known to ±100/√n points, and 0 of n means "
        "below 300/n %, both at 95 %.",
        "All cells of a design see the same worlds, so one extreme run shows in several rows.",
    ]
    text = markdown(cells, [*facts, *how])
    for path in paths:
        path.write_text(json.dumps(as_json(cells), indent=1) if path.suffix == ".json" else text, "utf-8")
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
