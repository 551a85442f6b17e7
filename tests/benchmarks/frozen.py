"""A directory that is frozen for 2 s in a minute of 50 logins/s: what authgate tells of it, and a closed loop.

Run as ``python -m tests.benchmarks.frozen``; it prints a table in Markdown. The ideal is computed from the plan: a
login that was due while the directory stood still waits until it goes on, and takes then what a login took before; all
others take what they took. So it knows of no queue when the directory goes on, which the real servers have. The closed
loop is a Locust test of as many logins a second, whose users wait for an answer before they go on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS
from harness.lab.domain import Lab
from harness.model.policy import Policy
from harness.model.progress import Preparing, Snapshot
from harness.model.rates import ConstantRate
from harness.model.scenario import Blocks, Population
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest
from tests.helpers.running import stopped

SLOW_S = 1.0
USERS = 10
CLOSED = """
import os
from locust import User, constant_pacing, events, task
from harness.load import LoginClient

class Clinician(User):
    wait_time = constant_pacing({pacing})

    def on_start(self):
        self.login = LoginClient(self.environment, targets=os.environ["TARGETS"], arm="baseline")
        self.turn = iter(range(hash(self) % 997, 1 << 30))

    @task
    def sits_down(self):
        with self.login(self.login.users[next(self.turn) % len(self.login.users)]) as login:
            login.kdc_as()
            login.kdc_tgs_ldap()
            login.ldap_connect()
            login.ldap_bind()
            login.ldap_own_entry()
            login.ldap_groups()

@events.request.add_listener
def note(name, response_time, **_):
    if name == "login":
        with open(os.environ["NOTED"], "a") as file:
            print(response_time / 1000, file=file)
"""


@dataclass(frozen=True, slots=True)
class Freeze:
    """When the directory stood still, in seconds since 1970."""

    began: float
    ended: float


def freeze(pid: int, after_s: float, length_s: float, found: list[Freeze]) -> None:
    """Stop a process some time from now, and let it go on."""
    time.sleep(after_s)
    began = time.time()
    with stopped(pid):
        time.sleep(length_s)
    found.append(Freeze(began, time.time()))


def measured(lab: Lab, rate: float, seconds: float, length_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The response times (s) of authgate's logins, and those that an ideal open generator would have seen."""
    scenario = load_scenario(SCENARIOS / "morning-rush.yaml").model_copy(
        update={
            "arrivals": ConstantRate(curve="constant", rate=rate),
            "population": Population(users=2000, cold_share=1.0),
            "blocks": Blocks(length_s=seconds / 2, trim_s=1, pairs=2),
            "seats": 500,
        }
    )
    found: list[Freeze] = []
    pid, threads = lab.arms["baseline"].slapd_pid, []

    def once(seen: Snapshot | Preparing) -> None:
        if isinstance(seen, Snapshot) and not threads:  # load flows
            threads.append(threading.Thread(target=freeze, args=(pid, seconds / 2, length_s, found)))
            threads[0].start()

    with tempfile.TemporaryDirectory() as results:
        request = RunRequest(
            scenario, Targets.model_validate(lab.targets), Policy(), Path(results), ("baseline",), False
        )
        folder = execute(request, once)
        attempts, origin = folder.attempts(), float(folder.manifest()["origin_wall"])
    threads[0].join()
    due = origin + attempts["intended"].to_numpy() / 1e9
    took = (attempts["ended"].to_numpy() - attempts["intended"].to_numpy() - attempts["own"].to_numpy()) / 1e9
    (stop,) = found
    waits = np.where((due >= stop.began) & (due < stop.ended), stop.ended - due, 0.0)
    quiet = took[(due < stop.began - 1) | (due > stop.ended + 5)]
    return took, waits + np.random.default_rng(1).choice(quiet, len(due))


def closed(lab: Lab, rate: float, seconds: float, length_s: float) -> np.ndarray:
    """The response times (s) of a closed Locust test's logins."""
    with tempfile.TemporaryDirectory() as folder:
        lab.write_targets(Path(folder) / "targets.yaml")
        (Path(folder) / "closed.py").write_text(CLOSED.format(pacing=USERS / rate))
        noted = Path(folder) / "noted"
        env = {**os.environ, "TARGETS": str(Path(folder) / "targets.yaml"), "NOTED": str(noted)}
        options = ["-f", "closed.py", "--headless", "--only-summary", "-u", str(USERS), "-r", str(USERS)]
        command = [sys.executable, "-m", "locust", *options, "-t", f"{seconds:.0f}s"]
        running = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found: list[Freeze] = []
        freeze(lab.arms["baseline"].slapd_pid, seconds / 2, length_s, found)
        running.wait(seconds * 2)
        return np.loadtxt(noted)


def row(name: str, took: np.ndarray) -> str:
    """One line of the table."""
    p50, p95, p99 = np.quantile(took, (0.5, 0.95, 0.99)) * 1000
    slow = float(np.mean(took > SLOW_S))
    return f"| {name} | {len(took)} | {slow:.2%} | {p50:.1f} | {p95:.1f} | {p99:.0f} | {took.max() * 1000:.0f} |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--frozen-s", type=float, default=2.0)
    options = parser.parse_args()
    of = (options.rate, options.seconds, options.frozen_s)
    with Lab(("baseline",)) as lab:
        took, ideal = measured(lab, *of)
        loop = closed(lab, *of)
    asked = f"{of[2]:g} s frozen in {of[1]:g} s at {of[0]:g}/s"
    print(f"| {asked} | logins | above 1 s | p50 ms | p95 ms | p99 ms | longest ms |")
    print("|---|---|---|---|---|---|---|")
    print(row("authgate", took))
    print(row("ideal open generator, from the plan", ideal))
    print(row(f"closed loop of {USERS} Locust users", loop))
    return 0


if __name__ == "__main__":
    sys.exit(main())
