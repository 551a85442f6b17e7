"""All four verdicts and their exit codes, by the command line, on real servers."""

from __future__ import annotations

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.lab.domain import Lab
from harness.model.fault import Hold
from harness.record.calibration import read, save
from tests.helpers.running import AUTHGATE, POLICY, SCENARIO, Inputs, finished, unless_late

pytestmark = pytest.mark.integration
BRIEF = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 4}}


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Any:
    with Lab() as running:
        yield running


def test_equal_arms_pass_with_exit_code_0_and_every_report(lab: Lab, inputs: Inputs) -> None:
    done = unless_late(inputs, inputs.command(lab.targets), or_undecided=True)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = inputs.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("PASS", 0)
    assert 3 <= verdict["pairs_used"] <= SCENARIO["blocks"]["pairs"]
    assert {f["decision"] for f in verdict["findings"]} <= {"pass", "notice", "not judged"}
    names = {path.name for path in inputs.run.iterdir()}
    assert {"report.html", "report.png", "verdict.json", "junit.xml", "summary.md", "manifest.json"} <= names
    assert {"attempts.parquet", "health.parquet"} <= names and not [n for n in names if n.endswith(".arrows")]
    assert not list(ET.parse(inputs.run / "junit.xml").getroot().iter("failure"))
    attempts = inputs.attempts()
    assert set(attempts["status"].to_pylist()) == {"ok"}
    assert set(attempts["arm"].to_pylist()) == {"baseline", "candidate"}
    assert verdict["protocol"] == [], "equal arms differ in nothing on the wire"
    shown = json.loads((inputs.run / "protocol.json").read_text(encoding="utf-8"))["arms"]
    for arm in ("baseline", "candidate"):
        steps = {login["cohort"]: [step["step"] for step in login["steps"]] for login in shown[arm]["logins"]}
        assert steps == {"cold": SCENARIO["steps"], "warm": SCENARIO["steps"][2:]}
    again = finished([*AUTHGATE, "compare", str(inputs.run)])
    assert again.returncode == 0, "the same verdict comes from what is on disk"


def test_an_update_that_holds_name_resolution_is_blocked_with_exit_code_10_by_two_workers_an_arm(
    inputs: Inputs, require_domain: None
) -> None:
    """By one it is in the demo."""
    with Lab(faults=[Hold(hold_s=1.0, workers=60)]) as held:
        done = unless_late(inputs, [*inputs.command(held.targets), "--workers", "2"], or_undecided=True)
    assert done.returncode == 10, done.stdout + done.stderr
    assert inputs.run_folder.workers() == 2
    verdict = inputs.verdict()
    assert verdict["verdict"] == "BLOCK"
    assert verdict["blamed_step"] == "ldap_bind"
    blocked = [f for f in verdict["findings"] if f["decision"] == "block"]
    assert any(f["low"] > f["margin"] for f in blocked)
    assert "ldap_bind" in done.stdout


def test_margins_that_this_run_cannot_show_are_inconclusive_with_exit_code_20(lab: Lab, inputs: Inputs) -> None:
    tiny = {"relative": 0.0001}
    # An error so small that what equal arms happen to differ by is no finding.
    policy = {
        **POLICY,
        "alpha": 0.0001,
        "margins": {**POLICY["margins"], "login": {"p50": tiny, "p95": None, "p99": None}},
    }
    done = unless_late(inputs, inputs.command(lab.targets, policy=policy))
    assert done.returncode == 20, done.stdout + done.stderr
    assert inputs.verdict()["verdict"] == "INCONCLUSIVE"
    assert inputs.verdict()["pairs_used"] == SCENARIO["blocks"]["pairs"] - 1


def test_a_generator_that_was_late_is_invalid_with_exit_code_30_and_never_a_pass(lab: Lab, inputs: Inputs) -> None:
    policy = {**POLICY, "limits": {**POLICY["limits"], "send_lag_p99_ms": 0.0001}}
    done = finished(inputs.command(lab.targets, BRIEF, policy))
    assert done.returncode == 30, done.stdout + done.stderr
    assert inputs.verdict()["verdict"] == "INVALID"
    assert "sent late" in json.dumps(inputs.verdict()["reasons"])


def test_more_logins_than_seats_wait_and_the_wait_is_charged_to_the_login(inputs: Inputs, require_domain: None) -> None:
    few = {**BRIEF, "seats": 5, "arrivals": {"curve": "constant", "rate": 20}}
    with Lab(faults=[Hold(hold_s=1.0, workers=60)]) as held:
        done = finished(inputs.command(held.targets, scenario=few))
    assert done.returncode in (10, 30), done.stdout + done.stderr
    candidate = inputs.attempts().filter([arm == "candidate" for arm in inputs.attempts()["arm"].to_pylist()])
    waits = candidate["seat_wait"].to_numpy()
    lag = candidate["started"].to_numpy() - candidate["intended"].to_numpy()
    assert (waits > 5e8).sum() > 20
    assert (lag >= waits).all()
    said = json.dumps(inputs.verdict())
    assert "seat" in said


def test_what_cannot_lead_to_a_verdict_is_refused_before_any_load_with_exit_code_2(lab: Lab, inputs: Inputs) -> None:
    short = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 3}}
    done = finished(inputs.command(lab.targets, scenario=short))
    assert done.returncode == 2
    assert "blocks.pairs: expected at least 4" in done.stderr
    assert not inputs.results.exists()


def test_two_runs_of_one_arm_each_cannot_support_a_pass(lab: Lab, inputs: Inputs) -> None:
    scenario = inputs.write("scenario", BRIEF)
    targets, policy = inputs.write("targets", lab.targets), inputs.write("policy", POLICY)
    runs = []
    for arm in ("baseline", "candidate"):
        command = [*AUTHGATE, "run", str(scenario), "--targets", str(targets), "--arm", arm, "-q"]
        done = finished([*command, "--results", str(inputs.results)])
        assert done.returncode == 0, done.stdout + done.stderr
        runs.append(done.stdout.strip())
    done = finished([*AUTHGATE, "compare", *runs, "--policy", str(policy), "--out", str(inputs.folder / "out")])
    assert done.returncode == 20, done.stdout + done.stderr
    verdict = json.loads((inputs.folder / "out" / "verdict.json").read_text(encoding="utf-8"))
    assert "one after the other" in verdict["reasons"][0] and "no calibration" in verdict["reasons"][1]
    assert verdict["calibration"] is None
    assert {found["quantile"] for found in verdict["anatomy"]} == {"p50"}
    shown = finished([*AUTHGATE, "trend", *runs[::-1]])
    assert shown.returncode == 0, shown.stderr
    rows = [line.split()[1:3] for line in shown.stdout.splitlines()[1:]]
    assert rows == [[arm, cohort] for arm in ("baseline", "candidate") for cohort in ("cold", "warm")]
    manifest = json.loads((Path(runs[1]) / "manifest.json").read_text(encoding="utf-8"))
    manifest["scenario"]["timeout_s"] = 4
    (Path(runs[1]) / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    other = finished([*AUTHGATE, "trend", *runs])
    assert other.returncode == 2
    assert f"{runs[1]}: expected the scenario of {runs[0]}, got another one" in other.stderr


def test_the_gate_carries_the_spread_that_was_measured_between_deployments(lab: Lab, inputs: Inputs) -> None:
    command = inputs.command(lab.targets, scenario=BRIEF)
    deployed = inputs.folder / "deployed"
    deploy = f"{sys.executable} -c \"open('{deployed}', 'a').write('x')\""
    calibrate = [*AUTHGATE, "calibrate", *command[len(AUTHGATE) + 1 :]]
    done = finished([*calibrate, "--repeats", "2", "--same-bits", "--between", deploy, "-q"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed.read_text(encoding="utf-8") == "xx"
    file = inputs.results / "calibration-small-test.json"
    kept = read(file)
    assert set(kept.targets) == {"baseline", "candidate"}
    deployments = {noise.metric: noise.deployments for noise in kept.noise}
    assert all(spread is not None and spread.freedom == 2 and spread.sd > 0 for spread in deployments.values())
    # Whatever this busy machine made of the A/A runs: here the gate has to judge.
    save(replace(kept, verdicts={"PASS": 2}), file)
    for run in kept.runs:
        shutil.rmtree(inputs.results / run)
    done = finished([*command, "-q"])
    assert done.returncode in (0, 20, 30), done.stdout + done.stderr
    verdict = inputs.verdict()
    assert verdict["calibration"]["source"] == str(file) and verdict["calibration"]["warnings"] == []
    assert verdict["calibration"]["deployments"]["cold/login/p50/expected"]["freedom"] == 2
    assert not any("taken as 0" in notice for notice in verdict["notices"])
    file.unlink()
    again = finished([*AUTHGATE, "compare", str(inputs.run)])
    assert again.returncode == done.returncode
    assert inputs.verdict() == verdict


def test_a_duet_loads_both_arms_at_once_and_gives_a_verdict(lab: Lab, inputs: Inputs) -> None:
    duet = {**SCENARIO, "arrivals": {"curve": "constant", "rate": 20}}
    duet["blocks"] = {"design": "duet", "length_s": 2, "trim_s": 0.5, "pairs": 5}
    done = unless_late(inputs, inputs.command(lab.targets, scenario=duet), or_undecided=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = inputs.attempts().select(["arm", "pair", "intended"]).to_pylist()
    judged = range(1, 1 + inputs.verdict()["pairs_used"])
    baseline, candidate = (
        [row["intended"] for row in rows if row["arm"] == arm and row["pair"] in judged]
        for arm in ("baseline", "candidate")
    )
    assert baseline and baseline == candidate


def test_arms_alternate_within_a_pair_where_it_has_several_blocks_of_each(lab: Lab, inputs: Inputs) -> None:
    several = {**SCENARIO, "headroom": {"factor": 1.5, "every": 3}}
    several["blocks"] = {"length_s": 0.6, "trim_s": 0.1, "pairs": 5, "per_pair": 3}
    policy = {**POLICY, "margins": {**POLICY["margins"], "headroom": {"p95": None, "failure_rate": None}}}
    command = [*inputs.command(lab.targets, several, policy), "--workers", "2"]
    done = unless_late(inputs, command, or_undecided=True)
    assert done.returncode == 0, done.stdout + done.stderr
    sent = inputs.attempts().select(["arm", "block", "pair", "intended", "started"]).sort_by("intended").to_pylist()
    arms_of = {pair: [] for pair in (1, 2)}
    for login in sent:
        turns = arms_of.get(login["pair"], [])
        if turns[-1:] != [(login["block"], login["arm"])]:
            turns.append((login["block"], login["arm"]))
    assert len(arms_of[1]) == 6, "three blocks of each arm, one after the other"
    assert {arm for _, arm in arms_of[1]} == {"baseline", "candidate"}
    assert len(arms_of[2]) == 2, "above the peak one block of each arm"
    assert all(login["started"] >= login["intended"] for login in sent)


def test_a_mistake_that_only_a_worker_can_find_reaches_the_user(lab: Lab, inputs: Inputs) -> None:
    targets = lab.targets
    targets["arms"]["candidate"]["credentials"] = {"csv": str(inputs.folder / "none.csv")}
    done = finished(inputs.command(targets))
    assert done.returncode == 2, done.stdout
    assert "none.csv: expected a readable file, got: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
