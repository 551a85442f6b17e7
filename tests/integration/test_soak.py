"""A soak by the command line on real servers: a directory whose wait grows is blocked, one whose doesn't is not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.lab.domain import Lab
from harness.model.fault import Leak
from harness.studies.soak import BLOCKS
from tests.helpers.running import (
    AUTHGATE,
    POLICY,
    Inputs,
    Running,
    finished,
    interrupt,
    of_three,
    unless_late,
    until,
)

pytestmark = pytest.mark.integration

SECONDS, RATE = 12, 50
HOURS = str(SECONDS / 3600)
# In so short a time a busy machine of two cores drifts by tens of percent; a leak in it has to be gross.
SOAK_POLICY: dict[str, Any] = {**POLICY, "soak": {"growth_per_minute": 1.7}}


def soak(inputs: Inputs, targets: object, *more: str, hours: str = HOURS, policy: object = SOAK_POLICY) -> list[str]:
    return [*inputs.command(targets, policy=policy), "--soak", hours, "--rate", str(RATE), "-q", *more]


def test_a_wait_that_grows_is_blocked_and_laid_to_its_step(inputs: Inputs, require_domain: None) -> None:
    with Lab(("candidate",), faults=[Leak(grows_s=2.5)]) as lab:
        done = unless_late(inputs, soak(inputs, lab.targets), or_undecided=True)
    assert done.returncode == 10, done.stdout + done.stderr
    verdict = inputs.verdict()
    assert (verdict["verdict"], verdict["pairs_used"]) == ("BLOCK", BLOCKS)
    assert verdict["blamed_step"] == "ldap_bind"
    growth = next(f for f in verdict["findings"] if (f["subject"], f["statistic"]) == ("soak", "p50"))
    assert growth["decision"] == "block" and growth["low"] > 0
    assert verdict["soak"]["doubles_min"] < 1
    assert len(verdict["soak"]["blocks"]) == BLOCKS
    assert "grow worse the longer they run" in " ".join(done.stdout.split())
    assert {"report.html", "report.png", "junit.xml", "summary.md"} <= {path.name for path in inputs.run.iterdir()}
    again = finished([*AUTHGATE, "compare", str(inputs.run)])
    assert again.returncode == 10, "the same verdict comes from what is on disk"


def test_a_sound_arm_is_not_blocked_and_its_load_is_constant_cold_and_on_it_alone(
    tmp_path: Path, require_domain: None
) -> None:
    """In twelve seconds a machine that is busy at their beginning or end looks like growth."""

    def soaked(folder: Path) -> tuple[Inputs, subprocess.CompletedProcess[str]]:
        inputs = Inputs(folder)
        return inputs, unless_late(inputs, soak(inputs, lab.targets, "--arm", "baseline"))

    with Lab(("baseline",), behind_relay=["ldap"]) as lab:
        inputs, done = of_three(tmp_path, soaked, lambda found: found[1].returncode != 10)
    assert done.returncode in (0, 20), done.stdout + done.stderr
    attempts = inputs.attempts()
    assert set(attempts["arm"].to_pylist()) == {"baseline"} and set(attempts["cohort"].to_pylist()) == {"cold"}
    assert 0.8 < len(attempts) / (RATE * SECONDS) < 1.2
    assert inputs.verdict()["failures"] is None


def test_a_soak_that_is_interrupted_is_judged_on_what_was_measured_and_cannot_pass(
    inputs: Inputs, require_domain: None
) -> None:
    with Lab(("candidate",)) as lab:
        running = Running(soak(inputs, lab.targets, hours="0.05"), inputs)
        until(lambda: running.attempts_on_disk() > RATE * 5 or running.process.poll() is not None, 60, "no load")
        assert running.process.poll() is None, running.end()
        interrupt(running)
        code, said = running.end()
    assert code == 20, said
    verdict = inputs.verdict()
    assert "interrupted by the user" in verdict["partial"]
    assert 0 < verdict["pairs_used"] < BLOCKS
    assert "ended early" in json.dumps(verdict["reasons"])
    assert running.none_left()


def test_a_generator_that_was_late_makes_a_soak_invalid(inputs: Inputs, require_domain: None) -> None:
    late = {**SOAK_POLICY, "limits": {**POLICY["limits"], "send_lag_p99_ms": 0.0001}}
    with Lab(("candidate",)) as lab:
        done = finished(soak(inputs, lab.targets, hours=str(6 / 3600), policy=late))
    assert done.returncode == 30, done.stdout + done.stderr
    assert "sent late" in json.dumps(inputs.verdict()["reasons"])


def test_a_soak_keeps_to_the_rate_that_the_owner_of_the_servers_agreed_to(inputs: Inputs, require_domain: None) -> None:
    with Lab(("candidate",)) as lab:
        done = finished(soak(inputs, {**lab.targets, "max_rate": 20}))
    assert done.returncode == 2, done.stdout
    assert "max_rate" in done.stderr and not inputs.results.exists()
