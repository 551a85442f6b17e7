"""Single logins over TLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.lab.domain import LabArm
from harness.login.net.streams import Stream
from tests.helpers.logins import (
    IN_TLS,
    PATIENCE_S,
    SIMPLE,
    USER,
    KdcLog,
    Way,
    changed,
    client,
    ended,
    groups_of,
    tool,
)

pytestmark = pytest.mark.integration


# TLS.


@IN_TLS
def test_certificates_are_parsed_once_and_not_in_each_login(
    arm: LabArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    path = client(changed(arm, way(arm)), tmp_path, steps=SIMPLE)
    monkeypatch.setattr(ssl.SSLContext, "__new__", lambda *_, **__: pytest.fail("certificates parsed in a login"))
    assert path.login(USER, "cold").outcome.status == "ok"


@IN_TLS
def test_a_login_over_tls_shows_its_version(arm: LabArm, tmp_path: Path, way: Way) -> None:
    result = client(changed(arm, way(arm)), tmp_path).login(USER, "cold", explain=True)
    assert (result.outcome.status, result.groups) == ("ok", groups_of(USER))
    shown = [facts.tls.version if facts.tls else "" for facts in result.facts]
    assert shown == ["", "", "TLSv1.3", "", "", ""]
    assert [facts.agreed for facts in result.facts] == [(), (), (), ("no security layer",), (), ()]


@IN_TLS
def test_a_simple_bind_over_tls_logs_in(arm: LabArm, tmp_path: Path, way: Way) -> None:
    assert client(changed(arm, way(arm)), tmp_path, steps=SIMPLE).login(USER, "cold").outcome.status == "ok"


@IN_TLS
def test_the_bind_after_a_handshake_does_not_wait_for_a_delayed_acknowledgement(
    arm: LabArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    """Linux delays it by 40 ms at least (TCP_DELACK_MIN), and only Nagle's algorithm waits for it (RFC 9293 §3.7.4)."""
    path = client(changed(arm, way(arm)), tmp_path, steps=SIMPLE)
    send, sent_at_once = Stream.sendall, list[bool]()

    def noted(stream: Stream, data: bytes) -> None:
        sent_at_once.append(bool(stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        send(stream, data)

    monkeypatch.setattr(Stream, "sendall", noted)
    assert path.login(USER, "cold").outcome.status == "ok"
    assert sent_at_once and all(sent_at_once)


@IN_TLS
def test_a_certificate_that_nobody_vouches_for_is_a_tls_failure(arm: LabArm, tmp_path: Path, way: Way) -> None:
    other = tmp_path / "other.pem"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "key.pem"))
    tool(arm, "openssl", "req", *key, "-x509", "-subj", "/CN=other", "-out", str(other))
    result = client(changed(arm, {**way(arm), "ca_file": str(other)}), tmp_path).login(USER, "cold")
    assert ended(result) == ("error", "TLS_FAILED", "ldap_connect")


def test_a_file_of_certificates_that_cannot_be_used_is_refused_before_any_request(arm: LabArm, tmp_path: Path) -> None:
    log = KdcLog(arm)
    (tmp_path / "text.pem").write_text("no certificate\n")
    for name in ("missing.pem", "text.pem"):
        with pytest.raises(ConfigError, match=name):
            client(changed(arm, {"starttls": True, "ca_file": str(tmp_path / name)}), tmp_path)
    assert log.lines() == []


def test_the_certificate_of_the_lab_names_its_address(arm: LabArm) -> None:
    """What the tests above rest on, by OpenSSL's own verification of the host."""
    context = ssl.create_default_context(cafile=str(arm.folder / "ldap-cert.pem"))
    with (
        socket.create_connection(("127.0.0.1", arm.ports["ldaps"]), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.version() == "TLSv1.3"
