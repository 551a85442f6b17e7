"""Credentials on a worker's machine: its own file's, or those that were sent, which nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import ConfigError, CredentialError
from harness.load.accounts import ACCOUNTS_VARIABLE, ages_s, to_send, with_accounts
from harness.model.target import Targets
from tests.helpers.stored import TARGETS


def given(**credentials: object) -> Targets:
    arms = {arm: target.model_dump(mode="json") for arm, target in TARGETS.arms.items()}
    arms["candidate"]["credentials"] = credentials
    return Targets.model_validate({"arms": arms})


def secret(folder: Path, text: str = "u0,secret\n") -> Path:
    path = folder / "accounts.csv"
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_sent_arrives_in_a_file_of_its_owner_s_alone(tmp_path: Path) -> None:
    targets = given(csv=str(secret(tmp_path)))
    sent = to_send(targets.arms["candidate"], by_card=False)
    there = tmp_path / "there"
    there.mkdir()
    found = with_accounts(targets, "candidate", sent, there).arms["candidate"].credentials
    assert found.csv is not None and Path(found.csv).parent == there
    assert Path(found.csv).read_bytes() == b"u0,secret\n" and Path(found.csv).stat().st_mode & 0o777 == 0o600


def test_what_is_sent_is_as_old_as_what_the_master_has(tmp_path: Path) -> None:
    """An account that was denied since the master's file was written is not tried again."""
    file = secret(tmp_path)
    os.utime(file, (1e9, 1e9))
    target = (targets := given(csv=str(file))).arms["candidate"]
    there = tmp_path / "there"
    there.mkdir()
    found = with_accounts(targets, "candidate", to_send(target, by_card=False), there, ages_s(target))
    kept = found.arms["candidate"].credentials.csv
    assert kept is not None and abs(Path(kept).stat().st_mtime - 1e9) < 5
    assert ages_s(given(env="MY_ACCOUNTS").arms["candidate"]) == {}


def test_a_variable_is_sent_by_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = given(env="MY_ACCOUNTS")
    with pytest.raises(CredentialError, match="expected the environment variable MY_ACCOUNTS, got none"):
        to_send(targets.arms["candidate"], by_card=False)
    monkeypatch.setenv("MY_ACCOUNTS", "u0,secret")
    sent = to_send(targets.arms["candidate"], by_card=False)
    found = with_accounts(targets, "candidate", sent, tmp_path).arms["candidate"].credentials
    assert found.env is None and found.csv is not None
    assert Path(found.csv).read_text(encoding="utf-8") == "u0,secret"


def test_the_workstation_s_keytab_goes_with_the_accounts_that_it_armours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keytab = secret(tmp_path).rename(tmp_path / "ws001.keytab")
    target = given(csv=str(secret(tmp_path))).arms["candidate"]
    armor = {"keytab": str(keytab), "principal": "host/ws001"}
    target = type(target).model_validate({**target.model_dump(mode="json"), "armor": armor})
    targets = Targets(arms={"candidate": target})
    there = tmp_path / "there"
    there.mkdir()
    sent = to_send(target, by_card=False)
    found = with_accounts(targets, "candidate", sent, there).arms["candidate"].armor
    assert found is not None and found.principal == "host/ws001"
    assert Path(found.keytab).parent == there and Path(found.keytab).stat().st_mode & 0o777 == 0o600
    own = tmp_path / "own.yaml"
    own.write_text("candidate: {armor: {keytab: /etc/krb5.keytab, principal: host/here}}\n", encoding="utf-8")
    monkeypatch.setenv(ACCOUNTS_VARIABLE, str(own))
    here = with_accounts(targets, "candidate", {}, there).arms["candidate"].armor
    assert here is not None and (here.keytab, here.principal) == ("/etc/krb5.keytab", "host/here")


def test_cards_stay_where_they_are(tmp_path: Path) -> None:
    cards = {"folder": "/cards", "anchors": "/anchors.pem"}
    targets = given(csv=str(secret(tmp_path)), smart_cards=cards)
    with pytest.raises(CredentialError, match="smart cards are not sent"):
        to_send(targets.arms["candidate"], by_card=True)
    there = tmp_path / "there"
    there.mkdir()
    sent = to_send(targets.arms["candidate"], by_card=False)
    found = with_accounts(targets, "candidate", sent, there).arms["candidate"].credentials
    assert found.smart_cards is not None and found.smart_cards.folder == "/cards"


def test_a_machine_s_own_file_comes_before_what_was_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = given(csv=str(secret(tmp_path)))
    own = tmp_path / "own.yaml"
    own.write_text("candidate: {credentials: {keytab: /etc/mine.keytab}}\n", encoding="utf-8")
    monkeypatch.setenv(ACCOUNTS_VARIABLE, str(own))
    there = tmp_path / "there"
    there.mkdir()
    sent = to_send(targets.arms["candidate"], by_card=False)
    found = with_accounts(targets, "candidate", sent, there)
    assert found.arms["candidate"].credentials.keytab == "/etc/mine.keytab"
    assert with_accounts(targets, "baseline", {}, there).arms["baseline"] == targets.arms["baseline"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "expected"),
        ("candidat: {}", "candidat"),
        ("candidate: {credentials: {csv: a, keytab: b}}", "candidate.credentials"),
        ("candidate: {password: hunter2}", "candidate.password"),
        ("a: [", "expected YAML"),
    ],
)
def test_a_file_that_is_none_is_refused_by_its_place_and_never_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text, encoding="utf-8")
    monkeypatch.setenv(ACCOUNTS_VARIABLE, str(own))
    with pytest.raises(ConfigError) as error:
        with_accounts(TARGETS, "candidate", {}, tmp_path)
    assert str(error.value).startswith(f"{own}: ") and "hunter2" not in str(error.value)
