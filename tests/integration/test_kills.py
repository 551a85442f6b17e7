"""Whatever dies in the middle of a run: never a PASS, and nothing measured is lost."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pytest

from harness.lab.domain import Lab
from tests.helpers.faults import fill, slow_disk, small_disk
from tests.helpers.needs import missing
from tests.helpers.running import AUTHGATE, POLICY, SCENARIO, Inputs, Running, finished, interrupt, until
from tests.helpers.stored import TARGETS, stored_run

pytestmark = pytest.mark.integration
LONG = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 20}}
BRIEF = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 4}}
FLUSHED_S = 1.0
"""What a kill may lose at most."""


def slow_policy() -> dict[str, object]:
    """A policy that doesn't pass before pair 15, so that there is time to kill something."""
    return {**POLICY, "looks": {**POLICY["looks"], "pass_from": 15}}


@pytest.fixture(scope="module")
def shared(require_domain: None) -> Iterator[Lab]:
    """A lab to whose servers nothing is done."""
    with Lab() as lab:
        yield lab


def said_by_an_invalid_gate(inputs: Inputs, targets: object, scenario: object, results: Path | None = None) -> str:
    """The reasons of a gate with the limits of a shipped policy on its generator."""
    policy = {key: value for key, value in POLICY.items() if key != "limits"}
    command = inputs.command(targets, scenario, policy)
    done = finished([*command, *(["--results", str(results)] if results else [])])
    assert done.returncode == 30, done.stdout + done.stderr
    (verdict,) = (results or inputs.results).glob("*/verdict.json")
    return " ".join(json.loads(verdict.read_text(encoding="utf-8"))["reasons"])


def test_too_few_seats_for_servers_that_are_well_make_the_run_invalid_and_are_named(
    shared: Lab, inputs: Inputs
) -> None:
    few = {**BRIEF, "seats": 1, "arrivals": {"curve": "constant", "rate": 40}}
    said = said_by_an_invalid_gate(inputs, shared.targets, few)
    assert "baseline: " in said and "waited while all seats were taken" in said


def test_a_disk_that_is_slow_makes_the_run_invalid_and_is_named(shared: Lab, inputs: Inputs, tmp_path: Path) -> None:
    if not Path("/dev/loop-control").exists() or os.geteuid() != 0:
        missing("a slow disk needs root and a loop device")
    with slow_disk(tmp_path) as disk:
        said = said_by_an_invalid_gate(inputs, shared.targets, BRIEF, disk / "results")
    assert "baseline: writing to disk held it up" in said and "candidate: writing to disk held it up" in said


@pytest.mark.parametrize("victim", ["baseline", "master"])
def test_a_killed_process_of_the_fleet_makes_the_run_invalid_and_keeps_what_was_measured(
    lab: Lab, inputs: Inputs, victim: str
) -> None:
    """One of several workers of the candidate, killed and frozen: tests/integration/test_workers.py."""
    running = Running(inputs.command(lab.targets, LONG, slow_policy()), inputs)
    before = running.attempts_on_disk()
    running.kill(victim)
    code, said = running.end()
    assert code == 30, said
    assert inputs.verdict()["verdict"] == "INVALID"
    assert len(inputs.attempts()) >= before
    assert running.none_left()
    assert victim in " ".join(inputs.verdict()["reasons"]) + inputs.verdict()["partial"]


def test_a_kdc_that_dies_on_the_candidate_blocks_the_update(lab: Lab, inputs: Inputs) -> None:
    running = Running(inputs.command(lab.targets, LONG, slow_policy()), inputs)
    os.kill(lab.arms["candidate"].kdc_pid, signal.SIGKILL)
    code, said = running.end()
    assert code == 10, said
    assert inputs.verdict()["verdict"] == "BLOCK"
    assert inputs.verdict()["blamed_step"] == "kdc_as"


def test_a_kdc_that_is_dead_before_the_load_blocks_the_candidate_and_refuses_the_baseline(
    lab: Lab, inputs: Inputs
) -> None:
    os.kill(lab.arms["candidate"].kdc_pid, signal.SIGKILL)
    done = finished(inputs.command(lab.targets, LONG, slow_policy()))
    assert done.returncode == 10, done.stdout + done.stderr
    assert inputs.verdict()["verdict"] == "BLOCK"
    assert inputs.verdict()["blamed_step"] == "kdc_as"
    attempts = inputs.attempts()
    assert set(attempts.filter(pc.equal(attempts["arm"], "candidate"))["status"].to_pylist()) == {"error"}
    swapped = {**lab.targets, "arms": dict(zip(("candidate", "baseline"), lab.targets["arms"].values(), strict=True))}
    done = finished(inputs.command(swapped, LONG, slow_policy()))
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.fullmatch(r"baseline: realm CLINIC\.TEST: no key for clin\d+: KRB5_KDC_UNREACH\n", done.stderr)


def test_a_kdc_that_dies_on_the_baseline_makes_the_run_invalid(lab: Lab, inputs: Inputs) -> None:
    short = {**LONG, "blocks": {**LONG["blocks"], "pairs": 16}}
    running = Running(inputs.command(lab.targets, short, slow_policy()), inputs)
    os.kill(lab.arms["baseline"].kdc_pid, signal.SIGKILL)
    until(lambda: "error" in inputs.attempts()["status"].to_pylist(), 30, "no login failed")
    time.sleep(4)
    interrupt(running)
    code, said = running.end()
    assert code == 30, said
    assert "baseline" in " ".join(inputs.verdict()["reasons"])


def test_ctrl_c_ends_the_load_within_two_blocks_with_a_verdict_and_a_partial_report(lab: Lab, inputs: Inputs) -> None:
    blocks = {"length_s": 2, "trim_s": 0.5, "pairs": 20}
    running = Running(inputs.command(lab.targets, {**LONG, "blocks": blocks}, slow_policy()), inputs)
    under_way = max(inputs.attempts()["block"].to_pylist())
    interrupt(running)
    code, said = running.end()
    assert code in (20, 30), said
    verdict = inputs.verdict()
    assert verdict["verdict"] in ("INCONCLUSIVE", "INVALID") and "interrupted" in verdict["partial"]
    assert (inputs.run / "report.html").exists()
    assert max(inputs.attempts()["block"].to_pylist()) <= under_way + 2
    assert running.none_left()


def test_a_killed_gate_leaves_no_process_and_a_partial_report_comes_from_what_is_there(
    lab: Lab, inputs: Inputs
) -> None:
    running = Running(inputs.command(lab.targets, LONG, slow_policy()), inputs)
    before = running.attempts_on_disk()
    running.process.kill()
    running.process.wait()
    until(running.none_left, 5, "the fleet outlived its parent")
    done = finished([*AUTHGATE, "report", str(inputs.run)])
    assert done.returncode == 0, done.stderr
    assert "killed" in inputs.verdict()["partial"]
    assert inputs.verdict()["verdict"] != "PASS"
    assert len(inputs.attempts()) >= before


def test_a_disk_that_is_full_is_told_with_the_place_by_whatever_command_would_write(
    inputs: Inputs, tmp_path: Path
) -> None:
    run = stored_run(tmp_path / "made")
    with small_disk(tmp_path, "2m") as disk:
        there = Path(shutil.copytree(run.path, disk / run.path.name))
        fill(disk)
        gate = [*inputs.command(TARGETS.model_dump(mode="json", exclude_none=True)), "--results", str(disk / "results")]
        # A verdict is worth more than its reports: compare's exit code is that of the PASS that it printed.
        for command, code in (
            (gate, 2),
            ([*AUTHGATE, "report", str(there)], 2),
            ([*AUTHGATE, "compare", str(there)], 0),
        ):
            done = finished(command)
            assert done.returncode == code, done.stdout + done.stderr
            assert str(disk) in done.stderr
            assert "No space left on device" in done.stderr and "Traceback" not in done.stderr
        assert not list((disk / "results").glob("*/*")), "no run that never was"


def test_denials_stop_the_run_and_no_denied_account_is_tried_again(lab: Lab, inputs: Inputs, tmp_path: Path) -> None:
    targets = lab.targets
    right = Path(targets["arms"]["candidate"]["credentials"]["csv"]).read_text(encoding="utf-8").splitlines()
    wrong = tmp_path / "wrong.csv"
    wrong.touch(mode=0o600)
    # The first account logs in before the load begins; the others have a password that nobody has.
    wrong.write_text("\n".join([*right[:2], *(f"{line.split(',')[0]},not-it" for line in right[2:])]), encoding="utf-8")
    targets["arms"]["candidate"]["credentials"] = {"csv": str(wrong)}
    cold = {**LONG, "population": {"users": 20, "cold_share": 1.0}}
    done = finished(inputs.command(targets, cold, slow_policy()))
    assert done.returncode in (10, 30), done.stdout + done.stderr
    assert "denied" in done.stdout
    rows = inputs.attempts().select(["user", "status", "started", "ended"]).to_pylist()
    denied = [row for row in rows if row["status"] == "denied"]
    assert len(denied) >= 5
    known = {user: min(row["ended"] for row in denied if row["user"] == user) for user in {r["user"] for r in denied}}
    # A login that was under way already can't be called back; none is begun once the denial is known. Its instant is
    # taken in the thread that hears of it, a turn before the others do: hardly a login begins in between.
    late = [row for row in denied if row["started"] > known[row["user"]]]
    assert len(late) < len(known) / 4
    for user in known:
        withheld = [row["started"] for row in rows if row["user"] == user and row["status"] == "withheld"]
        assert max(row["started"] for row in denied if row["user"] == user) <= min(withheld, default=math.inf)
    log = (lab.arms["candidate"].folder / "kdc.log").read_text(encoding="utf-8").splitlines()
    for user in known:
        tried = sum(row["user"] == user for row in denied)
        assert sum(f"PREAUTH_FAILED: {user}@" in line for line in log) == tried
