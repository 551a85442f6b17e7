"""A change of the AD lab's candidate is in the files of its servers, and nothing else is."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import dns.message
import dns.reversename
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import LabError
from harness.lab.ad import changes, region, settings, single_sign_on
from harness.lab.ad.changes import parse_change
from harness.lab.ad.settings import Settings
from harness.lab.ad.system_python.forwarder import is_reverse
from tests.helpers.stand_ins import stand_in

Text = Callable[[Settings, str], str]
TEXTS = (settings.smb_conf, settings.httpd_conf, settings.postgresql_conf)


@pytest.mark.parametrize("text", TEXTS)
def test_arms_with_equal_settings_differ_in_their_address_alone(text: Text) -> None:
    baseline, candidate = (text(Settings(), address) for address in ("127.0.0.2", "127.0.0.3"))
    assert baseline != candidate
    assert baseline.replace("127.0.0.2", "127.0.0.3") == candidate


@pytest.mark.parametrize(
    "spelling",
    ["process-model-standard", "rsa-4096-certificate", "ehr-workers=2", "udp-first", "rc4-only-database",
     "rc4-only-ehr", "no-ehr-spn", "no-delegation", "log-level=10", "dc-workers=1", "disabled-percent=10",
     "nested-groups=200", "no-subnet", "slow-reverse-dns=4.5", "single-sign-on", "single-session", "open-sessions=9",
     "saml-key-renewed", "saml-rsa-4096"],
)  # fmt: skip
def test_a_change_is_found_by_its_name_and_changes_something(spelling: str) -> None:
    change = parse_change(spelling)
    assert change.name == spelling
    assert change.apply(Settings()) != Settings()
    assert change.apply(change.apply(Settings())) == change.apply(Settings())


@pytest.mark.parametrize(
    "wrong",
    ["", "rsa", "ehr-workers", "ehr-workers=", "ehr-workers=0", "ehr-workers=many", "log-level=11", "dc-workers=0",
     "disabled-percent=101", "nested-groups=201", "open-sessions=0", "slow-reverse-dns=-1", "slow-reverse-dns=1e3"],
)  # fmt: skip
def test_a_change_that_is_not_known_is_refused_with_those_that_are(wrong: str) -> None:
    with pytest.raises(LabError, match="expected one"):
        parse_change(wrong)


def test_a_delay_that_the_resolver_would_not_wait_for_is_refused() -> None:
    for wrong in ("0", "30", "1000"):
        with pytest.raises(LabError, match="above 0 and below 30"):
            parse_change(f"slow-reverse-dns={wrong}")


def test_a_front_without_single_sign_on_includes_nothing_of_it() -> None:
    without, with_it = (settings.httpd_conf(Settings(single_sign_on=on), "127.0.0.2") for on in (False, True))
    assert "Include" not in without
    assert with_it.replace("Include /mnt/web/oidc.conf\nInclude /mnt/web/saml.conf", "") == without


def test_the_portal_is_asked_as_its_changes_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, single_sign_on, "shutil", chown=lambda *_: None)  # not everybody may
    (tmp_path / "web").mkdir()
    chosen = Settings()
    for name in ("open-sessions=3", "single-session"):
        chosen = parse_change(name).apply(chosen)
    assert chosen.single_sign_on
    single_sign_on.configure(tmp_path, chosen, "127.0.0.2")
    conf = json.loads((tmp_path / "idp/conf/lmConf-1.json").read_text())
    assert conf["singleSession"] == 1
    assert len([path for path in (tmp_path / "idp/sessions").iterdir() if path.is_file()]) == 3
    (client,) = conf["oidcRPMetaDataOptions"].values()
    secret = client["oidcRPMetaDataOptionsClientSecret"]
    assert f"OIDCClientSecret {secret}\n" in (tmp_path / "web/oidc.conf").read_text()
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_text()]
    assert len(holders) == 2 and all(path.stat().st_mode & 0o077 == 0 for path in holders)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7", "2001:db8::1"])
def test_the_forwarder_tells_a_reverse_lookup_by_its_question(address: str) -> None:
    assert is_reverse(dns.message.make_query(dns.reversename.from_address(address), "PTR").to_wire())
    for other in (region.EHR_HOST, "arpa", "in-addr.arpa.region.test", "1.in-addr.test", "."):
        assert not is_reverse(dns.message.make_query(other, "A").to_wire())


@given(st.binary(max_size=64))
def test_the_forwarder_survives_anything_that_is_no_query(data: bytes) -> None:
    assert is_reverse(data) in (True, False)


def test_a_setting_of_a_change_replaces_the_labs_own() -> None:
    text = settings.smb_conf(Settings(samba={"log level": "10", "ldap debug level": "1"}), "127.0.0.2")
    assert "log level = 10\n" in text and "log level = 0\n" not in text
    assert "ldap debug level = 1\n" in text
    assert "fsync = on\n" in settings.postgresql_conf(Settings(database={"fsync": "on"}), "127.0.0.2")


def test_the_front_never_serves_more_requests_than_it_has_workers() -> None:
    text = settings.httpd_conf(changes.ehr_workers(3).apply(Settings()), "127.0.0.2")
    assert "MaxRequestWorkers 3\n" in text and "ServerLimit 3\n" in text


def test_every_clinician_is_nested_four_deep_and_one_user_has_200_groups() -> None:
    parents: dict[str, list[str]] = {}
    for entry in region.entries(dict.fromkeys(region.accounts_with_password(), "x")):
        for member in entry.get("member", ()):
            parents.setdefault(member, []).append(str(entry["dn"]))

    def depths(dn: str, depth: int = 0) -> dict[str, int]:
        found = {dn: depth}
        for parent in parents.get(dn, ()):
            found |= depths(parent, depth + 1)
        return found

    for user in region.CLINICIANS:
        assert depths(region.user_dn(user))[region.group_dn(region.EHR_USERS)] == 4
    assert len(depths(region.user_dn(region.MANY_GROUPS_USER))) == 1 + 200
    assert len(region.CLINICIANS) == 2000


def _certificates(text: str) -> set[str]:
    return {"".join(found.split()) for found in re.findall(r"<X509Certificate>([^<]*)<", text)}


@pytest.mark.parametrize("spelling", ["single-sign-on", "saml-key-renewed", "saml-rsa-4096"])
def test_each_side_of_saml_knows_the_other_by_its_metadata_unless_a_key_was_renewed(
    spelling: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, single_sign_on, "shutil", chown=lambda *_: None)
    (tmp_path / "web").mkdir()
    single_sign_on.configure(tmp_path, parse_change(spelling).apply(Settings()), "127.0.0.2")
    conf = json.loads((tmp_path / "idp/conf/lmConf-1.json").read_text())
    service = (tmp_path / "web/saml/metadata.xml").read_text()
    assert conf["samlSPMetaDataXML"]["ehr"]["samlSPMetaDataXML"] == service
    for role in (service, (tmp_path / "web/saml/provider.xml").read_text()):
        ElementTree.fromstring(role)
    shown = conf["samlServicePublicKeySig"].encode()
    own = x509.load_pem_x509_certificate(shown)
    key = load_pem_private_key(conf["samlServicePrivateKeySig"].encode(), None)
    assert key.public_key() == own.public_key()
    known = _certificates((tmp_path / "web/saml/provider.xml").read_text())
    assert (known == {base64.b64encode(own.public_bytes(Encoding.DER)).decode()}) == (spelling != "saml-key-renewed")
    (of_service,) = _certificates(service)
    bits = {x509.load_der_x509_certificate(base64.b64decode(it)).public_key().key_size for it in (of_service, *known)}
    assert bits == {4096 if spelling == "saml-rsa-4096" else 2048}
    private = tmp_path / "web/saml/key.pem"
    assert private.stat().st_mode & 0o077 == 0
