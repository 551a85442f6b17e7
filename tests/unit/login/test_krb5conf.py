"""libkrb5's configuration, as a target asks for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.login.kerberos.krb5conf import krb5_conf, use_krb5_conf
from tests.helpers.targets import REALM, target


def settings_of(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        if equals:
            found.setdefault(key.strip(), []).append(value)
    return found


@pytest.mark.parametrize(("transport", "limit"), [("tcp", "1"), ("udp-first", "1465")])
def test_the_transport_is_set_by_what_is_too_big_for_udp(transport: str, limit: str) -> None:
    assert settings_of(krb5_conf(target(kdc_transport=transport)))["udp_preference_limit"] == [limit]


def test_libkrb5_is_told_every_kdc_and_looks_nothing_up() -> None:
    found = settings_of(krb5_conf(target()))
    assert found["kdc"] == ["192.0.2.10:88", "[2001:db8::10]:8888"]
    assert found["default_realm"] == [REALM]
    for lookup in ("dns_lookup_kdc", "dns_lookup_realm", "dns_canonicalize_hostname", "rdns"):
        assert found[lookup] == ["false"]
    assert found["dc.clinic.test"] == found[".clinic.test"] == [REALM]


def test_the_configuration_of_a_login_names_no_kdc_that_libkrb5_could_wait_for() -> None:
    assert "kdc" not in settings_of(krb5_conf(target(), with_kdcs=False))


def test_the_configuration_is_set_for_this_process_and_no_cache_of_the_user_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", "/nowhere")
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere")
    path = use_krb5_conf(target(), tmp_path)
    assert os.environ["KRB5_CONFIG"] == str(path)
    assert path.read_text() == krb5_conf(target(), with_kdcs=False)
    assert os.environ["KRB5CCNAME"].startswith("MEMORY:")
