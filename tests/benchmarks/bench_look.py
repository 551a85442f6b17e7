"""How long a look of the judge takes while a run grows to 10 million logins, and how much memory the run holds.

Run as ``python -m tests.benchmarks.bench_look [--logins 10000000]``. Pairs of logins of six steps come as from the
journals; after each the judge looks, by all that a gate's watch does at a look but the reading of the journals.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
import pyarrow.compute as pc

from harness.model.plan import NS, make_plan
from harness.model.policy import Policy
from harness.model.target import ARMS
from harness.run.assess import Assessor, Ending
from harness.run.audit import AttemptAudit, audit_health
from harness.run.growing import Growing
from tests.benchmarks.bench_report import health_of, of_block, scenario_of

TOLD_EVERY = 10
PAIRS = 600


def main() -> int:
    """Look after each pair; print the slowest look of each tenth of the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logins", type=int, default=10_000_000, help="of both arms together (%(default)s)")
    arguments = parser.parse_args()
    scenario, policy = scenario_of(arguments.logins // len(ARMS), PAIRS), Policy()
    plan = make_plan(scenario)
    rng, health = np.random.default_rng(plan.seed), health_of(plan)
    assessor = Assessor(scenario, policy, plan)
    growing = Growing(assessor, AttemptAudit(scenario, plan), plan)
    looks: list[float] = []
    seen = 0
    pairs = scenario.blocks.pairs
    for pair in range(pairs):
        blocks = plan.of_pairs(range(pair, pair + 1))
        for block in blocks:
            table = of_block(block, scenario, rng)
            seen += len(table)
            for batch in table.to_batches():
                growing.add(batch)
        until = max(block.start + block.length for block in blocks)
        told = health.filter(pc.less_equal(health["t"], until + NS))
        began = time.perf_counter()
        seconds = audit_health(told, plan, ARMS)
        found = assessor.concluded(growing.look(), seconds.table, Ending(complete=False), (), growing.faults)
        looks.append(time.perf_counter() - began)
        if (pair + 1) % (pairs // TOLD_EVERY) == 0:
            latest = looks[-(pairs // TOLD_EVERY) :]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(
                f"{seen:>12,} logins, {pair + 1} pairs: a look took {np.median(latest):.3f} s in the median, "
                f"{max(latest):.3f} s at most; {growing.held:,} logins held, {peak:.2f} GiB at most; "
                f"{found.verdict.kind.name}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
