"""How often a soak errs: hours of one arm, simulated login by login in the drifting world of the gate's own benchmark.

    python -m tests.benchmarks.soak [--runs 2000] [--jobs 2] [ROW …]

Prints, for each row and length, the share of soaks that BLOCK and PASS, and for comparison how often plain least
squares on the same blocks would have blocked at the same p. Simulated findings alone: generator and ending are sound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.stats import linregress

from harness.gate.soak import soak_findings
from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.stats.soak import soak_of
from harness.studies.soak import BLOCKS
from tests.benchmarks.operating_characteristics import world
from tests.benchmarks.operating_characteristics.environments import GRID_S, USUAL, surroundings

RATE = 10.0
QUARTER_S = 15.0
POLICY = Policy()


@dataclass(frozen=True)
class Row:
    """One arm: ``growth`` a minute, a cold start that begins ``fade`` slower, surroundings that drift in ``tau_s``."""

    title: str
    growth: float = 0.0
    fade: float = 0.0
    fade_min: float = 5.0
    tau_s: float = USUAL.drift_tau_s
    failing: float = 0.001
    failing_growth_per_hour: float = 0.0


ROWS = {
    "none": Row("no leak"),
    "leak-0.05": Row("leak of 0.05 % a minute (at the margin)", growth=0.0005),
    "leak-0.1": Row("leak of 0.1 % a minute", growth=0.001),
    "leak-0.2": Row("leak of 0.2 % a minute", growth=0.002),
    "leak-0.4": Row("leak of 0.4 % a minute", growth=0.004),
    "fade": Row("no leak, cold start +50 % that fades in 5 min", fade=0.5),
    "fade-15": Row("no leak, cold start +50 % that fades in 15 min", fade=0.5, fade_min=15),
    "warms": Row("no leak, start 20 % faster, fades in 5 min", fade=-0.2),
    "warms-15": Row("no leak, start 20 % faster, fades in 15 min", fade=-0.2, fade_min=15),
    "fade-leak": Row("leak of 0.1 % a minute behind a cold start +50 % (5 min)", growth=0.001, fade=0.5),
    "drift-300": Row("no leak, drift of τ 5 min", tau_s=300),
    "drift-600": Row("no leak, drift of τ 10 min", tau_s=600),
    "failures": Row("failures grow by 0.5 points an hour", failing_growth_per_hour=0.005),
}


def simulate(row: Row, hours: float, seed: tuple[int, ...]) -> tuple[AttemptTable, Design]:
    """Every login of one soak; each block finds the pools idle, as at 10 logins a second they nearly always are."""
    arrivals, environment, own, single = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    block_s = hours * 3600 / BLOCKS
    counts = arrivals.poisson(RATE * block_s, BLOCKS)
    drawn = arrivals.uniform(0.0, block_s, (BLOCKS, counts.max()))
    offsets = np.sort(np.where(np.arange(counts.max()) < counts[:, None], drawn, np.inf), axis=1)
    here = np.isfinite(offsets)
    wall_s = np.arange(BLOCKS)[:, None] * block_s + np.where(here, offsets, 0.0)
    minute = wall_s / 60
    shared = surroundings(hours * 60, environment, replace(USUAL, drift_tau_s=row.tau_s))
    # What a quarter of a minute has of its own, as a block in the gate's benchmark.
    quarter = np.exp(own.normal(0.0, world.BLOCK_SD, int(hours * 240) + 1))
    factor = shared[(wall_s / GRID_S).astype(np.int64)] * quarter[(wall_s / QUARTER_S).astype(np.int64)]
    factor *= (1.0 + row.growth) ** minute * (1.0 + row.fade * np.exp(-minute / row.fade_min))
    failing = single.uniform(size=wall_s.shape) < row.failing + row.failing_growth_per_hour * minute / 60
    ready = offsets
    steps = {}
    for pool in world.POOLS:
        service = pool.mean_s * factor * np.exp(world.SIGMA * single.standard_normal(wall_s.shape) - world.SIGMA**2 / 2)
        service[single.uniform(size=wall_s.shape) < world.SLOW_SHARE] *= world.SLOW_FACTOR
        ended = world.served(ready, service, np.full(BLOCKS, pool.servers))
        steps[pool.name] = (ended - np.where(here, ready, 0.0))[here]
        ready = ended
    status = np.where(failing[here], STATUSES.index("error"), 0).astype(np.int8)
    n = int(here.sum())
    rows = np.arange(n)
    ok = np.zeros(n, dtype=np.int8)
    response_s = (ready - np.where(here, offsets, 0.0))[here]
    block = np.nonzero(here)[0]
    table = AttemptTable(
        arm=np.ones(n, dtype=np.int8), block=block, pair=block.copy(), offset_s=offsets[here], intended_s=wall_s[here],
        cohort=np.zeros(n, dtype=np.int8), status=status, response_s=response_s, service_s=response_s.copy(),
        steps={name: StepColumns(rows, took_s, ok) for name, took_s in steps.items()},
    )  # fmt: skip
    return table, Design(block_s, 0.0, BLOCKS, world.TIMEOUT_S)


def judged(name: str, hours: float, run: int) -> tuple[bool, bool, bool, float, float]:
    """Whether one soak blocks, passes, would block by least squares; the slope of ln p50 and its standard error."""
    table, design = simulate(ROWS[name], hours, (run, round(hours * 60)))
    soak = soak_of(table, "candidate", design, POLICY, range(BLOCKS))
    decisions = {finding.decision for finding in soak_findings(soak, POLICY)}
    plain = linregress(soak.blocks.minute, np.log(soak.blocks.p50), alternative="greater").pvalue
    growth = soak.growth("p50")
    assert growth is not None
    return ("block" in decisions, decisions <= {"pass", "notice"}, plain < POLICY.leak.block_p,
            growth.slope, soak.fade.minutes if soak.fade else 0.0)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate and print; the rows that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--hours", type=float, nargs="*", default=[1.0, 2.0, 4.0])
    options = parser.parse_args(argv)
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in options.rows or ROWS:
            for hours in options.hours:
                found = np.array(list(pool.map(partial(judged, name, hours), range(options.runs), chunksize=8)))
                block, passed, plain, slope, _ = found.mean(axis=0)
                print(
                    f"{ROWS[name].title:60} {hours:3g} h  BLOCK {block:7.2%}  PASS {passed:7.2%}  "
                    f"p50 by least squares {plain:7.2%}  slope {slope:+.4%} ± {found[:, 3].std():.4%} a minute  "
                    f"fade shown {np.mean(found[:, 4] > 0):.1%}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
