"""Damage every input for as long as asked, and see what the commands make of it.

    python -m tests.property.fuzz --seconds 600 [--seed 7] [--kind run] [--keep FOLDER]

A case that went wrong is made again by its seed and number, with the kinds that were asked for: --seed 7 --case 123.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.damaged_inputs import KINDS
from tests.helpers.fuzzing import cases
from tests.helpers.spoilt_record import record


def until(deadline: float) -> Iterator[int]:
    number = 0
    while time.monotonic() < deadline:
        yield number
        number += 1


def main() -> int:
    """Run for as long as asked; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description="Damage every input, and see what the commands make of it.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--case", type=int, help="This one alone.")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="Of these inputs alone.")
    parser.add_argument("--record", action="store_true", help="Keep the counts for docs/faults.md.")
    parser.add_argument("--keep", type=Path, help="Folder for the files of what went wrong.")
    asked = parser.parse_args()
    kinds = asked.kind or list(KINDS)
    numbers = iter([asked.case]) if asked.case is not None else until(time.monotonic() + asked.seconds)
    counts = cases(asked.seed, kinds, numbers, asked.keep)
    rows: dict[str, tuple[int, str]] = {}
    for kind in kinds:
        codes = ", ".join(f"{count} × {code}" for (of, code), count in sorted(counts.codes.items()) if of == kind)
        rows[kind] = counts.cases[kind], codes
        print(f"{kind:<12} {counts.cases[kind]:>6} cases; exit codes {codes}")
    print(f"seed {asked.seed}: {sum(counts.cases.values())} cases, {len(counts.wrong)} wrong")
    print("\n".join(counts.wrong))
    if asked.record:
        record("inputs", asked.seed, rows, len(counts.wrong))
    return 1 if counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
