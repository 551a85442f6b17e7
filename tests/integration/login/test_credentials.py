"""Where a login's credentials come from, and what is said of wrong ones, by real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CredentialError
from harness.lab.domain import Lab, LabArm
from tests.helpers.logins import (
    SIMPLE,
    USER,
    KdcLog,
    changed,
    client,
    csv_file,
    ended,
    groups_of,
    names,
    password,
)

pytestmark = pytest.mark.integration


# Credentials.


def test_every_source_of_credentials_logs_in(arm: LabArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINICIANS_OF_A_TEST", f"clin00001,{password(arm)}\n{USER},{password(arm)}\n")
    sources = (
        {"csv": str(arm.folder / "clinicians.csv")},
        {"keytab": str(arm.folder / "clinicians.keytab")},
        {"env": "CLINICIANS_OF_A_TEST"},
    )
    for source in sources:
        result = client(changed(arm, credentials=source), tmp_path).login(USER, "cold")
        assert (result.outcome.status, result.groups) == ("ok", groups_of(USER)), source


def test_a_lab_with_a_keytab_gives_a_target_that_logs_in(cache: Path, tmp_path: Path) -> None:
    with Lab(("baseline",), credentials="keytab") as lab:
        target = changed(lab.arms["baseline"])
        assert target.credentials.keytab is not None
        assert client(target, tmp_path).login(USER, "cold").outcome.status == "ok"


@pytest.mark.parametrize("authentication", ["key", "password"])
def test_a_wrong_password_is_denied_and_reaches_the_kdc_exactly_once(
    arm: LabArm, tmp_path: Path, authentication: str
) -> None:
    user = "clin00005" if authentication == "key" else "clin00006"
    target = changed(arm, credentials=csv_file(tmp_path, f"{user},not it"))
    log = KdcLog(arm)
    result = client(target, tmp_path, user, authentication=authentication).login(user, "cold")
    assert ended(result) == ("denied", "KDC_ERR_PREAUTH_FAILED", "kdc_as")
    assert names(result) == ("kdc_as",)
    assert [outcome for _, outcome in log.requests()].count("PREAUTH_FAILED") == 1
    assert {outcome for _, outcome in log.requests()} == {"NEEDED_PREAUTH", "PREAUTH_FAILED"}


def test_deriving_the_keys_is_no_attempt_at_a_password(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    client(changed(arm, credentials=csv_file(tmp_path, "clin00008,not it")), tmp_path, "clin00008")
    assert log.requests() == [("AS_REQ", "NEEDED_PREAUTH")]


def test_a_user_whom_the_kdc_does_not_know_is_denied(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm, credentials=csv_file(tmp_path, "nobody,secret"))
    result = client(target, tmp_path, "nobody", authentication="password").login("nobody", "cold")
    assert ended(result) == ("denied", "KDC_ERR_C_PRINCIPAL_UNKNOWN", "kdc_as")
    with pytest.raises(CredentialError, match=r"no key for nobody: KDC_ERR_C_PRINCIPAL_UNKNOWN"):
        client(target, tmp_path, "nobody")


def test_a_user_without_credentials_is_refused_before_any_request(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    with pytest.raises(CredentialError, match="expected an account nobody"):
        client(changed(arm), tmp_path, "nobody")
    assert log.lines() == []


def test_a_simple_bind_logs_in_without_the_kdc(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    result = client(changed(arm), tmp_path, steps=SIMPLE).login(USER, "cold")
    assert (result.outcome.status, names(result), result.groups) == ("ok", SIMPLE, groups_of(USER))
    assert log.lines() == []


def test_a_simple_bind_with_a_wrong_password_is_denied(arm: LabArm, tmp_path: Path) -> None:
    target = changed(arm, credentials=csv_file(tmp_path, f"{USER},not it"))
    result = client(target, tmp_path, steps=SIMPLE).login(USER, "cold")
    assert ended(result) == ("denied", "LDAP 49 invalidCredentials", "ldap_simple_bind")


def test_a_simple_bind_of_a_name_with_commas_and_quotes_is_denied_and_no_other_entry_is_asked_for(
    arm: LabArm, tmp_path: Path
) -> None:
    user = f'{USER},ou=x"+{{0}}'
    quoted = '"' + user.replace('"', '""') + '"'
    target = changed(arm, credentials=csv_file(tmp_path, f"{quoted},not it"))
    result = client(target, tmp_path, user, steps=SIMPLE).login(user, "cold")
    assert ended(result) == ("denied", "LDAP 49 invalidCredentials", "ldap_simple_bind")
