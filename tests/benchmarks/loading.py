"""How often files of other tools are taken for unsoundly loaded, or for a closed loop: both arms alike, and not.

Run it with ``python -m tests.benchmarks.loading [--files N]``; it prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from harness.importers.loading import loading
from harness.importers.two_files import Importing, read_two
from harness.model.policy import Limits
from tests.helpers.arrivals import Simulated, closed_loop, crowds, lognormal, paced, poisson, pool, stalled, timetable
from tests.helpers.foreign_files import EPOCH_S

RATE, LENGTH_S, PAIRS, BLOCK_S = 20.0, 300.0, 10, 15.0
Rng = np.random.Generator
Arms = tuple[Simulated, Simulated]


def twice(one: Callable[[Rng], Simulated]) -> Callable[[Rng], Arms]:
    """Both arms alike."""
    return lambda rng: (one(rng), one(rng))


def in_turns(one: Callable[[Rng, float], Simulated], kept: float = 1.0) -> Callable[[Rng], Arms]:
    """Both arms in turns of a block, in random order within a pair; the candidate keeps a share of its logins."""

    def arms(rng: Rng) -> Arms:
        parts: tuple[list[Simulated], list[Simulated]] = ([], [])
        for pair in range(PAIRS):
            for place, arm in enumerate(rng.permutation(2)):
                turn = one(rng, BLOCK_S)
                here = rng.uniform(size=len(turn.start_s)) < (kept if arm else 1.0)
                begin_s = (2 * pair + place) * BLOCK_S
                parts[arm].append(Simulated(turn.start_s[here] + begin_s, turn.elapsed_s[here], turn.thread[here]))
        return joined(parts[0]), joined(parts[1])

    return arms


def joined(parts: list[Simulated]) -> Simulated:
    """Turns, one after the other."""
    return Simulated(
        *(np.concatenate([getattr(part, of) for part in parts]) for of in ("start_s", "elapsed_s", "thread"))
    )


def served(rng: Rng, length_s: float = LENGTH_S, rate: float = RATE) -> Simulated:
    """Poisson arrivals."""
    return poisson(rng, rate, length_s, lognormal(rng))


def looped(
    rng: Rng, length_s: float = LENGTH_S, slower: float = 1.0, users: int = 8, thinks_s: float = 0.0
) -> Simulated:
    """Users in a closed loop, whose servers are some 8 % faster or slower from one 15 s to the next."""
    noise = np.exp(rng.normal(0, 0.08, int(length_s / BLOCK_S) + 2))

    def takes(at: float) -> float:
        return float(0.4 * slower * noise[int(at / BLOCK_S)] * np.exp(rng.normal(0, 0.3)))

    return closed_loop(rng, users, length_s, takes, lambda: float(rng.exponential(thinks_s)) if thinks_s else 0.0)


CASES: dict[str, Callable[[Rng], Arms]] = {
    "Poisson, at once": twice(served),
    "Poisson on a pool of threads, at once": twice(lambda rng: pool(40, served(rng))),
    "Poisson, in turns": in_turns(served),
    "a timetable, at once": twice(lambda rng: timetable(rng, RATE, LENGTH_S, lognormal(rng))),
    "users at their own pace, at once": twice(lambda rng: paced(rng, 60, 5, LENGTH_S, lognormal(rng))),
    "crowds, at once": twice(lambda rng: crowds(rng, RATE, LENGTH_S, lognormal(rng))),
    "closed loop, at once": twice(looped),
    "closed loop with think time, at once": twice(lambda rng: looped(rng, users=20, thinks_s=1.0)),
    "closed loop, in turns": in_turns(looped),
    "Poisson, candidate 15 % fewer": lambda rng: (served(rng), served(rng, rate=0.85 * RATE)),
    "Poisson in turns, candidate 15 % fewer": in_turns(served, kept=0.85),
    "Poisson, candidate's generator stalled for 4 s": lambda rng: (served(rng), stalled(served(rng), 100, 4)),
    "closed loop, candidate 15 % slower": lambda rng: (looped(rng), looped(rng, slower=1.15)),
    "closed loop, candidate 15 % faster": lambda rng: (looped(rng), looped(rng, slower=0.85)),
}


def write(path: Path, arm: Simulated) -> None:
    """An arm as JMeter writes it, in order of ends."""
    rows = (
        f"{round((EPOCH_S + arm.start_s[row]) * 1000)},{round(arm.elapsed_s[row] * 1000)},login,Users 1-"
        f"{arm.thread[row]},true"
        for row in np.argsort(arm.start_s + arm.elapsed_s)
    )
    path.write_text("\n".join(["timeStamp,elapsed,label,threadName,success", *rows]) + "\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="pairs of files of each kind")
    files = parser.parse_args().files
    print(f"| {files} pairs of files each | unsound | closed loop |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "b.jtl", Path(folder) / "a.jtl"
        for name, arms in CASES.items():
            unsound = waits = 0
            for seed in range(files):
                for path, arm in zip((before, after), arms(np.random.default_rng(seed)), strict=True):
                    write(path, arm)
                found = loading(read_two(before, after, Importing()).foreign, Limits())
                unsound += bool(found.faults)
                waits += bool(found.waits)
            print(f"| {name} | {unsound} | {waits} |", flush=True)


if __name__ == "__main__":
    main()
