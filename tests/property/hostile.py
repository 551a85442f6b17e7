"""Hostile servers against the login's own clients, for as many answers as asked.

    python -m tests.property.hostile --answers 100000 [--seed 7]

An answer that went wrong is given again by its seed and number: --seed 7 --answers 124 ends with number 123.
"""

from __future__ import annotations

import argparse
import random
import sys

from tests.helpers.hostile_runs import run
from tests.helpers.spoilt_record import record


def main() -> int:
    """Give so many answers; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description="Spoilt answers of every protocol, and what clients make of them.")
    parser.add_argument("--answers", type=int, default=20_000, help="At full speed, besides the slow ones.")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--record", action="store_true", help="Keep the counts for docs/faults.md.")
    asked = parser.parse_args()
    rows: dict[str, tuple[int, str]] = {}
    counts = run(asked.seed, asked.answers)
    for protocol, answers in sorted(counts.answers.items()):
        ends = ", ".join(f"{n} × {end}" for (of, end), n in sorted(counts.outcomes.items()) if of == protocol)
        rows[protocol] = answers, ends
        print(f"{protocol:<9} {answers:>6} answers: {ends}")
    print(f"seed {asked.seed}: {counts.answers.total()} answers, {len(counts.wrong)} wrong, "
          f"{counts.memory_b / 1e6:.0f} MB")  # fmt: skip
    print("\n".join(counts.wrong))
    if asked.record:
        record("answers", asked.seed, rows, len(counts.wrong))
    return 1 if counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
