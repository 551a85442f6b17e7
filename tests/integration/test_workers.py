"""Several workers an arm: the same verdicts as by one, each login once, and never a PASS from a thinner load."""

from __future__ import annotations

import math
import signal
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.lab.domain import Lab
from harness.model.plan import make_plan
from harness.model.shard import owners
from harness.record.calibration import read
from harness.record.folder import RunFolder
from harness.system.process import free_ports
from tests.helpers.running import AUTHGATE, POLICY, SCENARIO, Inputs, Running, finished, unless_late, until

pytestmark = pytest.mark.integration
TWO = ("--workers", "2")
SHORT = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 4}}
LONG = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 20}}
LATER: dict[str, Any] = {**POLICY, "looks": {**POLICY["looks"], "pass_from": 15}}
"""It doesn't pass before pair 15, so that there is time to stop something."""
INVALID_WITHIN_S = 40.0
"""An upper bound on 3 s of silence and on what a busy machine needs to notice and to report."""


def test_equal_arms_pass_by_two_workers_each_and_each_login_is_there_once(lab: Lab, inputs: Inputs) -> None:
    done = unless_late(inputs, [*inputs.command(lab.targets), *TWO], or_undecided=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert inputs.verdict()["verdict"] == "PASS"
    folder = RunFolder.open(inputs.run)
    scenario, plan = folder.scenario(), make_plan(folder.scenario())
    rows = inputs.attempts().select(["seq", "arm", "pair"]).to_pylist()
    assert {row["arm"] for row in rows} == {"baseline", "candidate"}
    judged = range(1 + inputs.verdict()["pairs_used"])
    there = Counter(row["seq"] for row in rows if row["pair"] in judged)
    assert there == Counter(a.seq for block in plan.blocks if block.pair in judged for a in block.arrivals)
    owner = owners(plan, scenario, folder.workers())
    assert set(owner.tolist()) == {0, 1} and folder.workers() == 2
    health = folder.health()
    seconds = Counter(zip(health["arm"].to_pylist(), health["worker"].to_pylist(), strict=True))
    assert seconds.keys() == {(arm, worker) for arm in ("baseline", "candidate") for worker in (0, 1)}
    assert not list(inputs.run.glob("*.arrows"))
    page = (inputs.run / "report.html").read_text(encoding="utf-8")
    assert "load workers" in page
    again = finished([*AUTHGATE, "compare", str(inputs.run)])
    assert again.returncode == 0, "the same verdict comes from what is on disk"


@pytest.mark.parametrize(
    ("how", "said"), [(signal.SIGKILL, "lost"), (signal.SIGSTOP, "was silent for 3 s")], ids=["killed", "frozen"]
)
def test_one_of_an_arm_s_workers_that_stops_makes_the_run_invalid_and_keeps_what_was_measured(
    lab: Lab, inputs: Inputs, how: signal.Signals, said: str
) -> None:
    running = Running([*inputs.command(lab.targets, LONG, LATER), *TWO], inputs)
    before = running.attempts_on_disk()
    running.kill("candidate", worker=1, how=how)
    began = time.monotonic()
    code, told = running.end()
    assert code == 30, told
    assert time.monotonic() - began < INVALID_WITHIN_S
    verdict = inputs.verdict()
    assert verdict["verdict"] == "INVALID"
    assert "candidate worker 2 of 2" in verdict["partial"] and said in verdict["partial"]
    assert any("one of its 2 load workers was lost" in reason for reason in verdict["reasons"])
    assert len(inputs.attempts()) >= before
    assert running.none_left(), [process.status() for process in running.family if psutil.pid_exists(process.pid)]


def test_a_calibration_runs_the_baseline_against_itself_by_workers_that_stay_and_keeps_the_noise(
    lab: Lab, inputs: Inputs
) -> None:
    """Its runs are as those of a search for capacity: the same workers come to each."""
    (port,) = free_ports(1)
    there = ["--master", f"127.0.0.1:{port}", "--count", "2", "--stay"]
    _, *command = inputs.command(lab.targets, SHORT)[len(AUTHGATE) :]
    listening = ["--listen", f"127.0.0.1:{port}", "--expect-workers", "2", "--repeats", "2", "-q"]
    with subprocess.Popen([*AUTHGATE, "worker", *there], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as worker:
        try:
            done = finished([*AUTHGATE, "calibrate", *command, *listening])
            assert worker.poll() is None
        finally:
            family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
            worker.terminate()  # a shell in the background hands down an ignored SIGINT
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [RunFolder.open(path) for path in inputs.results.iterdir() if path.is_dir()]
    assert len(runs) == 2
    for run in runs:
        assert run.manifest()["elsewhere"] and run.manifest()["lacking"] == []
        assert len(run.attempts()) == sum(map(sum, run.shares().values()))
        arms = run.manifest()["targets"]["arms"]
        assert arms["baseline"]["kdcs"] == arms["candidate"]["kdcs"]
    file = inputs.results / "calibration-small-test.json"
    kept = read(file)
    assert kept.verdicts.get("BLOCK", 0) == 0 and sum(kept.verdicts.values()) == len(kept.runs) == 2
    (p50,) = (noise for noise in kept.noise if noise.metric.key == "cold/login/p50/expected")
    assert 0 < p50.pair_sd < 2 and p50.deployments is None
    assert p50.levels is not None and p50.levels.freedom == 1
    planned = finished([*AUTHGATE, "plan", command[0], *command[3:5], "--slowdown", "9", "--noise", str(file)])
    assert planned.returncode == 0, planned.stderr
    assert "cold login p50" in planned.stdout
    until(lambda: not any(process.is_running() for process in family), 60, "a worker that was ended stayed")


def test_denials_on_several_workers_stop_the_run_together_and_no_denied_account_is_tried_again(
    lab: Lab, inputs: Inputs, tmp_path: Path
) -> None:
    """Each worker sees two of the wrong passwords, too few to stop for; together they are too many."""
    targets = lab.targets
    right = Path(targets["arms"]["candidate"]["credentials"]["csv"]).read_text(encoding="utf-8").splitlines()
    wrong = tmp_path / "wrong.csv"
    wrong.touch(mode=0o600)
    changed = {f"{line.split(',')[0]},not-it" for line in right[8:16]}
    names = {line.split(",")[0] for line in changed}
    lines = [f"{line.split(',')[0]},not-it" if line.split(",")[0] in names else line for line in right]
    wrong.write_text("\n".join(lines), encoding="utf-8")
    targets["arms"]["candidate"]["credentials"] = {"csv": str(wrong)}
    cold = {**LONG, "population": {"users": 20, "cold_share": 1.0}}
    done = finished([*inputs.command(targets, cold, LATER), "--workers", "4"])
    assert done.returncode in (10, 30), done.stdout + done.stderr
    assert "denied" in done.stdout
    rows = inputs.attempts().select(["user", "status", "started", "ended"]).to_pylist()
    by_user: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["status"] == "denied":
            by_user[row["user"]].append(row)
    assert by_user.keys() <= names and len(by_user) >= 5
    for user, denied in by_user.items():
        known = min(row["ended"] for row in denied)
        sent = [row["started"] for row in rows if row["user"] == user and row["status"] != "withheld"]
        # Each worker hears of it from the master, as soon as this machine lets both run.
        assert max(sent) <= known + 2e9, "withheld everywhere"
        withheld = [row["started"] for row in rows if row["user"] == user and row["status"] == "withheld"]
        assert max(row["started"] for row in denied) <= min(withheld, default=math.inf)
    log = (lab.arms["candidate"].folder / "kdc.log").read_text(encoding="utf-8").splitlines()
    for user in by_user:
        assert sum(f"PREAUTH_FAILED: {user}@" in line for line in log) == len(by_user[user])
