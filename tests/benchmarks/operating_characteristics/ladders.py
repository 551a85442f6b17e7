"""Simulated searches for capacity: a coarse sweep, then fine ladders, as ``authgate capacity`` runs them.

``python -m tests.benchmarks.operating_characteristics.ladders --runs 100`` prints how often they err.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.model.capacity import Budget, Comparison, Rung
from harness.model.target import ARMS, Arm
from harness.stats.capacity import compare_capacities, rungs_of
from harness.stats.ladders import all_are_past, coarse_rates, fine_rates
from tests.benchmarks.operating_characteristics.world import POOLS, Candidate, Layout, simulate

RUNG_S = 15.0
LOWEST, HIGHEST, STEP = 25.0, 150.0, 1.15
LADDERS, RUNGS = 5, 12
MARGIN, ALPHA = 0.10, 0.025
BUDGET = Budget(within_s=3.0, failure_rate=0.002)
Ladder = Mapping[Arm, Sequence[Rung]]

MEAN_FACTOR = 1.0545
"""By how much rare slow modes (1.03), drift (1.001) and neighbours (1.023) lengthen every service time on average."""
BIND_MISSES = 1.04
"""And cache misses those of the bind."""


def planted(lost: str = "") -> float:
    """The rate, in logins a second, that the simulated site sustains in the long run."""
    return (
        min(
            (pool.servers - (pool.name == lost)) / pool.mean_s / (BIND_MISSES if pool.name == "ldap_bind" else 1.0)
            for pool in POOLS
        )
        / MEAN_FACTOR
    )


def ladder(candidate: Candidate, rates: Sequence[float], seed: tuple[int, ...], budget: Budget = BUDGET) -> Ladder:
    """One run with a rung in each pair."""
    layout = Layout("ladder", "a ladder", 2 * RUNG_S * len(rates) / 60, block_s=RUNG_S, trim_s=4.0, per_pair=1,
                    rates=tuple(rates))  # fmt: skip
    table = simulate(candidate, layout, seed)
    return {arm: rungs_of(table, arm, rates, layout.design, budget, {}) for arm in ARMS}


def ladders_of(candidate: Candidate, seed: tuple[int, ...], budget: Budget = BUDGET) -> list[Ladder]:
    """The fine ladders of one search; none where no arm failed in the coarse sweep."""
    rates = coarse_rates(LOWEST, HIGHEST, STEP)
    seen = ladder(candidate, rates, (*seed, 0), budget)
    ends = next(
        (n for n in range(2, len(rates)) if all_are_past({arm: of[:n] for arm, of in seen.items()})), len(rates)
    )
    coarse = {arm: of_arm[:ends] for arm, of_arm in seen.items()}
    found = []
    for place in range(LADDERS):
        fine = fine_rates(coarse, HIGHEST, RUNGS, (place + 0.5) / LADDERS)
        if fine is not None:
            found.append(ladder(candidate, fine, (*seed, place + 1), budget))
    return found


def searched(candidate: Candidate, seed: tuple[int, ...], budget: Budget = BUDGET) -> Comparison:
    """The comparison at the end of one search."""
    return compare_capacities(ladders_of(candidate, seed, budget), MARGIN, ALPHA)


ROWS = {
    "equal (A/A)": Candidate(),
    "service 3 % longer": Candidate(factor=1.03),
    "capacity exactly at its margin": Candidate(factor=1 / (1 - MARGIN)),
    "service 25 % longer": Candidate(factor=1.25),
    "one server of five lost": Candidate(lost="ldap_bind"),
}


def row(title: str, candidate: Candidate, runs: int, budget: Budget) -> str:
    """A line of the table: verdicts, and how the interval of the change and both estimates lie to what was planted."""
    truth = math.log(planted(candidate.lost) / planted() / candidate.factor)
    found = [searched(candidate, (2016, run), budget) for run in range(runs)]
    shifts = [comparison.shift for comparison in found]
    known = [c.arms["baseline"].over_all.estimate for c in found]
    baselines = [math.log(estimate / planted()) for estimate in known if estimate is not None]
    changes = [shift.estimate for shift in shifts if shift.estimate is not None]
    cells = [
        np.mean([shift.high < shift.margin for shift in shifts]),
        np.mean([shift.low > shift.margin for shift in shifts]),
        math.expm1(truth),
        math.expm1(float(np.mean(changes))),
        np.mean([shift.low <= truth <= shift.high for shift in shifts]),
        math.expm1(float(np.mean(baselines))),
    ]
    return f"| {title} | " + " | ".join(f"{100 * cell:.1f}" for cell in cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="error rates of the search for capacity")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--within-s", type=float, default=BUDGET.within_s)
    options = parser.parse_args()
    print("| candidate | BLOCK % | PASS % | planted change % | found % | in the interval % | baseline off by % |")
    print("|---|---|---|---|---|---|---|")
    for title, candidate in ROWS.items():
        print(row(title, candidate, options.runs, Budget(options.within_s, BUDGET.failure_rate)), flush=True)


if __name__ == "__main__":
    main()
