"""How long it takes from a command to its load: keys derived, first logins made, warm caches filled.

Run as ``python -m tests.benchmarks.bench_start``: a run of one arm of the embedded domain, cold and warm logins of
2,000 accounts, each of which is in the plan; it ends where its load would begin.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS
from harness.lab.domain import Lab
from harness.model.plan import make_plan, warm_population
from harness.model.policy import Policy
from harness.model.progress import Preparing, Snapshot
from harness.model.rates import ConstantRate
from harness.model.scenario import Blocks, Population, Scenario
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest


class _BegunError(Exception):
    """The load has begun."""


def started_s(scenario: Scenario, targets: Targets) -> float:
    """The seconds from the start of a run to its load."""

    def until_load(shown: Preparing | Snapshot) -> None:
        if isinstance(shown, Snapshot):
            raise _BegunError

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as results:
        try:
            asked = RunRequest(scenario, targets, Policy(), Path(results), ("baseline",), early_stop=False)
            execute(asked, until_load)
        except _BegunError:
            return time.perf_counter() - began
    raise AssertionError("no load began")


def main() -> int:
    """Print a line for few accounts, which is what everything else takes, and one for many."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=2000)
    arguments = parser.parse_args()
    base = load_scenario(SCENARIOS / "morning-rush.yaml")
    with Lab(("baseline",)) as lab:
        targets = Targets.model_validate(lab.targets)
        for users in (10, arguments.accounts):
            scenario = base.model_copy(
                update={
                    "arrivals": ConstantRate(curve="constant", rate=100),
                    "population": Population(users=users, cold_share=0.5),
                    "blocks": Blocks(length_s=200, trim_s=1, pairs=2),
                }
            )
            plan = make_plan(scenario, ("baseline",))
            planned = len({arrival.user for block in plan.blocks for arrival in block.arrivals})
            took_s = started_s(scenario, targets)
            warm = warm_population(scenario)
            print(f"{planned:,} keys derived and {warm} warm caches filled: load after {took_s:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
