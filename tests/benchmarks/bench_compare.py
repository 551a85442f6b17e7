"""How long a comparison takes and how much memory, of as many logins as are asked for: 10 million an arm by default.

Run as ``python tests/benchmarks/bench_compare.py [--logins 10000000]``. The logins lie on disk in columns, in pieces of
60 pairs, and are read piece by piece in a process of its own, whose time and peak memory are printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.model.attempt import AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.stats.compare import compare_pieces

PAIRS, PIECE = 600, 60
BLOCK_S, TRIM_S = 7.5, 2.0
STEPS = {"kdc_as": 0.020, "kdc_tgs_ldap": 0.015, "ldap_bind": 0.030, "ldap_groups": 0.035}
SEED = 2016


def write(folder: Path, logins: int) -> None:
    """So many logins an arm, in files of columns; the candidate's are 3 % slower."""
    rng = np.random.default_rng(SEED)
    a_block = logins // PAIRS
    count = 2 * PIECE * a_block
    arm = np.tile(np.repeat(np.arange(2, dtype=np.int8), a_block), PIECE)
    for piece in range(PAIRS // PIECE):
        pair = np.repeat(np.arange(PIECE), 2 * a_block) + piece * PIECE
        block = 2 * pair + arm
        offset = rng.uniform(0, BLOCK_S, count)
        steps = [mean * (1 + 0.03 * arm) * rng.lognormal(0, 0.3, count) for mean in STEPS.values()]
        columns = {"arm": arm, "pair": pair, "block": block, "offset": offset, "steps": np.stack(steps)}
        for name, values in columns.items():
            np.save(folder / f"{piece}-{name}.npy", values)


def pieces(folder: Path) -> Iterator[tuple[AttemptTable, range]]:
    """The logins of a folder, piece by piece."""
    for piece in range(PAIRS // PIECE):
        arm, pair, block, offset, times = (
            np.load(folder / f"{piece}-{name}.npy") for name in ("arm", "pair", "block", "offset", "steps")
        )
        row, ok = np.arange(len(arm)), np.zeros(len(arm), dtype=np.int8)
        response = times.sum(axis=0)
        yield (
            AttemptTable(
                arm=arm,
                block=block,
                pair=pair,
                offset_s=offset,
                intended_s=block * BLOCK_S + offset,
                cohort=ok,
                status=ok,
                response_s=response,
                service_s=response,
                steps={name: StepColumns(row, taken, ok) for name, taken in zip(STEPS, times, strict=True)},
            ),
            range(piece * PIECE, (piece + 1) * PIECE),
        )


def measure(folder: Path) -> None:
    """Compare what lies in a folder, and print how long it took and the process's peak memory."""
    policy = Policy(discard_pairs=0)
    began = time.perf_counter()
    comparison = compare_pieces(pieces(folder), Design(BLOCK_S, TRIM_S, PAIRS, 10.0), policy)
    took = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    p50 = next(shift for shift in comparison.shifts if shift.metric == Metric("cold", "login", "p50"))
    print(f"compared in {took:.1f} s, {memory:.2f} GiB at most; p50 {np.expm1(p50.estimate):+.2%} (planted +3 %)")


def main() -> int:
    """Write the logins, then compare them in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logins", type=int, default=10_000_000, help="an arm (%(default)s)")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder)
        return 0
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), arguments.logins)
        print(f"2 × {arguments.logins:,} logins of {len(STEPS)} steps in {PAIRS} pairs")
        return subprocess.run([sys.executable, __file__, "--folder", name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
