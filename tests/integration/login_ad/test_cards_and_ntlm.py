"""Smart cards against the AD lab, and what falls back to NTLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.lab.ad.domain import AdArm
from harness.login.path import LoginResult
from tests.helpers.logons_ad import (
    COLD_LOGON,
    USER,
    changed,
    client,
    ended,
    facts_of,
)

pytestmark = pytest.mark.integration


# Smart cards, and what falls back to NTLM.

CARD_TRIES = 4
"""Of 2,500 logins by card 9 failed: a KDC this old loses a byte of a shared secret that begins with a zero (heimdal's
pull request 1177), and MIT's client then has another key. So many failures in a row are no such chance: 1 in 2³²."""
NTLM = ("ldap_connect", "ldap_ntlm_bind", "ldap_own_entry", "ldap_token_groups")


def by_card(target: dict[str, Any], folder: Path, **unlike: object) -> LoginResult:
    """A login by card, again where the KDC's own flaw struck."""
    path = client(target, folder, authentication="smart-card", **unlike)
    for _ in range(CARD_TRIES):
        result = path.login(USER, "cold", explain=True)
        if result.outcome.code != "KRB5_EIO":
            break
    return result


def test_a_card_with_a_user_principal_name_logs_on_to_active_directory(baseline: AdArm, tmp_path: Path) -> None:
    """The whole logon; neither the card nor the controller's certificate names a principal as RFC 4556 would."""
    result = by_card(dict(baseline.target), tmp_path)
    assert result.outcome.status == "ok"
    assert tuple(step.step for step in result.steps) == COLD_LOGON.steps
    exchanges = facts_of(result)["kdc_as"].exchanges
    assert [exchange.answer_bytes is not None for exchange in exchanges] == [True, True]


def test_a_domain_controller_whose_certificate_names_another_host_gets_no_login_by_card(
    baseline: AdArm, tmp_path: Path
) -> None:
    cards = {**baseline.target["credentials"]["smart_cards"], "kdc_hosts": ["dc9.region.test"]}  # type: ignore[index]
    target = changed(baseline, credentials={"smart_cards": cards})
    path = client(target, tmp_path, authentication="smart-card", steps=("kdc_as",))
    assert path.login(USER, "cold").outcome.status == "error"


def test_anothers_card_is_denied_by_active_directory(baseline: AdArm, tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / f"{USER}.pem").touch(0o600)
    (cards / f"{USER}.pem").write_bytes((baseline.folder / "cards" / "clin00008.pem").read_bytes())
    mine = {**baseline.target["credentials"]["smart_cards"], "folder": str(cards)}  # type: ignore[index]
    result = by_card(changed(baseline, credentials={"smart_cards": mine}), tmp_path, steps=("kdc_as",))
    assert ended(result) == ("denied", "KDC_ERR_CLIENT_NAME_MISMATCH", "kdc_as")


@pytest.mark.parametrize(
    ("how", "layer"),
    [("ldaps", "no security layer"), ("starttls", "no security layer"), ("clear", "sign and seal")],
)
def test_an_ntlm_bind_reads_the_clinicians_groups_in_two_round_trips_and_asks_no_kdc(
    baseline: AdArm, logon: LoginResult, tmp_path: Path, how: str, layer: str
) -> None:
    """Where the connection isn't TLS, this controller takes no bind without signing."""
    changes: dict[str, dict[str, Any]] = {
        "ldaps": {},
        "starttls": {"uri": f"ldap://{baseline.address}", "starttls": True},
        "clear": {"uri": f"ldap://{baseline.address}"},
    }
    target = changed(baseline, directory=changes[how])
    result = client(target, tmp_path, steps=NTLM).login(USER, "cold", explain=True)
    assert result.outcome.status == "ok"
    facts = facts_of(result)["ldap_ntlm_bind"]
    assert (facts.round_trips, facts.agreed, facts.exchanges) == (2, (f"NTLM, {layer}",), ())
    assert result.groups == logon.groups


def test_a_wrong_password_is_denied_at_the_ntlm_bind(baseline: AdArm, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.touch(0o600)
    wrong.write_text(f"{USER},not it\n")
    target = {**dict(baseline.target), "credentials": {"csv": str(wrong)}}
    result = client(target, tmp_path, steps=NTLM).login(USER, "cold")
    assert ended(result) == ("denied", "LDAP 49 invalidCredentials", "ldap_ntlm_bind")
