"""Servers that insist: a KDC on FAST armour (RFC 6113), a directory on channel binding (RFC 5929)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CredentialError
from harness.lab import hospital, kdc
from harness.lab.changes import Change
from harness.lab.domain import Lab, LabArm
from harness.login.codes import advice_on
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from harness.system.process import environment
from tests.helpers.capture import capture
from tests.helpers.kdcs import other_kdc
from tests.helpers.tls_end import tls_ended

pytestmark = pytest.mark.integration

USER = hospital.CLINICIANS[7]
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")
WORKSTATION = "host/ws001.clinic.test"
ARMOR_ALONE = "[plugins]\n\tkdcpreauth = {\n\t\tdisable = encrypted_timestamp\n\t}\n"
"""Of a KDC's krb5.conf(5): keys are shown to it by the encrypted challenge, which there is under armour alone."""
CHANNEL_BINDING = Change(
    "channel-binding",
    "The directory holds a SASL bind within TLS to the connection that it came by.",
    lambda settings: replace(settings, other=(*settings.other, "sasl-cbinding tls-endpoint")),
)


@pytest.fixture(scope="module")
def arm(require_domain: None) -> Iterator[LabArm]:
    with Lab(("baseline",), common=(CHANNEL_BINDING,)) as lab:
        yield lab.arms["baseline"]


@pytest.fixture(scope="module")
def workstation(arm: LabArm) -> Path:
    """The keytab of a workstation, which needs no armour for its own ticket."""
    keytab = arm.folder / "workstation.keytab"
    typed = f"addprinc -randkey -requires_preauth {WORKSTATION}\nktadd -k {keytab} {WORKSTATION}\n"
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5_KDC_PROFILE=str(arm.folder / "kdc.conf"))
    command = ["kadmin.local", "-r", hospital.REALM, "-p", "test/admin"]
    subprocess.run(command, env=settings, input=typed, text=True, check=True, capture_output=True, timeout=20)
    keytab.chmod(0o600)
    return keytab


@pytest.fixture(scope="module")
def strict(arm: LabArm, workstation: Path) -> Iterator[int]:
    """The port of a KDC of the arm that demands armour of clinicians."""
    with other_kdc(arm, krb5_conf=ARMOR_ALONE) as port:
        yield port


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


def path_to(arm: LabArm, folder: Path, authentication: str = "key", **fields: object) -> LoginPath:
    """A client of the arm with some fields of its target replaced."""
    target = Target.model_validate({**arm.target, **fields})
    use_krb5_conf(target, folder)
    arrivals = {"curve": "constant", "rate": 1}
    asked = {"name": "test", "steps": STEPS, "population": {"users": 1}, "arrivals": arrivals}
    scenario = Scenario.model_validate({**asked, "authentication": authentication})
    return LoginPath(target, scenario, ThreadRuntime())


def ended(result: LoginResult) -> tuple[str, str, str]:
    return result.outcome.status, result.outcome.code, result.steps[-1].step


# FAST.


@pytest.mark.parametrize("authentication", ["key", "password"])
def test_a_kdc_that_demands_armour_refuses_no_account_and_is_told_in_a_sentence(
    arm: LabArm, strict: int, tmp_path: Path, authentication: str
) -> None:
    result = path_to(arm, tmp_path, authentication, kdcs=[f"127.0.0.1:{strict}"]).login(USER, "cold", explain=True)
    assert ended(result) == ("error", "KDC_DEMANDS_FAST_ARMOR", "kdc_as")
    assert advice_on(result.outcome.code).startswith("the KDC takes no login without FAST armour")


@pytest.mark.parametrize("authentication", ["key", "password", "smart-card"])
def test_a_login_under_the_workstations_armour_gets_its_tickets_there(
    arm: LabArm, strict: int, workstation: Path, tmp_path: Path, authentication: str
) -> None:
    armor = {"keytab": str(workstation), "principal": WORKSTATION}
    path = path_to(arm, tmp_path, authentication, kdcs=[f"127.0.0.1:{strict}"], armor=armor)
    path.prepare([USER])
    result = path.login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    facts = result.facts[0]
    # The workstation has its ticket before anybody logs in.
    assert [exchange.error for exchange in facts.exchanges] == ["KDC_ERR_PREAUTH_REQUIRED", ""]
    assert [ticket.service for ticket in facts.tickets] == [f"krbtgt/{hospital.REALM}@{hospital.REALM}"]


def test_every_request_of_an_armoured_login_carries_its_armour(
    arm: LabArm, strict: int, workstation: Path, tmp_path: Path, require_server: Any
) -> None:
    require_server("dumpcap", "tshark")
    armor = {"keytab": str(workstation), "principal": WORKSTATION}
    path = path_to(arm, tmp_path, kdcs=[f"127.0.0.1:{strict}"], armor=armor)
    path.prepare([USER])
    ports = {("udp", strict): "kerberos", ("tcp", strict): "kerberos"}
    with capture(tmp_path, ports) as seen:
        assert path.login(USER, "cold").outcome.status == "ok"
    # An AP-REQ (14) with the workstation's ticket is within the armour (RFC 6113 §5.4.1.1).
    asked = [it["kerberos.padata_type"] for it in seen.packets if it["kerberos.msg_type"][:1] == ("10",)]
    assert len(asked) == 2
    assert all("136" in types and "2" not in types for types in asked), asked


def test_a_workstation_without_a_ticket_is_told_before_any_login_and_asked_for_once(
    arm: LabArm, strict: int, workstation: Path, tmp_path: Path
) -> None:
    at = [f"127.0.0.1:{strict}"]
    with pytest.raises(CredentialError, match=rf"expected a key of host/other@{hospital.REALM} \(armor\), got none"):
        path_to(arm, tmp_path, kdcs=at, armor={"keytab": str(workstation), "principal": "host/other"})
    services = str(arm.folder / kdc.SERVICES_KEYTAB)  # its account has to show a key, and has no armour to
    path = path_to(arm, tmp_path, kdcs=at, armor={"keytab": services, "principal": hospital.SERVICES[0]})
    result = path.login(USER, "cold", explain=True)
    assert ended(result) == ("error", "FAST_ARMOR KRB5_PREAUTH_FAILED", "kdc_as")
    assert advice_on(result.outcome.code).startswith("the workstation that armours logins got no ticket")


# Channel binding.


def over_tls(arm: LabArm, way: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict(arm.target)
    changes = {"starttls": True} if way == "StartTLS" else {"uri": f"ldaps://127.0.0.1:{arm.ports['ldaps']}"}
    return {**fields["directory"], **changes}


@pytest.mark.parametrize("way", ["ldaps", "StartTLS"])
def test_a_bind_within_tls_names_its_connection_to_a_directory_that_compares_it(
    arm: LabArm, tmp_path: Path, way: str
) -> None:
    result = path_to(arm, tmp_path, directory=over_tls(arm, way)).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"


def test_a_bind_by_way_of_another_certificate_is_refused_and_the_login_says_what_the_bind_was_bound_to(
    arm: LabArm, tmp_path: Path
) -> None:
    with tls_ended(tmp_path, arm.ports["ldaps"]) as (port, certificate):
        fields = {**over_tls(arm, "ldaps"), "uri": f"ldaps://127.0.0.1:{port}", "ca_file": str(certificate)}
        result = path_to(arm, tmp_path, directory=fields).login(USER, "cold", explain=True)
    assert ended(result) == ("error", "LDAP 49 invalidCredentials", "ldap_bind")
    assert any("channel binding" in note for note in result.facts[-1].notes)
