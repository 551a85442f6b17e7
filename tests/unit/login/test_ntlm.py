"""NTLM against pyspnego's own acceptor; a domain controller's is the integration tests'."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spnego

from harness.login.credentials import Secret
from harness.login.ldap.ntlm import NtlmContext
from harness.login.runtime import StepFailedError

CANARY = "Kanarie-c2VjcmV0"
KEY_EXCHANGE = 0x40000000
CHANNEL = b"tls-server-end-point:" + bytes(32)


@pytest.fixture
def acceptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Makes a server that knows one user."""
    users = tmp_path / "users"
    users.write_text(f"CLINIC:zoe:{CANARY}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    return lambda: spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)


def client(password: str = CANARY, bindings: bytes | None = None) -> NtlmContext:
    return NtlmContext("CLINIC", "zoe", Secret(password), "dc1.clinic.test", bindings)


def authenticated(acceptor: Any) -> NtlmContext:
    asking = client()
    acceptor.step(asking.step(acceptor.step(asking.step(None))))
    assert acceptor.complete
    return asking


def failure(function: Callable[[], object]) -> str:
    with pytest.raises(StepFailedError) as caught:
        function()
    assert CANARY not in repr(caught.value)
    return f"{caught.value.outcome.status} {caught.value.outcome.code}"


def test_two_tokens_authenticate_and_what_follows_is_sealed_both_ways(acceptor: Callable[[], Any]) -> None:
    server = acceptor()
    asking = authenticated(server)
    for message in (b"search", b"x" * 5000):
        sent = asking.wrap(message, True).message
        assert message not in sent
        assert asking.get_wrap_size_limit(len(sent), True) == len(message)
        assert server.unwrap(sent).data == message
        assert asking.unwrap(server.wrap(message, encrypt=True).data).message == message


def test_a_sealed_answer_that_was_changed_on_its_way_is_an_error(acceptor: Callable[[], Any]) -> None:
    server = acceptor()
    asking = authenticated(server)
    answer = bytearray(server.wrap(b"entry", encrypt=True).data)
    answer[-1] ^= 1
    assert failure(lambda: asking.unwrap(bytes(answer))) == "error NTLM_BAD_SIGNATURE"


@pytest.mark.parametrize("token", [b"", b"no challenge", b"NTLMSSP\0" + struct.pack("<I", 2), b"NTLMSSP\0" + bytes(60)])
def test_a_challenge_that_is_none_is_an_error(token: bytes) -> None:
    asking = client()
    asking.step(None)
    assert failure(lambda: asking.step(token)) == "error NTLM_BAD_CHALLENGE"


@pytest.mark.parametrize(("bindings", "asked"), [(None, True), (CHANNEL, False)])
def test_a_key_is_offered_only_where_messages_are_to_be_sealed(bindings: bytes | None, asked: bool) -> None:
    (flags,) = struct.unpack_from("<I", client(bindings=bindings).step(None), 12)
    assert bool(flags & KEY_EXCHANGE) == asked
