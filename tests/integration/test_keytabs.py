"""Keytabs as sites have them: several keys of one principal, in any order, of several versions, of foreign names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.gate.protocol import between
from harness.lab import hospital, kdc
from harness.lab.domain import Lab, LabArm
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.scenario import Scenario
from harness.model.target import Target
from tests.helpers.explained import protocol_of
from tests.helpers.keytabs import AES128, AES256, DES_CRC, KEY_BYTES, KTPASS_ORDER, RC4, Key, keys_in, keytab

pytestmark = pytest.mark.integration

USER = "clin00007"
STRONGEST = "aes256-cts-hmac-sha1-96"
STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry")


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


def own_keys(arm: LabArm, file: str = kdc.CLINICIANS_KEYTAB) -> dict[str, dict[int, Key]]:
    """The true keys of the arm's principals, by name and encryption type."""
    found: dict[str, dict[int, Key]] = {}
    for key in keys_in((arm.folder / file).read_bytes()):
        assert isinstance(key.principal, bytes)
        found.setdefault(key.principal.decode(), {})[key.enctype] = key
    return found


def in_order(keys: dict[int, Key], *enctypes: int) -> list[Key]:
    """The principal's keys in this order; of an encryption type that the domain hasn't, a key of nothing."""
    principal = next(iter(keys.values())).principal
    return [keys.get(one) or Key(principal, one, b"\x5a" * KEY_BYTES[one]) for one in enctypes]


def written(path: Path, *keys: Key) -> dict[str, str]:
    """The ``credentials`` of a target with these keys."""
    path.write_bytes(keytab(keys))
    path.chmod(0o600)
    return {"keytab": str(path)}


def login(fields: dict[str, Any], folder: Path, user: str = USER, **unlike: object) -> LoginResult:
    """A cold login, explained."""
    target = Target.model_validate(fields)
    use_krb5_conf(target, folder)
    path = LoginPath(target, scenario(**unlike), ThreadRuntime())
    path.prepare([user])
    return path.login(user, "cold", explain=True)


def scenario(**unlike: object) -> Scenario:
    arrivals = {"curve": "constant", "rate": 1}
    return Scenario.model_validate(
        {"name": "test", "steps": STEPS, "population": {"users": 1}, "arrivals": arrivals, **unlike}
    )


def key_enctypes(result: LoginResult) -> set[str]:
    """By which keys the user was authenticated."""
    return {each.key_enctype for facts in result.facts for each in facts.exchanges if each.key_enctype}


@pytest.mark.parametrize(
    "order",
    [KTPASS_ORDER, (RC4, AES256, AES128), (AES128, AES256), (AES256, AES128), (DES_CRC, AES128, RC4, AES256)],
    ids=["as ktpass", "RC4 first", "AES128 first", "AES256 first", "any"],
)
def test_in_whatever_order_a_keytab_has_its_keys_the_strongest_is_used(
    lab: Lab, tmp_path: Path, order: tuple[int, ...]
) -> None:
    arm = lab.arms["baseline"]
    keys = in_order(own_keys(arm)[f"{USER}@{hospital.REALM}"], *order)
    result = login({**arm.target, "credentials": written(tmp_path / "a.keytab", *keys)}, tmp_path)
    assert result.outcome.status == "ok", result.outcome
    assert key_enctypes(result) == {STRONGEST}


def test_a_key_of_an_older_version_is_not_used_wherever_it_stands(lab: Lab, tmp_path: Path) -> None:
    arm = lab.arms["baseline"]
    right = own_keys(arm)[f"{USER}@{hospital.REALM}"]
    older = [Key(key.principal, key.enctype, b"\x5a" * len(key.content), kvno=1) for key in right.values()]
    newer = [Key(key.principal, key.enctype, key.content, kvno=257) for key in right.values()]
    for number, keys in enumerate(([*older, *newer], [*newer, *older])):
        credentials = written(tmp_path / f"{number}.keytab", *keys)
        result = login({**arm.target, "credentials": credentials}, tmp_path)
        assert result.outcome.status == "ok", result.outcome


def test_equal_arms_whose_keytabs_differ_in_the_order_of_their_keys_do_not_differ(lab: Lab, tmp_path: Path) -> None:
    protocols = []
    for number, (arm, order) in enumerate(zip(lab.arms.values(), ((AES256, AES128), (AES128, AES256)), strict=True)):
        keys = in_order(own_keys(arm)[f"{USER}@{hospital.REALM}"], *order)
        folder = tmp_path / str(number)
        folder.mkdir()
        fields = {**arm.target, "credentials": written(folder / "a.keytab", *keys)}
        protocols.append(protocol_of(fields, scenario(), USER, folder))
    assert not between(*protocols)


def test_a_service_account_uses_every_key_of_its_keytab_too(lab: Lab, tmp_path: Path) -> None:
    arm, name = lab.arms["baseline"], "HTTP/ehr.clinic.test"
    keys = in_order(own_keys(arm, kdc.SERVICES_KEYTAB)[f"{name}@{hospital.REALM}"], *KTPASS_ORDER)
    fields = {**arm.target, "service_accounts": written(tmp_path / "s.keytab", *keys)}
    cohorts = {"cold": {"share": 1, "steps": ["kdc_as"], "accounts": "services"}}
    result = login(fields, tmp_path, name, cohorts=cohorts, steps=())
    assert result.outcome.status == "ok", result.outcome
    assert key_enctypes(result) == {STRONGEST}


def test_two_clients_of_one_process_have_their_own_keys_of_one_user(lab: Lab, tmp_path: Path) -> None:
    """As the doctor has of two arms."""
    arm = lab.arms["baseline"]
    right = list(own_keys(arm)[f"{USER}@{hospital.REALM}"].values())
    wrong = [Key(key.principal, key.enctype, b"\x5a" * len(key.content), kvno=9) for key in right]
    paths = []
    for name, keys in (("wrong", wrong), ("right", right)):
        target = Target.model_validate({**arm.target, "credentials": written(tmp_path / name, *keys)})
        use_krb5_conf(target, tmp_path)
        paths.append(LoginPath(target, scenario(), ThreadRuntime()))
        paths[-1].prepare([USER])
    assert [path.login(USER, "cold").outcome.status for path in paths] == ["denied", "ok"]


def test_an_entry_whose_name_is_no_text_is_nobodys_and_harms_nobody(lab: Lab, tmp_path: Path) -> None:
    arm = lab.arms["baseline"]
    keys = in_order(own_keys(arm)[f"{USER}@{hospital.REALM}"], AES256, AES128)
    foreign = Key(b"\xe5sa@" + hospital.REALM.encode(), AES256, b"\x5a" * 32)
    credentials = written(tmp_path / "a.keytab", foreign, *keys)
    assert login({**arm.target, "credentials": credentials}, tmp_path).outcome.status == "ok"
