"""KDCs that are not as they should be, and what a login, and the doctor, make of each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.doctor.examine import examine
from harness.doctor.machine import Machine
from harness.lab import hospital
from harness.lab.domain import Lab, LabArm
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target, Targets
from harness.system.process import environment
from tests.helpers.kdcs import other_kdc

pytestmark = pytest.mark.integration

USER = "clin00007"
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")


@pytest.fixture(scope="module")
def arm(require_domain: None) -> Iterator[LabArm]:
    with Lab(("baseline",)) as lab:
        yield lab.arms["baseline"]


@pytest.fixture(autouse=True)
def _process_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


def at_port(arm: LabArm, port: int, **directory: object) -> dict[str, Any]:
    """The arm's target with another KDC, and some fields of its directory replaced."""
    whole: dict[str, Any] = dict(arm.target)
    return {**whole, "kdcs": [f"127.0.0.1:{port}"], "directory": {**whole["directory"], **directory}}


def login(fields: dict[str, Any], folder: Path, **unlike: object) -> LoginResult:
    """A cold login, explained."""
    target = Target.model_validate(fields)
    use_krb5_conf(target, folder)
    arrivals = {"curve": "constant", "rate": 1}
    asked = {"name": "test", "steps": STEPS, "population": {"users": 1}, "arrivals": arrivals, **unlike}
    path = LoginPath(target, Scenario.model_validate(asked), ThreadRuntime())
    return path.login(USER, "cold", explain=True)


def ended(result: LoginResult) -> tuple[str, str, str]:
    return result.outcome.status, result.outcome.code, result.steps[-1].step


def problems(fields: dict[str, Any]) -> dict[str, str]:
    """The doctor's problems of the arm: what was found, and the advice."""
    found = examine(Targets.model_validate({"arms": {"baseline": fields}}), None, Machine(watched_s=0)).at("problem")
    return {one.name: f"{one.remark.found} → {one.remark.advice}" for one in found}


@pytest.mark.parametrize("offset_s", [360, -360])
@pytest.mark.parametrize("authentication", ["key", "password"])
def test_a_kdc_whose_clock_is_six_minutes_off_is_followed_and_its_tickets_are_refused_which_is_no_denial(
    arm: LabArm, require_faketime: None, tmp_path: Path, offset_s: int, authentication: str
) -> None:
    with other_kdc(arm, offset_s=offset_s) as port:
        result = login(at_port(arm, port), tmp_path, authentication=authentication)
        assert ended(result) == ("error", "LDAP 49 invalidCredentials", "ldap_bind")
        said = problems(at_port(arm, port))
    assert "more than the 300 s that Kerberos tolerates" in said["clock skew"]
    assert "set the clocks" in said["clock skew"]


def test_a_kdc_that_refers_to_a_realm_that_the_targets_do_not_name_ends_the_login_there(
    arm: LabArm, tmp_path: Path
) -> None:
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5_KDC_PROFILE=str(arm.folder / "kdc.conf"))
    command = ["kadmin.local", "-r", hospital.REALM, "-p", "test/admin"]
    asked = "addprinc -randkey krbtgt/OTHER.TEST\n"
    subprocess.run(command, env=settings, input=asked, text=True, check=True, capture_output=True, timeout=20)
    with other_kdc(arm, realm={"host_based_services": "ldap"}, krb5_conf="\t.other.test = OTHER.TEST\n") as port:
        fields = at_port(arm, port, service_host="ldap.other.test")
        assert ended(login(fields, tmp_path)) == ("error", "KDC_REFERRED_TO_OTHER_REALM", "kdc_tgs_ldap")
        assert "the KDC refers to another realm for it" in problems(fields)["service tickets"]


def test_an_answer_too_big_for_udp_is_fetched_by_tcp_and_told_where_there_is_none(arm: LabArm, tmp_path: Path) -> None:
    with other_kdc(arm, datagram=300) as port:
        result = login(at_port(arm, port), tmp_path)
        assert result.outcome.status == "ok"
        exchanges = result.facts[0].exchanges
        assert "KRB_ERR_RESPONSE_TOO_BIG" in [each.error for each in exchanges] and exchanges[-1].transport == "TCP"
    with other_kdc(arm, datagram=300, tcp=False) as port:
        outcome = ended(login(at_port(arm, port), tmp_path))
        found = examine(Targets.model_validate({"arms": {"baseline": at_port(arm, port)}}), None, Machine(watched_s=0))
    said = [f"{one.remark.found} → {one.remark.advice}" for one in found.checks if one.where == "baseline"]
    assert any("TCP 127.0.0.1" in line and "open port" in line for line in said)
    assert outcome == ("error", "KRB5_KDC_UNREACH", "kdc_as")


def test_a_realm_in_lower_case_is_one_that_the_kdc_does_not_know_and_the_advice_is_on_case(
    arm: LabArm, tmp_path: Path
) -> None:
    fields = {**at_port(arm, arm.ports["kdc"]), "realm": hospital.REALM.lower()}
    assert ended(login(fields, tmp_path))[2] == "kdc_as"
    assert f"in upper case: {hospital.REALM}" in problems(fields)["accounts"]
