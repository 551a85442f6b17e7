"""How many cold logins a second one worker sends on time: `make bench` on the embedded domain.

At each rate one worker logs clinicians in for some seconds; printed are what it achieved, how late it sent (send lag),
the CPU that a login cost the generator, and its memory at the start and at the end. The rate that counts is the
highest at which the 99th percentile of the send lag stays under 5 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS
from harness.lab.domain import Lab
from harness.model.policy import Policy
from harness.model.rates import ConstantRate
from harness.model.scenario import Blocks, Population, Scenario
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest

LAG_LIMIT_MS = 5.0
WARM_UP_S = 2.0
"""Not counted: threads and connections are made at first."""


def measure(scenario: Scenario, targets: Targets) -> dict[str, float]:
    """One run of the baseline alone; its figures after the warm-up."""
    with tempfile.TemporaryDirectory() as results:
        folder = execute(
            RunRequest(scenario, targets, Policy(), Path(results), ("baseline",), early_stop=False), lambda _: None
        )
        attempts, health = folder.attempts(), folder.health()
    started = attempts["started"].to_numpy() / 1e9
    counted = started >= WARM_UP_S
    lag_ms = (attempts["started"].to_numpy() - attempts["intended"].to_numpy())[counted] / 1e6
    seconds = (health["t"].to_numpy() / 1e9 >= WARM_UP_S) & (health["started"].to_numpy() > 0)
    rss = health["rss_mb"].to_numpy()
    duration = scenario.blocks.length_s * scenario.blocks.pairs - WARM_UP_S
    achieved = counted.sum() / duration
    ok = np.array([status == "ok" for status in attempts["status"].to_pylist()])
    cpu = health["cpu"].to_numpy()[seconds].mean()
    return {
        "achieved": achieved,
        "failed": float((~ok).sum()),
        "lag p50": float(np.quantile(lag_ms, 0.5)),
        "lag p99": float(np.quantile(lag_ms, 0.99)),
        "cpu": float(cpu),
        "cpu ms": float(cpu / achieved * 1e3),
        "rss from": float(rss[1] if len(rss) > 1 else rss[0]),
        "rss to": float(rss[-1]),
    }


def main() -> int:
    """Print a line a rate, and the highest rate within the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[50, 100, 150, 200, 250])
    parser.add_argument("--seconds", type=float, default=12.0)
    options = parser.parse_args()
    base = load_scenario(SCENARIOS / "morning-rush.yaml")
    table = Table("offered /s", "achieved /s", "failed", "send lag p50 ms", "p99 ms", "CPU ms a login", "CPU", "RSS MB")
    best = 0.0
    with Lab(("baseline",)) as lab:
        targets = Targets.model_validate(lab.targets)
        for rate in options.rates:
            scenario = base.model_copy(
                update={
                    "arrivals": ConstantRate(curve="constant", rate=rate),
                    "population": Population(users=2000, cold_share=1.0),
                    "blocks": Blocks(length_s=options.seconds / 2, trim_s=1, pairs=2),
                }
            )
            found = measure(scenario, targets)
            table.add_row(
                f"{rate:g}",
                f"{found['achieved']:.1f}",
                f"{found['failed']:.0f}",
                f"{found['lag p50']:.2f}",
                f"{found['lag p99']:.2f}",
                f"{found['cpu ms']:.2f}",
                f"{found['cpu']:.0%}",
                f"{found['rss from']:.0f} → {found['rss to']:.0f}",
            )
            if found["lag p99"] < LAG_LIMIT_MS and not found["failed"]:
                best = max(best, found["achieved"])
    Console().print(table)
    Console().print(f"one worker: {best:.0f} cold logins/s with a send lag p99 under {LAG_LIMIT_MS:g} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
