"""`authgate login` against real servers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.lab.domain import LabArm
from harness.system.files import write_whole
from harness.system.process import environment
from tests.helpers.logins import (
    DEADLINE_S,
    FULL,
    PATIENCE_S,
    USER,
    csv_file,
    kill,
)
from tests.helpers.running import stopped

pytestmark = pytest.mark.integration


# The command.


def authgate(
    arm: LabArm, folder: Path, *more: str, user: str = USER, timeout_s: float = 3 * PATIENCE_S, **target: object
) -> subprocess.CompletedProcess[str]:
    targets = {"environment": "lab", "arms": {"baseline": {**dict(arm.target), **target}}}
    write_whole(folder / "targets.yaml", yaml.safe_dump(targets), private=True)
    command = [sys.executable, "-c", "from harness.cli.main import run_main; run_main()"]
    return subprocess.run(
        [*command, "login", user, "--targets", str(folder / "targets.yaml"), *more],
        env=environment(COLUMNS="300"),
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def test_the_command_prints_each_step_with_its_facts(arm: LabArm, tmp_path: Path) -> None:
    directory = {**dict(arm.target["directory"]), "starttls": True}  # type: ignore[call-overload]
    done = authgate(arm, tmp_path, directory=directory)
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert [name for name in rows if name in FULL] == list(FULL)
    kdc, ldap = f"127.0.0.1:{arm.ports['kdc']}", f"127.0.0.1:{arm.ports['ldap']}"
    assert rows["kdc_as"].count(f"UDP {kdc} ") == 2
    assert "krbtgt/CLINIC.TEST@CLINIC.TEST: aes256-cts-hmac-sha1-96, ticket " in rows["kdc_as"]
    assert "ldap/ldap.clinic.test@CLINIC.TEST: aes256-cts-hmac-sha1-96, ticket " in rows["kdc_tgs_ldap"]
    assert ldap in rows["ldap_connect"]
    assert "TLSv1.3" in rows["ldap_connect"]
    assert "3 round trips" in rows["ldap_bind"]
    assert "3 round trips, 2 entries" in rows["ldap_groups"]
    ended = r"login: ok in \d+\.\d\d ms at the servers, \d+\.\d\d ms in this client, 4 groups"
    assert re.search(ended, done.stdout)


def test_a_warm_login_by_the_command_shows_no_exchange_with_the_kdc(arm: LabArm, tmp_path: Path) -> None:
    done = authgate(arm, tmp_path, "--cache", "warm")
    assert done.returncode == 0
    assert "kdc_" not in done.stdout
    assert f"127.0.0.1:{arm.ports['kdc']}" not in done.stdout


def test_the_command_names_the_step_and_the_code_of_a_failure(arm: LabArm, tmp_path: Path) -> None:
    done = authgate(arm, tmp_path, credentials=csv_file(tmp_path, f"{USER},not it"))
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^kdc_as .*DENIED KDC_ERR_PREAUTH_FAILED", done.stdout, re.MULTILINE)
    assert "login: denied KDC_ERR_PREAUTH_FAILED" in done.stdout


def test_the_command_shows_a_dead_kdc_at_its_step(arm: LabArm, tmp_path: Path) -> None:
    kill(arm, "kdc")
    done = authgate(arm, tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"^kdc_as .*ERROR KRB5_KDC_UNREACH", done.stdout, re.MULTILINE)


def test_the_command_does_not_outlive_its_deadline_by_libkrb5s_patience(arm: LabArm, tmp_path: Path) -> None:
    scenario = {
        "name": "short",
        "steps": list(FULL),
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 1},
        "step_timeout_s": DEADLINE_S,
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    keytab = {"keytab": str(arm.folder / "clinicians.keytab")}  # With a key at hand, the first request is the login's.
    # libkrb5 gives up after 28 s.
    with stopped(arm.kdc_pid):
        done = authgate(arm, tmp_path, "--scenario", str(tmp_path / "scenario.yaml"), timeout_s=20, credentials=keytab)
    assert done.returncode == 1
    assert re.search(r"^kdc_as .*no answer, TIMEOUT DEADLINE", done.stdout, re.MULTILINE)
