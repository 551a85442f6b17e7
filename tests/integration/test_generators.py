"""Workers on other machines, as which network namespaces serve: each login once, and never a thinner load's PASS."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.lab.domain import Lab
from harness.load.wire import new_key
from harness.model.plan import make_plan
from harness.model.target import Targets
from harness.record.folder import RunFolder
from harness.system.process import free_ports
from tests.helpers.generators import Generator, far_away, generators
from tests.helpers.running import AUTHGATE, NO_LEAK, POLICY, SCENARIO, Inputs, Running, finished, until

pytestmark = pytest.mark.integration
LONG = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 20}}
LATER: dict[str, Any] = {**POLICY, "looks": {**POLICY["looks"], "pass_from": 15}}
COLD: dict[str, Any] = {
    **SCENARIO,
    "population": {"users": 20, "cold_share": 1.0},
    "blocks": {**SCENARIO["blocks"], "pairs": 4},
}
LONGER = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 10}}
UNHURRIED: dict[str, Any] = {
    **POLICY,
    "looks": {**POLICY["looks"], "pass_from": 8},
    "leak": NO_LEAK,
}
"""It passes at pair 8, so that a worker which comes late finds a run."""
CUT_S, SHORT_S = 5.0, 0.5
ONE_WAY_S = 0.05
STILL_S = 3.0
AHEAD_S = 54_321
PATIENCE_S = 60.0


class Site:
    """Four generators before a lab, and a key that their workers share with the master."""

    def __init__(self, lab: Lab, inputs: Inputs, made: Sequence[Generator]) -> None:
        self.lab, self.inputs, self.generators = lab, inputs, made
        self.key = inputs.folder / "key"
        new_key(self.key)
        (self.port,) = free_ports(1)
        self.master = made[0].master
        self.workers: list[subprocess.Popen[str]] = []

    @property
    def address(self) -> str:
        """Where the master listens."""
        return f"{self.master}:{self.port}"

    def start(self, scenario: object, policy: object, *more: str, clocks: Sequence[int] = (0, 0, 0, 0)) -> Running:
        """A gate that listens, and a worker on each generator; until load flows."""
        for generator, clock_s in zip(self.generators, clocks, strict=True):
            self.workers.append(generator.worker(self.key, self.port, clock_s=clock_s))
        return Running(self.command(scenario, policy, 4, *more), self.inputs)

    def command(self, scenario: object, policy: object, workers: int, *more: str, targets: object = None) -> list[str]:
        """A gate that listens for so many workers."""
        command = self.inputs.command(targets or self.lab.targets, scenario, policy)
        command += ["--listen", self.address, "--expect-workers", str(workers), "--key", str(self.key)]
        return [*command, *more]

    def close(self) -> None:
        """End what is left of the workers, and show what they said."""
        for worker in self.workers:
            for process in [*psutil.Process(worker.pid).children(recursive=True)] if worker.poll() is None else []:
                process.kill()
            worker.kill()
            print(worker.communicate()[0])  # for whoever reads of a failure


@pytest.fixture
def site(lab: Lab, inputs: Inputs) -> Iterator[Site]:
    targets = Targets.model_validate(lab.targets)
    ports = sorted({endpoint.port for target in targets.arms.values() for endpoint in target.endpoints})
    with ExitStack() as stack:
        made = stack.enter_context(generators(4, ports))
        found = Site(lab, inputs, made)
        stack.callback(found.close)
        yield found


def test_networks_that_a_killed_test_run_left_are_taken_down_and_none_takes_another_ones_address() -> None:
    """Else the master's own address leads into what was left, and no worker reaches it."""
    asleep = "import time\nfrom tests.helpers.generators import generators\nwith generators(1, []) as made:\n    "
    asleep += "print(made[0].master, made[0].name, flush=True)\n    time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", asleep], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    address, name = other.stdout.readline().split()
    with generators(1, []) as (beside,):
        assert beside.master != address
        assert Path("/run/netns", name).exists(), "the other run lives: its network is its own"
        other.kill()
        other.communicate()
    with generators(1, []):
        assert not Path("/run/netns", name).exists()


def test_four_generators_give_the_verdict_and_the_master_has_each_login_once(site: Site, inputs: Inputs) -> None:
    """Their clocks are hours apart: all begin together, and no duration depends on it."""
    running = site.start(LONGER, UNHURRIED, "--send-accounts", clocks=(0, AHEAD_S, 0, 2 * AHEAD_S))
    late = site.generators[0].worker(site.key, site.port)
    site.workers.append(late)
    code, said = running.end()
    assert code == 0, said
    folder = RunFolder.open(inputs.run)
    plan = make_plan(folder.scenario())
    rows = inputs.attempts().select(["seq", "pair", "started", "ended", "intended"]).to_pylist()
    judged = range(1 + inputs.verdict()["pairs_used"])
    there = Counter(row["seq"] for row in rows if row["pair"] in judged)
    assert there == Counter(a.seq for block in plan.blocks if block.pair in judged for a in block.arrivals)
    manifest = folder.manifest()
    assert manifest["lacking"] == [] and manifest["workers"] == 2
    apart = sorted(round(clock["offset_ms"] / 1e3) for clock in manifest["clocks"].values())
    assert apart == [-2 * AHEAD_S, -AHEAD_S], manifest["clocks"]
    assert all(0 <= clock["error_ms"] < 5 for clock in manifest["clocks"].values()), manifest["clocks"]
    assert all(worker.wait(PATIENCE_S) == 0 for worker in site.workers[:4])
    assert late.wait(PATIENCE_S) == 2
    said = late.communicate()[0]
    assert "the master refuses this worker: it came when the shares of the run had been given" in said
    site.workers.remove(late)
    log = (inputs.run / "locust.log").read_text(encoding="utf-8")
    assert "was refused: it came when the shares of the run had been given" in log


def test_every_generator_is_looked_at_before_a_run(site: Site, inputs: Inputs) -> None:
    for generator, clock_s in zip(site.generators[:2], (0, AHEAD_S), strict=True):
        site.workers.append(generator.worker(site.key, site.port, clock_s=clock_s))
    files = {name: inputs.write(name, what) for name, what in (("s", SCENARIO), ("t", site.lab.targets))}
    command = [*AUTHGATE, "doctor", "--scenario", str(files["s"]), "--targets", str(files["t"]), "--json"]
    done = finished([*command, "--listen", site.address, "--expect-workers", "2", "--key", str(site.key)])
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert len({check["where"].partition(":")[0] for check in checks}) == 2
    clocks = {check["found"] for check in checks if check["check"] == "clock against the master's"}
    assert "the same" in clocks and any("known to within" in found for found in clocks)
    wanted = {"versions", "processors", "open files", "ports", "credentials", "accounts"}
    assert wanted <= {check["check"] for check in checks}


def test_a_generator_that_is_cut_off_for_5_s_makes_the_run_invalid_and_what_it_measured_follows(
    site: Site, inputs: Inputs
) -> None:
    running = site.start(LONG, LATER)
    pulled = site.generators[3]
    pulled.pull(True)
    time.sleep(CUT_S)
    pulled.pull(False)
    code, said = running.end()
    assert code == 30, said
    verdict, manifest = inputs.verdict(), RunFolder.open(inputs.run).manifest()
    assert verdict["verdict"] == "INVALID" and "was silent for 3 s" in verdict["partial"]
    assert manifest["lacking"] == [], "it came back, with all that it had measured meanwhile"
    assert not any("not there" in reason or "damaged" in reason for reason in verdict["reasons"])
    assert set(Counter(inputs.attempts()["seq"].to_pylist()).values()) == {1}


def test_a_master_far_away_that_stands_still_for_3_s_and_a_short_cut_cost_nothing(site: Site, inputs: Inputs) -> None:
    """A tenth of a second to two of the generators and back: how wrong their clocks may be is known, and said."""
    (far,) = free_ports(1)
    with far_away(site.master, site.port, far, ONE_WAY_S):
        for generator, port in zip(site.generators, (site.port, far, site.port, far), strict=True):
            site.workers.append(generator.worker(site.key, port))
        running = Running(site.command(SCENARIO, POLICY, 4), inputs)
        running.kill("master", how=signal.SIGSTOP)
        time.sleep(STILL_S)
        running.kill("master", how=signal.SIGCONT)
        time.sleep(SHORT_S)
        site.generators[2].pull(True)
        time.sleep(SHORT_S)
        site.generators[2].pull(False)
        code, said = running.end()
    assert code == 0, said
    manifest, rows = RunFolder.open(inputs.run).manifest(), inputs.attempts()["seq"].to_pylist()
    assert manifest["lacking"] == [] and len(set(rows)) == len(rows)
    errors = sorted(clock["error_ms"] for clock in manifest["clocks"].values())
    assert all(1e3 * ONE_WAY_S <= error < 3e3 * ONE_WAY_S for error in errors[-2:]), errors
    assert all(abs(clock["offset_ms"]) <= clock["error_ms"] for clock in manifest["clocks"].values()), manifest


ODD = {
    "expected authgate": "import harness.version\nharness.version.__version__ = '0.0.9'\n",
    "targets: expected": "from harness.model.target import Targets\nTargets.model_dump_json = lambda self: 'others'\n",
}
"""What a worker is started with that has another version, or other targets; by what is said of it on both sides."""


@pytest.mark.parametrize("why", list(ODD))
def test_a_worker_that_is_not_like_its_master_is_refused_with_a_message_on_both_sides(
    site: Site, inputs: Inputs, tmp_path: Path, why: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ODD[why], encoding="utf-8")
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", str(Path.cwd()))))
    odd = site.generators[1].worker(site.key, site.port, environment={"PYTHONPATH": path})
    site.workers += [site.generators[0].worker(site.key, site.port), odd]
    done = finished(site.command(SCENARIO, POLICY, 2))
    assert done.returncode == 2 and why in done.stderr, done.stdout + done.stderr
    assert len(inputs.attempts()) == 0, "nothing was sent"
    said, _ = odd.communicate(timeout=PATIENCE_S)
    assert odd.returncode == 2 and f"the master refuses this worker: {why}" in said, said
    site.workers.remove(odd)


def test_an_account_that_was_denied_on_one_generator_is_tried_on_no_other_at_the_next_run(
    site: Site, inputs: Inputs, tmp_path: Path
) -> None:
    targets = site.lab.targets
    file = Path(targets["arms"]["candidate"]["credentials"]["csv"])
    lines = file.read_text(encoding="utf-8").splitlines()
    user, place = lines[9].split(",")[0], 9
    wrong = tmp_path / "wrong.csv"
    wrong.touch(mode=0o600)
    wrong.write_text("\n".join([*lines[:place], f"{user},not-it", *lines[place + 1 :]]), encoding="utf-8")
    targets["arms"]["candidate"]["credentials"] = {"csv": str(wrong)}
    log = site.lab.arms["candidate"].folder / "kdc.log"

    def tried() -> int:
        return log.read_text(encoding="utf-8").count(f"PREAUTH_FAILED: {user}@")

    codes = []
    for run in range(2):
        for number, generator in enumerate(site.generators[2 * run : 2 * run + 2]):
            cache = {"XDG_CACHE_HOME": str(tmp_path / f"machine-{run}-{number}")}
            site.workers.append(generator.worker(site.key, site.port, environment=cache))
        command = [*site.command(COLD, POLICY, 2, targets=targets), "--results", str(tmp_path / f"results-{run}")]
        done = finished(command)
        codes.append(done.returncode)
        assert tried() == 1, f"once, and on one machine: {done.stderr}"
        for worker in site.workers[-2:]:
            worker.wait(PATIENCE_S)
    assert codes[1] == 2 and codes[0] != 2, codes
    said = rf"{user} was denied \d min ago, by the credentials that are there now"
    assert re.search(said, done.stderr), done.stderr


def test_a_generator_that_is_killed_makes_the_run_invalid_and_the_run_says_whose_logins_are_missing(
    site: Site, inputs: Inputs
) -> None:
    running = site.start(LONG, LATER)
    for process in psutil.Process(site.workers[1].pid).children(recursive=True):
        process.send_signal(signal.SIGKILL)
    code, said = running.end()
    assert code == 30, said
    (lacking,) = RunFolder.open(inputs.run).manifest()["lacking"]
    assert lacking.split()[0] in ("baseline", "candidate") and lacking in json.dumps(inputs.verdict()["partial"])


def test_a_killed_master_ends_the_load_of_its_workers(site: Site, inputs: Inputs) -> None:
    running = site.start(LONG, LATER)
    running.kill("master")
    code, said = running.end()
    assert code == 30, said
    log = site.lab.arms["baseline"].folder / "kdc.log"
    time.sleep(8)  # a worker waits 5 s for its master
    before = log.stat().st_size
    time.sleep(3)
    assert log.stat().st_size == before
    until(lambda: running.none_left(), PATIENCE_S, "the gate left something")
