"""What the doctor says of real servers: sound ones, and ones that are broken in one way each."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.doctor.examine import examine
from harness.doctor.machine import Machine
from harness.lab import hospital, store
from harness.lab.ad import region
from harness.lab.ad.changes import Change
from harness.lab.ad.domain import AdLab
from harness.lab.domain import Lab, LabArm
from harness.model.diagnosis import Check, Level
from harness.model.scenario import Scenario
from harness.model.target import Arm, Targets
from harness.system.files import write_whole
from harness.system.process import Family, environment, free_ports, listens
from tests.helpers.kdcs import other_kdc

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
FIRST = hospital.CLINICIANS[0]
COLD_LOGON = load_scenario(find("cold-logon", SCENARIOS))
UNHURRIED = Machine(watched_s=0)


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Iterator[Lab]:
    """The embedded domain for tests that leave it as it is."""
    with Lab() as running:
        yield running


@pytest.fixture
def own_arm(require_domain: None) -> Iterator[LabArm]:
    """An arm for a test that breaks it."""
    with Lab(("baseline",)) as running:
        yield running.arms["baseline"]


def diagnosed(arms: dict[Arm, Any], scenario: Scenario | None = None) -> dict[tuple[str, str], list[Check]]:
    """What is found of these arms, by where it was found and the check's name."""
    found: dict[tuple[str, str], list[Check]] = {}
    for check in examine(Targets.model_validate({"arms": arms}), scenario, UNHURRIED).checks:
        found.setdefault((check.where, check.name), []).append(check)
    return found


def at(level: Level, found: dict[tuple[str, str], list[Check]], where: str = "baseline") -> dict[str, str]:
    """The remarks of this level by their check: what was found, and the advice."""
    said: dict[str, list[str]] = {}
    for (whom, name), checks in found.items():
        for remark in (check.remark for check in checks):
            if whom == where and remark.level == level:
                said.setdefault(name, []).append(f"{remark.found} → {remark.advice}")
    return {name: " | ".join(remarks) for name, remarks in said.items()}


def changed(arm: LabArm, **parts: object) -> dict[str, Any]:
    """The arm's target with some fields replaced, of its directory too."""
    whole: dict[str, Any] = dict(arm.target)
    directory = parts.pop("directory", {})
    assert isinstance(directory, dict)
    return {**whole, **parts, "directory": {**whole["directory"], **directory}}


def test_of_a_sound_domain_it_finds_no_problem_and_tells_no_secret(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_targets(tmp_path / "targets.yaml")
    before = len((lab.arms["baseline"].folder / "kdc.log").read_text())
    code = main(["doctor", "--targets", str(tmp_path / "targets.yaml"), "--scenario", "night-shift", "--json"])
    said = capsys.readouterr().out
    assert code == 0, said
    document = json.loads(said)
    assert document["ready"] is True
    assert {check["where"] for check in document["checks"]} == {*lab.arms, "both arms", "this machine"}
    fine = {check["check"] for check in document["checks"] if (check["where"], check["level"]) == ("baseline", "ok")}
    assert fine >= {
        "credentials",
        "ports",
        "directory",
        "KDC",
        "clock skew",
        "encryption",
        "accounts",
        "service tickets",
    }
    (password,) = {
        line.partition(",")[2] for line in (lab.arms["baseline"].folder / store.CLINICIANS_CSV).read_text().split()
    }
    assert password not in said
    heard = (lab.arms["baseline"].folder / "kdc.log").read_text()[before:]
    assert 5 <= heard.count("_REQ (") <= 40  # some dozens of requests, and no load


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_of_tls_it_tells_version_key_and_end(lab: Lab, way: str) -> None:
    arm = lab.arms["baseline"]
    uri = f"ldaps://127.0.0.1:{arm.ports['ldaps']}" if way == "ldaps" else dict(arm.target)["directory"]["uri"]  # type: ignore[index]
    found = diagnosed({"baseline": changed(arm, directory={"uri": uri, "starttls": way == "starttls"})})
    (said,) = found["baseline", "TLS directory"]
    assert said.remark.level == "ok"
    assert "TLSv1.3, EC P-256, 36" in said.remark.found  # 3650 days less the age of the build


@pytest.mark.parametrize(("offset_s", "level"), [(30, "ok"), (120, "warning"), (-120, "warning"), (-3600, "problem")])
def test_a_kdc_whose_clock_is_wrong_is_told_by_how_much_and_which_way(
    lab: Lab, require_faketime: None, offset_s: int, level: Level
) -> None:
    arm = lab.arms["baseline"]
    with other_kdc(arm, offset_s=offset_s) as port:
        found = diagnosed({"baseline": changed(arm, kdcs=[f"127.0.0.1:{port}"])})
    (said,) = found["baseline", "clock skew"]
    assert said.remark.level == level
    shown_ms = int(said.remark.found.split()[2].replace(",", ""))
    assert abs(shown_ms - abs(offset_s) * 1000) < 2000
    assert ("ahead of" if offset_s > 0 else "behind") in said.remark.found


def test_a_disabled_account_is_named_and_no_password_of_it_is_tried(own_arm: LabArm) -> None:
    administer(own_arm, f"modify_principal -allow_tix {FIRST}")
    before = len(log_of(own_arm))
    found = diagnosed({"baseline": dict(own_arm.target)})
    said = at("problem", found)
    assert set(said) == {"accounts"}
    assert f"{FIRST}: KDC_ERR_CLIENT_REVOKED → enable or unlock the account" in said["accounts"]
    asked = [line for line in log_of(own_arm)[before:] if FIRST in line]
    assert asked and all("CLIENT LOCKED OUT" in line for line in asked)


def test_an_account_whose_password_has_expired_is_named(own_arm: LabArm) -> None:
    administer(own_arm, f'modify_principal -pwexpire "1 hour ago" {FIRST}')
    said = at("problem", diagnosed({"baseline": dict(own_arm.target)}))
    assert f"{FIRST}: KDC_ERR_KEY_EXPIRED → set a new password" in said["accounts"]


def test_an_account_that_one_arm_denied_is_tried_on_no_other(lab: Lab, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.csv"
    write_whole(accounts, f"{FIRST},wrong\n", private=True)
    arms = {name: changed(arm, credentials={"csv": str(accounts)}) for name, arm in lab.arms.items()}
    before = {name: len(log_of(arm)) for name, arm in lab.arms.items()}
    found = diagnosed(arms)
    assert f"{FIRST}: KDC_ERR_PREAUTH_FAILED" in at("problem", found)["accounts"]
    assert "denied by the other arm" in at("n/a", found, "candidate")["accounts"]
    denials = [sum("PREAUTH_FAILED" in line for line in log_of(arm)[before[name] :]) for name, arm in lab.arms.items()]
    assert denials == [1, 0]


def log_of(arm: LabArm) -> list[str]:
    return (arm.folder / "kdc.log").read_text().splitlines()


def administer(arm: LabArm, command: str) -> None:
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5_KDC_PROFILE=str(arm.folder / "kdc.conf"))
    argv = ["kadmin.local", "-r", hospital.REALM, "-p", "test/admin"]
    done = subprocess.run(argv, env=settings, input=command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and "modified" in done.stdout, done.stderr


@pytest.mark.parametrize(("server", "problems"), [("slapd", {"ports"}), ("kdc", {"KDC"})])
def test_a_server_that_is_not_there_is_a_problem_of_its_own_and_what_needs_it_is_left_out(
    own_arm: LabArm, server: str, problems: set[str]
) -> None:
    own_arm.processes[server].end(grace_s=0)
    found = diagnosed({"baseline": dict(own_arm.target)})
    assert set(at("problem", found)) == problems
    assert ("service tickets" in at("n/a", found)) == (server == "kdc")


def test_a_principal_that_the_kdc_does_not_know_is_named_with_the_command_that_registers_it(lab: Lab) -> None:
    target = changed(lab.arms["baseline"], directory={"service_host": "dc9.clinic.test"})
    said = at("problem", diagnosed({"baseline": target}))
    assert set(said) == {"service tickets"}
    assert "setspn -S ldap/dc9.clinic.test ACCOUNT" in said["service tickets"]


@contextmanager
def tls_server(folder: Path, *request: str, offset: str = "+0d") -> Iterator[tuple[int, Path]]:
    """A TLS server with a certificate of its own, asked for at another day, and its port."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=test", "-keyout", str(key), "-out", str(certificate)]
    env = environment(LD_PRELOAD=str(library), FAKETIME=offset)
    subprocess.run([*command, *request], env=env, check=True, capture_output=True, timeout=PATIENCE_S)
    (port,) = free_ports(1)
    family = Family()
    serve = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(certificate), "-key", str(key)]
    try:
        child = family.spawn([*serve, "-quiet", "-cipher", "DEFAULT@SECLEVEL=0"], environment(), folder / "server.out")
        while not listens(child.pid, port):
            assert child.poll() is None, (folder / "server.out").read_text()
        yield port, certificate
    finally:
        family.close()


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384")
RSA = ("-newkey", "rsa:1024")
OURS = ("-addext", "subjectAltName=IP:127.0.0.1")


@pytest.mark.parametrize(
    ("wanted", "offset", "level", "words"),
    [
        ((*EC, *OURS, "-days", "365"), "-400d", "problem", "expired 35 days ago: certificate has expired → renew it"),
        ((*EC, *OURS, "-days", "10"), "+0d", "warning", "10 days left, verified for 127.0.0.1 → renew"),
        ((*EC, "-days", "365"), "+0d", "problem", "issue one for the address"),
        ((*RSA, *OURS, "-days", "365"), "+0d", "problem", "RSA 1024, 365 days left: EE certificate key too weak"),
    ],
    ids=["expired", "expires soon", "of another name", "short key"],
)
def test_a_certificate_that_logins_refuse_or_soon_will_is_told_with_the_reason(
    lab: Lab, require_faketime: None, tmp_path: Path, wanted: tuple[str, ...], offset: str, level: Level, words: str
) -> None:
    with tls_server(tmp_path, *wanted, offset=offset) as (port, certificate):
        uri = {"uri": f"ldaps://127.0.0.1:{port}", "ca_file": str(certificate)}
        said = at(level, diagnosed({"baseline": changed(lab.arms["baseline"], directory=uri)}))
    assert words in said["TLS directory"]


def test_a_certificate_that_nobody_vouches_for_is_told_with_where_to_put_its_issuer(lab: Lab) -> None:
    arm = lab.arms["baseline"]
    uri = {"uri": f"ldaps://127.0.0.1:{arm.ports['ldaps']}", "ca_file": None}
    said = at("problem", diagnosed({"baseline": changed(arm, directory=uri)}))
    assert "self-signed certificate → put the certificate of its issuer into directory.ca_file" in said["TLS directory"]


def test_a_port_without_tls_is_told(lab: Lab) -> None:
    arm = lab.arms["baseline"]
    uri = {"uri": f"ldaps://127.0.0.1:{arm.ports['ldap']}"}
    assert "no TLS" in at("problem", diagnosed({"baseline": changed(arm, directory=uri)}))["TLS directory"]


# All of it beside what the lab itself waits for until it is ready.
RC4_HOST = f"{region.WORKSTATIONS[1]}.{region.DOMAIN}"
LOST_HOST = f"files.{region.DOMAIN}"
"""Nobody has registered a principal of it."""
LAST = hospital.CLINICIANS[-1]
BROKEN = f"""dn: {region.user_dn(LAST)}
changetype: modify
replace: userAccountControl
userAccountControl: 66050

dn: CN={region.WORKSTATIONS[1].upper()},{region.WORKSTATION_BASE}
changetype: modify
replace: msDS-SupportedEncryptionTypes
msDS-SupportedEncryptionTypes: 4

"""


@pytest.fixture(scope="module")
def ad(require_ad_lab: None) -> Iterator[AdLab]:
    """A sound domain controller, and one with an account disabled, a service without AES, and a longer key for TLS."""
    change = Change("broken", "", lambda settings: replace(settings, ldif=BROKEN, certificate="rsa-4096"))
    with AdLab(change=change) as running:
        yield running


@pytest.fixture(scope="module")
def of_both(ad: AdLab) -> dict[tuple[str, str], list[Check]]:
    """What is found of both controllers."""
    patch = pytest.MonkeyPatch()
    for name in ("KRB5_CONFIG", "KRB5CCNAME"):
        patch.setenv(name, os.devnull)
    for limit in ("names.SLOW_S", "ports._REPEATED_SYN_S"):  # how fast a busy machine answers is not the subject
        patch.setattr(f"harness.doctor.{limit}", 60.0)
    with patch.context():
        broken = {**ad.arms["candidate"].target, "services": {"host": RC4_HOST, "cifs": LOST_HOST}}
        found = diagnosed({"baseline": dict(ad.arms["baseline"].target), "candidate": broken}, COLD_LOGON)
    patch.undo()
    return found


Found = dict[tuple[str, str], list[Check]]


def test_of_a_sound_domain_controller_each_check_is_made_and_finds_no_problem(of_both: Found) -> None:
    assert at("problem", of_both) == {}
    assert at("warning", of_both) == {}
    assert set(at("n/a", of_both)) == {"TLS EHR", "database", "TLS single sign-on", "single sign-on"}
    assert set(at("ok", of_both)) >= {
        "directory",
        "EHR",
        "name servers",
        "controller",
        "TLS directory",
        "service tickets",
        "accounts",
    }


def test_a_disabled_account_of_active_directory_is_named(of_both: Found) -> None:
    said = at("problem", of_both, "candidate")["accounts"]
    assert f"{LAST}: KDC_ERR_CLIENT_REVOKED ACCOUNT_DISABLED → enable the account" in said
    assert "each got a ticket" in at("ok", of_both, "candidate")["accounts"]


def test_a_principal_that_active_directory_lacks_is_named_with_its_command(of_both: Found) -> None:
    said = at("problem", of_both, "candidate")["service tickets"]
    assert f"setspn -S cifs/{LOST_HOST} ACCOUNT" in said


def test_a_service_that_has_rc4_alone_is_told(of_both: Found) -> None:
    (said,) = at("warning", of_both, "candidate").values()
    assert f"host/{RC4_HOST}@{region.REALM}: arcfour-hmac (RC4)" in said
    assert "msDS-SupportedEncryptionTypes to 24" in said


def test_what_differs_between_the_arms_is_told(of_both: Found) -> None:
    said = at("warning", of_both, "both arms")["alike"]
    assert "TLS of the directory: baseline TLSv1.3, EC P-256; candidate TLSv1.3, RSA 4096" in said
    assert "ticket of host/: baseline aes256-cts-hmac-sha1-96" in said


def test_a_dead_name_server_is_a_problem_and_the_one_that_lives_is_not(ad: AdLab) -> None:
    target: dict[str, Any] = dict(ad.arms["baseline"].target)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = f"127.0.0.1:{gone.getsockname()[1]}"
    servers = [dead, *target["dns"]["servers"]]
    found = diagnosed({"baseline": {**target, "dns": {**target["dns"], "servers": servers}}})
    assert set(at("problem", found)) == {"name servers"}
    assert f"{dead}: DNS_NO_ANSWER → start it" in at("problem", found)["name servers"]
    assert "controllers 1" in at("ok", found)["name servers"]


def test_a_name_server_that_sends_logons_to_the_other_arm_is_a_problem(ad: AdLab) -> None:
    target: dict[str, Any] = dict(ad.arms["baseline"].target)
    others: dict[str, Any] = dict(ad.arms["candidate"].target)
    found = diagnosed({"baseline": {**target, "dns": others["dns"]}})
    assert "would be sent elsewhere" in at("problem", found)["name servers"]
