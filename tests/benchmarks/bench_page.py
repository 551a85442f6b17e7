"""What the gate's page costs: the run that it shows, the process that serves it, and Locust's master of plain tests.

Run as ``python -m tests.benchmarks.bench_page [--logins 1000000] [--rate 300]``. A run of so many logins is counted as
its watch counts it, and its live file is written as it is once a second; four workers' shares are told as a plain
test's master tells them. Printed are milliseconds of CPU, the median, the slowest and the first of each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harness.config import shipped
from harness.config.load import load_scenario
from harness.gate.judge import judge
from harness.load.progress import Progress, Share
from harness.model.attempt import OK, Attempt, Outcome, StepTiming
from harness.model.plan import NS, make_plan
from harness.model.policy import Policy
from harness.model.progress import Look, Preparing, Snapshot
from harness.model.target import ARMS
from harness.record.schema import attempts_batch
from harness.report.language import SWEDISH
from harness.run.tally import Tally
from harness.run.watch import LIVE_WINDOW_S
from harness.webui.host import GateHost
from harness.webui.live import WATCHED, LiveFile
from tests.helpers.synthetic import ENDED, HEALTH, World, compared

WORKERS, PAGES, REPEATS = 4, 10, 50
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
POLICY = Policy()


def second_of_logins(at: int, rate: int, blocks: int, rng: np.random.Generator) -> Any:
    """One second's logins as a worker's journal has them; 1 in 200 failed."""
    logins = []
    for number in range(rate):
        due = at * NS + number * NS // rate
        took = rng.lognormal(0, 0.3, len(STEPS)) * 2e6
        ends = due + np.cumsum(took).astype(np.int64)
        bad = rng.uniform() < 1 / 200
        outcome = Outcome("error", "LDAP 51 busy") if bad else OK
        steps = [
            StepTiming(step, int(ends[place] - int(took[place])), int(ends[place]), outcome if place == 3 else OK)
            for place, step in enumerate(STEPS)
        ]
        arm = ARMS[at // 15 % 2]
        logins.append(
            Attempt(seq=at * rate + number, arm=arm, block=at // 15 % blocks, pair=at // 30 % (blocks // 2),
                    user=f"u{number:06}", cohort="cold", intended=due, started=due + 300_000, ended=int(ends[-1]),
                    outcome=outcome, steps=tuple(steps))
        )  # fmt: skip
    return attempts_batch(logins)


def run_of(logins: int, rate: int) -> tuple[Tally, int]:
    """A tally of so many logins, of which the last minutes differ from each other, and the instant of the last."""
    plan = make_plan(load_scenario(shipped.find("morning-rush", shipped.SCENARIOS)))
    tally, rng = Tally(plan, LIVE_WINDOW_S), np.random.default_rng(2016)
    seconds = logins // rate
    early = second_of_logins(0, rate, len(plan.blocks), rng)
    for at in range(seconds):
        tally.add(second_of_logins(at, rate, len(plan.blocks), rng) if at > seconds - 90 else early)
        if at % 60 == 0:
            tally.recent(at * NS)
    return tally, seconds * NS


def snapshot_of(tally: Tally, now: int) -> Snapshot:
    """What the watch hands to its displays."""
    comparison = compared(World(pairs=30, noise=0.1))
    look = Look(judge(comparison, HEALTH, ENDED, POLICY), comparison, HEALTH)
    row = {
        "started": 150,
        "send_lag_p99_ms": 2.1,
        "hub_stall_p99_ms": 3.0,
        "cpu": 0.4,
        "busy_seats": 9,
        "rss_mb": 210.0,
    }
    return Snapshot(
        block=60, blocks=80, arms=("baseline",), pairs_judged=30, offered=300.0, achieved=299.0,
        latencies={"baseline": (0.1, 0.2), "candidate": (0.1, 0.2)}, look=look, left_s=300.0, length_s=1200.0,
        pass_from_s=600.0, failed=dict.fromkeys(ARMS, (10, 500000)), failures=tally.failures,
        generators=dict.fromkeys(ARMS, row), recent=tally.recent(now), now=now,
    )  # fmt: skip


def cost_ms(work: Callable[..., object], prepare: Callable[[], tuple[object, ...]] = tuple) -> np.ndarray:
    """Milliseconds of this process's CPU that each of several repeats took, on what was prepared for it."""
    took = []
    for _ in range(REPEATS):
        given = prepare()
        began = time.process_time_ns()
        work(*given)
        took.append((time.process_time_ns() - began) / 1e6)
    return np.array(took)


def measured(logins: int, rate: int, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each thing that is done because of a page, or for want of one, and what it cost."""
    tally, now = run_of(logins, rate)
    snapshot = snapshot_of(tally, now)
    live, run = LiveFile(), folder / "20261128T000000Z-run-abc123"
    run.mkdir()
    scenario = load_scenario(shipped.find("morning-rush", shipped.SCENARIOS))
    live(Preparing(str(run), scenario, POLICY, ARMS))
    yield "run, nobody looks", cost_ms(lambda: live(snapshot))
    yield (
        f"run, looked at ({tally.total:,} logins)",
        cost_ms(lambda now_: _written(live, run, now_), lambda: (replace(snapshot, recent=tally.recent(now)),)),
    )
    host = GateHost(folder)
    try:
        yield f"page's server, {PAGES} pages", cost_ms(lambda: _read(host, PAGES))
        yield f"page's server, {PAGES} pages in Swedish", cost_ms(lambda: _read(host, PAGES, True))
    finally:
        host.close()
    shares = {str(i): Share(str(i), i, logins // WORKERS, ended=logins // WORKERS) for i in range(WORKERS)}
    progress = Progress("running", "", "a test", 200, "results/x", time.time(), 600.0, shares)
    yield f"Locust's master, {WORKERS} workers", cost_ms(lambda: json.dumps(progress.as_json()))


def _written(live: LiveFile, run: Path, snapshot: Snapshot) -> None:
    (run / WATCHED).touch()
    live._written = 0.0  # a second has gone by
    live._look = (None, {})  # and the judge has looked, which it does once a pair
    live(snapshot)


def _read(host: GateHost, pages: int, swedish: bool = False) -> None:
    host._looked = 0.0  # half a second has gone by
    for _ in range(pages):
        host.text(SWEDISH) if swedish else host.text()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logins", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=300)
    asked = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        for what, took in measured(asked.logins, asked.rate, Path(folder)):
            print(f"{what:45} {np.median(took):8.3f} ms, at most {took[1:].max():8.3f}, the first {took[0]:8.3f} ms")


if __name__ == "__main__":
    main()
