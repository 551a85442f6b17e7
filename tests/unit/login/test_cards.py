"""What is read of smart cards before any load, and what is refused; the logins are the integration tests'."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.load import load_targets
from harness.errors import CredentialError
from harness.lab import pki
from harness.login.credentials import read_accounts
from harness.login.kerberos import cards as cards_module
from harness.login.kerberos.cards import read_cards
from harness.login.kerberos.krb5conf import krb5_conf
from harness.login.path import LoginPath
from harness.login.runtime import ThreadRuntime
from harness.model.credentials import Credentials, SmartCards
from harness.model.scenario import Scenario
from harness.model.target import Target

REALM = "CLINIC.TEST"
CANARY = "Kanarie-c2VjcmV0"
TARGET: dict[str, Any] = {
    "realm": REALM,
    "kdcs": ["127.0.0.1"],
    "directory": {"uri": "ldap://127.0.0.1", "service_host": "dc1.clinic.test", "user_base": "", "group_base": ""},
}


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an authority has issued to two clinicians."""
    folder = tmp_path_factory.mktemp("issued")
    pki.build(folder, REALM, "kdc.clinic.test", ["zoe", "adam"])
    return folder


@pytest.fixture
def source(issued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmartCards:
    """A target's cards in a folder of this test's own."""
    monkeypatch.setattr(cards_module, "check_plugin", lambda: None)  # its own test is an integration test
    folder = tmp_path / "cards"
    folder.mkdir()
    for user in ("zoe", "adam"):
        write(folder / f"{user}.pem", (issued / pki.CARDS / f"{user}.pem").read_text())
    return SmartCards(folder=str(folder), anchors=str(issued / pki.CA_CERTIFICATE))


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def refusal(source: SmartCards) -> str:
    with pytest.raises(CredentialError) as caught:
        read_cards(source)
    assert CANARY not in repr(caught.value) + str(caught.value)
    return str(caught.value)


def test_each_file_is_the_card_of_the_user_it_is_called_after(source: SmartCards) -> None:
    found = read_cards(source)
    assert list(found.by_user) == ["adam", "zoe"]
    text = Path(source.folder, "zoe.pem").read_text()
    der = ssl.PEM_cert_to_DER_cert(text[: text.index("-----BEGIN PRIVATE KEY")])
    assert found.by_user["zoe"].certificate_bytes == len(der)


def test_a_card_that_others_may_read_is_refused_with_what_to_run(source: SmartCards) -> None:
    card = Path(source.folder, "zoe.pem")
    card.chmod(0o640)
    assert refusal(source) == f"{card}: expected a file that only its owner may read; run: chmod 600 {card}"


@pytest.mark.parametrize(
    ("kept", "added", "expected"),
    [
        ("certificate", "", "expected a certificate and its private key, got no key"),
        ("key", "", "expected a certificate in PEM, got none"),
        ("", CANARY, "expected a certificate in PEM, got none"),
        (
            "certificate",
            f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{CANARY}\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "expected a private key without a pass phrase",
        ),
    ],
)
def test_a_file_that_is_no_card_is_refused_and_not_quoted(
    source: SmartCards, kept: str, added: str, expected: str
) -> None:
    card = Path(source.folder, "zoe.pem")
    text = card.read_text()
    cut = text.index("-----BEGIN PRIVATE KEY")
    parts = {"certificate": text[:cut], "key": text[cut:], "": ""}
    write(card, parts[kept] + added)
    assert refusal(source) == f"{card}: {expected}"


def test_a_folder_without_cards_or_that_is_not_there_is_refused(source: SmartCards, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    expected = {empty: "expected a file USER.pem for each card, got none"}
    expected[tmp_path / "none"] = "expected a readable folder of cards, got: No such file or directory"
    for folder, said in expected.items():
        assert refusal(source.model_copy(update={"folder": str(folder)})) == f"{folder}: {said}"


def test_anchors_that_are_no_certificates_are_refused(source: SmartCards, tmp_path: Path) -> None:
    anchors = tmp_path / "ca.pem"
    anchors.write_text(CANARY)
    assert refusal(source.model_copy(update={"anchors": str(anchors)})) == (
        f"{anchors}: expected a certificate in PEM, got none"
    )


def test_a_path_that_libkrb5_would_take_for_two_is_refused(source: SmartCards, tmp_path: Path) -> None:
    folder = Path(source.folder).rename(tmp_path / "ward 1,2")
    assert refusal(source.model_copy(update={"folder": str(folder)})) == (
        f"{folder}: expected a path without a comma, which libkrb5 takes for a list"
    )


def test_by_card_those_log_in_who_have_one_with_the_passwords_that_are_known(
    source: SmartCards, tmp_path: Path
) -> None:
    write(tmp_path / "accounts.csv", f"zoe,{CANARY}\nbea,{CANARY}\n")
    both = Credentials(csv=str(tmp_path / "accounts.csv"), smart_cards=source)
    by_card = read_accounts(both, REALM, "smart-card")
    assert (by_card.users, by_card.passwords["zoe"].reveal()) == (("adam", "zoe"), CANARY)
    by_key = read_accounts(both, REALM, "key")
    assert (by_key.users, by_key.cards) == (("zoe", "bea"), None)


@pytest.mark.parametrize(
    ("authentication", "credentials", "expected"),
    [
        ("smart-card", {"env": "X"}, "authentication: smart-card needs credentials.smart_cards, got none"),
        ("key", None, "authentication: key needs credentials.csv, keytab or env, got cards"),
        ("password", None, "authentication: password needs credentials.csv, keytab or env, got cards"),
    ],
)
def test_a_scenario_whose_credentials_the_target_lacks_is_refused(
    source: SmartCards, authentication: Any, credentials: dict[str, str] | None, expected: str
) -> None:
    told = Credentials.model_validate(credentials or {"smart_cards": source})
    with pytest.raises(CredentialError) as caught:
        read_accounts(told, REALM, authentication)
    assert str(caught.value) == expected


@pytest.mark.parametrize("step", ["ldap_simple_bind", "ldap_ntlm_bind"])
def test_a_step_by_password_is_refused_where_a_card_holder_has_none(source: SmartCards, step: str) -> None:
    scenario = Scenario.model_validate(
        {
            "name": "test",
            "steps": ["kdc_as", "ldap_connect", step],
            "population": {"users": 2},
            "arrivals": {"curve": "constant", "rate": 1},
            "authentication": "smart-card",
        }
    )
    target = Target.model_validate({**TARGET, "credentials": {"smart_cards": source}})
    with pytest.raises(CredentialError) as caught:
        LoginPath(target, scenario, ThreadRuntime())
    assert str(caught.value) == f"{step} needs each user's password, in credentials.csv or env, got none of adam"


def test_the_hosts_that_a_kdcs_certificate_may_name_are_told_to_libkrb5(source: SmartCards) -> None:
    def told(*hosts: str) -> list[str]:
        cards = {"folder": source.folder, "anchors": source.anchors, "kdc_hosts": hosts}
        text = krb5_conf(Target.model_validate({**TARGET, "credentials": {"smart_cards": cards}}))
        return [line.strip() for line in text.splitlines() if "pkinit" in line]

    assert told() == []
    assert told("dc1.clinic.test", "dc2.clinic.test") == [
        "pkinit_kdc_hostname = dc1.clinic.test",
        "pkinit_kdc_hostname = dc2.clinic.test",
        "pkinit_eku_checking = kpServerAuth",
    ]


def test_a_targets_cards_are_found_beside_its_file(tmp_path: Path) -> None:
    credentials = {"smart_cards": {"folder": "cards", "anchors": "ca.pem"}}
    path = tmp_path / "targets.yaml"
    path.write_text(yaml.safe_dump({"arms": {"baseline": {**TARGET, "credentials": credentials}}}))
    found = load_targets(path).arms["baseline"].credentials.smart_cards
    assert found is not None
    assert (found.folder, found.anchors) == (str(tmp_path / "cards"), str(tmp_path / "ca.pem"))
