"""Accounts as a real domain has them: restricted each in its own way, known by another name, in no group at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ldap3
import pytest
import yaml

from harness.cli.main import main
from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.doctor.examine import examine
from harness.doctor.machine import Machine
from harness.lab import hospital, store
from harness.lab.ad import region
from harness.lab.ad.changes import Change
from harness.lab.ad.domain import AdArm, AdLab
from harness.lab.ad.settings import PORTS
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.ldap import reads
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target, Targets
from harness.system.files import write_whole

pytestmark = pytest.mark.integration

UPN = "anna.svensson@region.example"
ANNA, ALONE, EXPIRED, MUST_CHANGE, AT_NIGHT, DISABLED, LOCKED, FINE = hospital.CLINICIANS[3:11]
COLD_LOGON = load_scenario(find("cold-logon", SCENARIOS))


def _set(user: str, attribute: str, value: str) -> str:
    return f"dn: {region.user_dn(user)}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n\n"


WARD = f"Ward{hospital.CLINICIANS.index(ALONE) % hospital.WARDS:02d}"
LDIF = "".join(
    (
        f"dn: CN=Partitions,{region.CONFIGURATION}\nchangetype: modify\nadd: uPNSuffixes\n"
        "uPNSuffixes: region.example\n\n",
        _set(ANNA, "userPrincipalName", UPN),
        f"dn: {region.group_dn(WARD)}\nchangetype: modify\ndelete: member\nmember: {region.user_dn(ALONE)}\n\n",
        _set(EXPIRED, "accountExpires", "131000000000000000"),
        _set(MUST_CHANGE, "userAccountControl", "512"),
        _set(MUST_CHANGE, "pwdLastSet", "0"),
        _set(AT_NIGHT, "logonHours", "").replace("logonHours: \n", "logonHours:: AAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"),
        _set(DISABLED, "userAccountControl", "66050"),
    )
)
RESTRICTED = {
    EXPIRED: ("KDC_ERR_CLIENT_REVOKED", "ACCOUNT_EXPIRED", "Set-ADAccountExpiration"),
    MUST_CHANGE: ("KDC_ERR_KEY_EXPIRED", "PASSWORD_MUST_CHANGE", "ChangePasswordAtLogon"),
    AT_NIGHT: ("KDC_ERR_CLIENT_REVOKED", "INVALID_LOGON_HOURS", "logonHours"),
    DISABLED: ("KDC_ERR_CLIENT_REVOKED", "ACCOUNT_DISABLED", "Enable-ADAccount"),
    LOCKED: ("KDC_ERR_CLIENT_REVOKED", "ACCOUNT_LOCKED_OUT", "Unlock-ADAccount"),
}


@pytest.fixture(scope="module")
def lab(require_ad_lab: None) -> Iterator[AdLab]:
    now = int((time.time() + 11_644_473_600) * 10_000_000)  # a lock is over after half an hour
    locked = _set(LOCKED, "lockoutTime", str(now))
    real = Change("real", "", lambda settings: replace(settings, ldif=LDIF + locked))
    with AdLab(("baseline",), common=(real,)) as running:
        yield running


@pytest.fixture
def arm(lab: AdLab) -> AdArm:
    return lab.arms["baseline"]


@pytest.fixture(autouse=True)
def _process_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def with_accounts(arm: AdArm, folder: Path, *users: str, **unlike: object) -> dict[str, Any]:
    """The arm's target with these accounts, whose password is right."""
    password = (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].partition(",")[2]
    write_whole(folder / "accounts.csv", "".join(f"{user},{password}\n" for user in users), private=True)
    return {**arm.target, "credentials": {"csv": str(folder / "accounts.csv")}, **unlike}


def path_of(fields: dict[str, Any], folder: Path, **unlike: object) -> LoginPath:
    target = Target.model_validate(fields)
    use_krb5_conf(target, folder)
    asked = Scenario.model_validate({**COLD_LOGON.model_dump(), "population": {"users": 1}, **unlike})
    return LoginPath(target, asked, ThreadRuntime())


def login(fields: dict[str, Any], folder: Path, user: str, **unlike: object) -> LoginResult:
    """A cold login, explained."""
    return path_of(fields, folder, **unlike).login(user, "cold", explain=True)


@pytest.mark.parametrize("user", RESTRICTED)
@pytest.mark.parametrize("way", ["kerberos", "simple bind"])
def test_each_restriction_of_an_account_is_an_outcome_of_its_own(
    arm: AdArm, tmp_path: Path, user: str, way: str
) -> None:
    code, reason, _ = RESTRICTED[user]
    steps = ("kdc_as",) if way == "kerberos" else ("ldap_connect", "ldap_simple_bind")
    outcome = login(with_accounts(arm, tmp_path, user), tmp_path, user, steps=steps).outcome
    if way == "kerberos" and user == LOCKED:
        reason = ""  # Samba's KDC gives none for it, as Windows' does
    elif way == "simple bind":
        code = "LDAP 49 invalidCredentials"
    assert (outcome.status, outcome.code) == ("denied", f"{code} {reason}".strip())


def remarks(fields: dict[str, Any], name: str) -> list[str]:
    """What the doctor finds in one check of the arm, with its advice."""
    found = examine(Targets.model_validate({"arms": {"baseline": fields}}), None, Machine(watched_s=0)).checks
    return [f"{one.remark.level}: {one.remark.found} → {one.remark.advice}" for one in found if one.name == name]


def test_the_doctor_advises_on_each_restriction(arm: AdArm, tmp_path: Path) -> None:
    said = remarks(with_accounts(arm, tmp_path, *RESTRICTED), "accounts")
    assert len(said) == len(RESTRICTED)
    for line, (user, (code, _, advice)) in zip(said, RESTRICTED.items(), strict=True):
        assert line.startswith(f"problem: {user}: {code}") and advice in line


# Names.


@pytest.mark.parametrize("authentication", ["key", "password"])
def test_who_is_known_by_another_suffix_takes_every_step_of_a_cold_logon(
    arm: AdArm, tmp_path: Path, authentication: str
) -> None:
    result = login(with_accounts(arm, tmp_path, UPN), tmp_path, UPN, authentication=authentication)
    assert result.outcome.status == "ok", result.outcome
    assert [step.step for step in result.steps] == list(COLD_LOGON.steps)


@pytest.mark.parametrize("step", ["ldap_simple_bind", "ldap_ntlm_bind"])
def test_who_is_known_by_another_suffix_binds_by_that_name_without_a_ticket(
    arm: AdArm, tmp_path: Path, step: str
) -> None:
    steps = ("ldap_connect", step, "ldap_own_entry")
    assert login(with_accounts(arm, tmp_path, UPN), tmp_path, UPN, steps=steps).outcome.status == "ok"


def test_a_name_with_a_domain_before_it_is_refused_alike_by_login_run_and_doctor(
    arm: AdArm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = with_accounts(arm, tmp_path, "REGION\\clin00007")
    targets, scenario = tmp_path / "targets.yaml", tmp_path / "scenario.yaml"
    targets.write_text(yaml.safe_dump({"arms": {"baseline": fields}}))
    one = {**COLD_LOGON.model_dump(mode="json", exclude_unset=True), "population": {"users": 1}}
    scenario.write_text(yaml.safe_dump(one))
    inputs = ["--targets", str(targets), "--scenario", str(scenario)]
    said = []
    for command in (
        ["login", "clin00007", *inputs],
        ["doctor", *inputs],
        ["run", str(scenario), "--targets", str(targets), "--arm", "baseline", "--results", str(tmp_path / "results")],
    ):
        assert main(command) == 2
        told = capsys.readouterr()
        said.append(" ".join((told.out + told.err).split()))
    refusal = f"{tmp_path / 'accounts.csv'}:1: expected a user, or user@suffix, got a name with a backslash"
    assert all(refusal.replace(" ", "") in each.replace(" ", "") for each in said), said


def test_a_realm_in_lower_case_is_told_as_such_and_how_to_write_it(arm: AdArm, tmp_path: Path) -> None:
    fields = with_accounts(arm, tmp_path, FINE, realm=region.REALM.lower())
    assert login(fields, tmp_path, FINE).outcome.code == "KRB5_KDCREP_MODIFIED"
    (said,) = remarks(fields, "accounts")
    assert "KRB5_KDCREP_MODIFIED" in said and f"answers are of {region.REALM}" in said
    assert any(f"problem: answers of realm {region.REALM}" in line for line in remarks(fields, "KDC"))


# A directory that demands signing, as the lab's does.


def test_a_simple_bind_in_clear_is_refused_where_the_directory_demands_signing(arm: AdArm, tmp_path: Path) -> None:
    fields = with_accounts(arm, tmp_path, FINE)
    clear = {**fields["directory"], "uri": f"ldap://{arm.address}:{PORTS['ldap']}"}
    steps = ("ldap_connect", "ldap_simple_bind")
    outcome = login({**fields, "directory": clear}, tmp_path, FINE, steps=steps).outcome
    assert (outcome.status, outcome.code) == ("error", "LDAP 8 strongerAuthRequired")
    sealed = login({**fields, "directory": clear}, tmp_path, FINE)
    facts = {step.step: facts for step, facts in zip(sealed.steps, sealed.facts, strict=True)}
    assert facts["ldap_bind"].agreed == ("sign and seal",)


# Groups.


def test_an_account_in_domain_users_alone_logs_in_with_no_nested_group(arm: AdArm, tmp_path: Path) -> None:
    result = login(with_accounts(arm, tmp_path, ALONE), tmp_path, ALONE)
    assert result.outcome.status == "ok", result.outcome
    facts = {step.step: facts for step, facts in zip(result.steps, result.facts, strict=True)}
    assert "0 nested groups" in facts["ldap_in_chain"].notes
    assert facts["ldap_in_chain"].round_trips == 1  # asked like everybody's


def test_values_that_a_controller_gives_by_ranges_are_read_to_the_last(arm: AdArm, tmp_path: Path) -> None:
    """Samba gives ranges where it is asked to, and Active Directory of itself: so many values as it likes."""
    user = region.MANY_GROUPS_USER
    steps = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind")
    fields = {**arm.target, "credentials": {"keytab": str(arm.folder / "clinicians.keytab")}}
    path = path_of(fields, tmp_path, steps=steps)
    group = region.group_dn(hospital.HOSPITAL)  # of eight departments

    def read(session: Any) -> tuple[int, int]:
        (whole,) = session.search(group, reads.ANY, ["member"], ldap3.BASE)
        (part,) = session.search(group, reads.ANY, ["member;range=0-2"], ldap3.BASE)
        assert not part.attributes.get("member")
        assert set(reads._values(session, part, "member")) == set(whole.attributes["member"])
        return len(reads._values(session, part, "member")), len(part.attributes["member;range=0-2"])

    path.prepare([user])
    assert path.ask_directory(user, "cold", read) == (8, 3)
