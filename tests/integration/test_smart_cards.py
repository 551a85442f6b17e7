"""Logins by smart card against the embedded domain, and what kinit says of the same cards there."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS, find
from harness.errors import CredentialError
from harness.lab import hospital, pki
from harness.lab.domain import Lab, LabArm
from harness.login.kerberos.cards import check_plugin
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import ThreadRuntime
from harness.model.target import Target
from harness.system.process import environment

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
"""An upper bound on things that take milliseconds; only a hang reaches it."""
USER, OTHER = "clin00007", "clin00008"
FIRST = hospital.CLINICIANS[0]
SMART_CARD = load_scenario(find("smart-card", SCENARIOS))


@pytest.fixture(scope="module")
def arm(require_domain: None) -> Iterator[LabArm]:
    """One lab for all tests, which only log in to it."""
    with Lab(("baseline",)) as lab:
        yield lab.arms["baseline"]


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of an authority that the lab's KDC doesn't know, with a card for the same clinician."""
    folder = tmp_path_factory.mktemp("strangers")
    pki.build(folder, hospital.REALM, "kdc.elsewhere.test", [USER])
    return folder


@pytest.fixture(autouse=True)
def _process_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    # The code under test sets these for its process, which here is the tests'.
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def client(arm: LabArm, tmp_path: Path) -> Callable[..., LoginPath]:
    """Makes a client of the lab's one arm by these cards, those of the lab unless told others."""

    def make(**cards: str) -> LoginPath:
        whole: dict[str, Any] = dict(arm.target)
        target = Target.model_validate(
            {**whole, "credentials": {"smart_cards": {**pki.smart_cards(arm.folder), **cards}}}
        )
        use_krb5_conf(target, tmp_path)
        population = SMART_CARD.population.model_copy(update={"users": 1})
        return LoginPath(target, SMART_CARD.model_copy(update={"population": population}), ThreadRuntime())

    return make


def folder_with(folder: Path, user: str, card: Path) -> str:
    """A folder in which this file is the user's card."""
    cards = folder / "cards"
    cards.mkdir()
    (cards / f"{user}.pem").touch(0o600)
    (cards / f"{user}.pem").write_bytes(card.read_bytes())
    return str(cards)


def ended(result: LoginResult) -> tuple[str, str, str]:
    return result.outcome.status, result.outcome.code, result.steps[-1].step


def kinit(arm: LabArm, user: str, card: Path, anchors: Path) -> subprocess.CompletedProcess[str]:
    """kinit by a card, as an administrator would; there is nobody to type a password."""
    told = ("-X", f"X509_user_identity=FILE:{card}", "-X", f"X509_anchors=FILE:{anchors}")
    settings = environment(KRB5_CONFIG=str(arm.krb5_conf), KRB5CCNAME=f"FILE:{arm.folder}/card.ccache", LC_ALL="C")
    argv = ["kinit", *told, user]
    return subprocess.run(argv, env=settings, input="", capture_output=True, text=True, timeout=PATIENCE_S)


def test_a_login_by_card_takes_two_round_trips_and_names_its_certificate(
    arm: LabArm, client: Callable[..., LoginPath], tmp_path: Path
) -> None:
    result = client().login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    assert tuple(step.step for step in result.steps) == SMART_CARD.steps
    facts = result.facts[0]
    assert [exchange.answer_bytes is not None for exchange in facts.exchanges] == [True, True]
    assert [ticket.service for ticket in facts.tickets] == [f"krbtgt/{hospital.REALM}@{hospital.REALM}"]
    card = (arm.folder / pki.CARDS / f"{USER}.pem").read_text()
    certificate = ssl.PEM_cert_to_DER_cert(card[: card.index("-----BEGIN PRIVATE KEY")])
    assert facts.notes == (f"certificate {len(certificate)} B",)


def test_kinit_logs_in_by_the_same_card(arm: LabArm) -> None:
    done = kinit(arm, USER, arm.folder / pki.CARDS / f"{USER}.pem", arm.folder / pki.CA_CERTIFICATE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("card", "user", "expected", "said"),
    [
        ("another's", USER, ("denied", "KDC_ERR_CLIENT_NAME_MISMATCH"), "Client name mismatch"),
        ("lost", FIRST, ("denied", "KDC_ERR_REVOKED_CERTIFICATE"), "Revoked certificate"),
        ("stranger's", USER, ("error", "KDC_ERR_CANT_VERIFY_CERTIFICATE"), "Can't verify certificate"),
    ],
)
def test_a_card_that_is_refused_has_the_kdcs_own_code_as_kinit_says_it(
    arm: LabArm,
    client: Callable[..., LoginPath],
    strangers: Path,
    tmp_path: Path,
    card: str,
    user: str,
    expected: tuple[str, str],
    said: str,
) -> None:
    """The client trusts both authorities, so that it is the KDC which refuses."""
    files = {
        "another's": arm.folder / pki.CARDS / f"{OTHER}.pem",
        "lost": arm.folder / pki.LOST_CARD,
        "stranger's": strangers / pki.CARDS / f"{USER}.pem",
    }
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(b"".join((folder / pki.CA_CERTIFICATE).read_bytes() for folder in (arm.folder, strangers)))
    path = client(folder=folder_with(tmp_path, user, files[card]), anchors=str(anchors))
    assert ended(path.login(user, "cold")) == (*expected, "kdc_as")
    assert said in kinit(arm, user, files[card], anchors).stderr


def test_a_kdc_that_the_anchors_do_not_vouch_for_gets_no_login(
    client: Callable[..., LoginPath], strangers: Path
) -> None:
    path = client(anchors=str(strangers / pki.CA_CERTIFICATE))
    assert ended(path.login(USER, "cold")) == ("error", "KRB5_PREAUTH_FAILED", "kdc_as")


def test_a_card_of_a_clinician_whom_the_kdc_does_not_know_is_denied(
    arm: LabArm, client: Callable[..., LoginPath], tmp_path: Path
) -> None:
    path = client(folder=folder_with(tmp_path, "nobody", arm.folder / pki.CARDS / f"{USER}.pem"))
    assert ended(path.login("nobody", "cold")) == ("denied", "KDC_ERR_C_PRINCIPAL_UNKNOWN", "kdc_as")


def test_logins_at_once_are_each_by_their_own_card(client: Callable[..., LoginPath]) -> None:
    """libkrb5's plugin keeps the card in the context: one that was shared would log in by another's, or not at all."""
    path = client()
    users = hospital.CLINICIANS[:8] * 2
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda user: path.login(user, "cold"), users))
    assert [result.outcome.status for result in results] == ["ok"] * len(users)


def test_without_the_plugin_a_login_by_card_is_refused_before_any_load(
    arm: LabArm, client: Callable[..., LoginPath], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client()
    check_plugin()
    without = tmp_path / "without.conf"
    without.write_text(f"{arm.krb5_conf.read_text()}[plugins]\n\tclpreauth = {{\n\t\tdisable = pkinit\n\t}}\n")
    monkeypatch.setenv("KRB5_CONFIG", str(without))
    with pytest.raises(CredentialError, match="apt-get install --no-install-recommends krb5-pkinit"):
        check_plugin()


def test_the_lab_offers_cards_beside_passwords_and_keys_and_every_login_works(arm: LabArm, tmp_path: Path) -> None:
    target = Target.model_validate(arm.target)
    use_krb5_conf(target, tmp_path)
    for authentication in ("key", "password", "smart-card"):
        told = SMART_CARD.model_copy(update={"authentication": authentication})
        path = LoginPath(target, told, ThreadRuntime())
        users = tuple(path.user("cold", number) for number in range(len(hospital.CLINICIANS)))
        assert users == hospital.CLINICIANS
        path.prepare([USER])
        assert path.login(USER, "cold").outcome.status == "ok", authentication


def test_the_cards_are_for_their_owner_alone_to_read(arm: LabArm) -> None:
    secret = [*(arm.folder / pki.CARDS).iterdir(), arm.folder / pki.LOST_CARD, arm.folder / pki.KDC_KEY]
    assert len(secret) == len(hospital.CLINICIANS) + 2
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
