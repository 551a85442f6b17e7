"""Whether a worker's memory grows with the logins that it has sent, and by how much it would in a million.

Run as ``python -m tests.benchmarks.bench_memory [--rate 200] [--seconds 200]``: one worker logs clinicians in, cold and
warm. Its resident memory second by second is fitted by a line in the logins sent, without the first quarter of the run,
in which pools and caches fill; the slope's interval is Student's t over ten stretches of the rest. What is said of a
million logins is that line extended, and no measurement.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS
from harness.lab.domain import Lab
from harness.model.attempt import Floats
from harness.model.policy import Policy
from harness.model.rates import ConstantRate
from harness.model.scenario import Blocks, Population, Scenario
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest

STRETCHES = 10


def slope_of(sent: Floats, rss_mb: Floats) -> tuple[float, float]:
    """The growth in MB a million logins, and the half-width of its 95 % interval, from means over stretches."""
    logins, memory = (
        np.array([part.mean() for part in np.array_split(column, STRETCHES)]) for column in (sent, rss_mb)
    )
    centred = logins - logins.mean()
    slope = float((centred * memory).sum() / (centred**2).sum())
    rest = memory - memory.mean() - slope * centred
    error = float(np.sqrt((rest**2).sum() / (STRETCHES - 2) / (centred**2).sum()))
    return slope * 1e6, float(student.ppf(0.975, STRETCHES - 2)) * error * 1e6


def main() -> int:
    """Print memory at the start, after the warm-up and at the end, and its growth."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=200.0)
    arguments = parser.parse_args()
    base = load_scenario(SCENARIOS / "morning-rush.yaml")
    scenario: Scenario = base.model_copy(
        update={
            "arrivals": ConstantRate(curve="constant", rate=arguments.rate),
            "population": Population(users=2000, cold_share=0.7),
            "blocks": Blocks(length_s=arguments.seconds / 4, trim_s=1, pairs=4),
        }
    )
    with Lab(("baseline",)) as lab, tempfile.TemporaryDirectory() as results:
        targets = Targets.model_validate(lab.targets)
        request = RunRequest(scenario, targets, Policy(), Path(results), ("baseline",), early_stop=False, workers=1)
        health = execute(request, lambda snapshot: None).health()
    sent = np.cumsum(health["started"].to_numpy()).astype(np.float64)
    rss_mb = health["rss_mb"].to_numpy()
    from_row = len(sent) // 4
    slope, half = slope_of(sent[from_row:], rss_mb[from_row:])
    print(f"{sent[-1]:,.0f} logins of one worker at {arguments.rate:g}/s")
    print(f"resident memory {rss_mb[0]:.1f} MB at first, {rss_mb[from_row]:.1f} after {sent[from_row]:,.0f}, "
          f"{rss_mb[-1]:.1f} at the end")  # fmt: skip
    print(f"growth {slope:+.1f} ± {half:.1f} MB a million logins, if it goes on so")
    return 0


if __name__ == "__main__":
    sys.exit(main())
