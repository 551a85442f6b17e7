"""Names and accounts as people write them: hosts in upper case or with a final dot, files that nobody could read."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.main import main
from harness.lab import hospital
from harness.lab.domain import Lab, LabArm
from harness.login.credentials import read_accounts
from harness.login.kerberos.client import KerberosClient
from harness.login.kerberos.kdcs import Kdcs
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.net.clock import StepClock
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.files import write_whole

pytestmark = pytest.mark.integration

USER = "clin00007"
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")


@pytest.fixture(scope="module")
def arm(require_domain: None) -> Iterator[LabArm]:
    with Lab(("baseline",)) as lab:
        yield lab.arms["baseline"]


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


def changed(arm: LabArm, directory: dict[str, object] | None = None, **parts: object) -> dict[str, Any]:
    """The arm's target with some fields replaced, of its directory too."""
    whole: dict[str, Any] = dict(arm.target)
    return {**whole, **parts, "directory": {**whole["directory"], **(directory or {})}}


def login(fields: dict[str, Any], folder: Path) -> LoginResult:
    target = Target.model_validate(fields)
    use_krb5_conf(target, folder)
    arrivals = {"curve": "constant", "rate": 1}
    asked = {"name": "test", "steps": STEPS, "population": {"users": 1}, "arrivals": arrivals}
    path = LoginPath(target, Scenario.model_validate(asked), ThreadRuntime())
    path.prepare([USER])
    return path.login(USER, "cold")


@pytest.mark.parametrize("host", ["LDAP.CLINIC.TEST", "ldap.clinic.test.", "Ldap.Clinic.Test."])
@pytest.mark.parametrize("kdcs", [1, 2])
def test_a_service_whose_host_is_written_otherwise_is_asked_for_once_and_by_its_own_name(
    arm: LabArm, tmp_path: Path, host: str, kdcs: int
) -> None:
    log = arm.folder / "kdc.log"
    before = len(log.read_text())
    several = list(dict(arm.target)["kdcs"]) * kdcs  # type: ignore[call-overload]
    result = login(changed(arm, {"service_host": host}, kdcs=several), tmp_path)
    assert result.outcome.status == "ok", result.outcome
    asked = re.findall(r"TGS_REQ .* for (\S+)", log.read_text()[before:])
    assert asked == [f"ldap/{hospital.DIRECTORY_HOST}@{hospital.REALM}"]


def test_a_realm_with_a_final_dot_is_the_realm(arm: LabArm, tmp_path: Path) -> None:
    assert login(changed(arm, realm=f"{hospital.REALM}."), tmp_path).outcome.status == "ok"


def test_a_key_that_is_derived_within_a_login_is_asked_of_the_kdc_that_was_chosen(arm: LabArm, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.9", 0))
        silent.setblocking(False)
        kdcs = [f"127.0.0.9:{silent.getsockname()[1]}", *dict(arm.target)["kdcs"]]  # type: ignore[call-overload]
        target = Target.model_validate(changed(arm, kdcs=kdcs))
        use_krb5_conf(target, tmp_path)
        accounts = read_accounts(target.credentials, target.realm)
        kerberos = KerberosClient(target.realm, accounts, "key")
        with closing(kerberos.new_cache()) as cache:
            kerberos.initial_ticket(USER, cache, Kdcs(target).carrier(StepClock(5.0), "127.0.0.1"))
            assert cache.client == USER
        with pytest.raises(BlockingIOError):
            silent.recv(1)


CASES = Path(__file__).parents[1] / "data" / "cases"


@pytest.mark.parametrize("case", ["stray-quote", "stray-quote-end", "sep", "typeinfo", "spaces"])
@pytest.mark.parametrize("command", ["login", "run"])
def test_of_a_file_that_is_refused_nothing_is_sent(
    arm: LabArm, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    accounts, targets, scenario = (tmp_path / name for name in ("accounts.csv", "targets.yaml", "scenario.yaml"))
    write_whole(accounts, (CASES / f"passwords-{case}.csv").read_text(encoding="utf-8"), private=True)
    targets.write_text(yaml.safe_dump({"arms": {"baseline": changed(arm, credentials={"csv": str(accounts)})}}))
    arrivals = {"curve": "constant", "rate": 1}
    asked = {"name": "test", "steps": list(STEPS), "population": {"users": 1}, "arrivals": arrivals}
    scenario.write_text(yaml.safe_dump(asked))
    before = (arm.folder / "kdc.log").read_text()
    inputs = ["--targets", str(targets), "--scenario", str(scenario)]
    if command == "run":
        inputs = [str(scenario), "--targets", str(targets), "--arm", "baseline", "--results", str(tmp_path / "results")]
    assert main(["login", USER, *inputs] if command == "login" else ["run", *inputs]) == 2
    told = capsys.readouterr()
    assert f"{accounts}:1:expected" in "".join((told.out + told.err).split())
    assert (arm.folder / "kdc.log").read_text() == before
