"""The database's protocol against a server of the test's own, byte for byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import gssapi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.net.clock import StepClock
from harness.login.postgres import MESSAGE_AT_MOST, ROWS_AT_MOST, WHOSE, DatabaseSession
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.database import Database

PATIENCE_S = 20.0
TOKEN, PROOF = b"first token", b"the server's proof"
USER = "svc-ehr"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def asks(method: int, data: bytes = b"") -> bytes:
    return message(b"R", method.to_bytes(4, "big") + data)


def refusal(state: str) -> bytes:
    return message(b"E", f"SFATAL\0VFATAL\0C{state}\0Mfor svc-ehr\0\0".encode())


def row(value: bytes | None) -> bytes:
    column = (-1).to_bytes(4, "big", signed=True) if value is None else len(value).to_bytes(4, "big") + value
    return message(b"D", (1).to_bytes(2, "big") + column)


GSS, AUTHENTICATED, READY = asks(7), asks(0), message(b"Z", b"I")
NOTICE = message(b"N", b"SWARNING\0C01000\0Mcollation\0\0")
SETTINGS = message(b"S", b"server_version\x0015.3\0") + message(b"K", bytes(8))
WELCOME = asks(8, PROOF) + AUTHENTICATED + SETTINGS + READY
ANSWER = message(b"T", bytes(2)) + row(b"svc-ehr@CLINIC.TEST") + message(b"C", b"SELECT 1\0") + READY


@dataclass
class Server:
    port: int
    received: list[bytes] = field(default_factory=list)


@contextmanager
def server(*answers: bytes, byte_every_s: float = 0.0) -> Iterator[Server]:
    """A server that gives one answer after the other, each to what it has received, and hangs up after the last."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        found = Server(listener.getsockname()[1])
        over = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                for answer in answers:
                    received = connection.recv(65536)
                    if not received:
                        return
                    found.received.append(received)
                    if not byte_every_s:
                        connection.sendall(answer)
                    for byte in answer if byte_every_s else b"":
                        connection.sendall(bytes([byte]))
                        if over.wait(byte_every_s):
                            return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join(PATIENCE_S)


class Context:
    """A security context that is complete once it has seen the server's proof."""

    complete = False

    def step(self, token: bytes) -> bytes | None:
        if token != PROOF:
            raise gssapi.exceptions.GSSError(0x90000, 41 - 1765328384 + (1 << 32))
        self.complete = True
        return None


def negotiate() -> tuple[Any, bytes]:
    return Context(), TOKEN


def session(port: int, timeout_s: float = PATIENCE_S) -> DatabaseSession:
    database = Database.model_validate({"uri": f"postgres://127.0.0.1:{port}/ehr", "service_host": "pg.clinic.test"})
    return DatabaseSession(database, [database.endpoint], StepClock(timeout_s))


def failed(*answers: bytes, timeout_s: float = PATIENCE_S, byte_every_s: float = 0.0) -> Outcome:
    """How a login ends that this server answers, up to the query's answer."""
    with server(*answers, byte_every_s=byte_every_s) as there:
        client = session(there.port, timeout_s)
        with pytest.raises(StepFailedError) as raised:
            client.connect(USER, negotiate)
            client.principal()
        client.close()
    return raised.value.outcome


def test_rows_without_an_end_are_an_answer_that_is_too_large() -> None:
    """Until the deadline they would have taken all memory."""
    for one in (row(bytes(1 << 16)), row(b"") * 100):
        assert failed(GSS, WELCOME, one * (ROWS_AT_MOST // len(one) + 2)) == Outcome("error", "DB_ANSWER_TOO_LARGE")


def test_a_login_sends_role_and_database_then_the_token_then_the_query_and_nothing_else() -> None:
    with server(GSS, WELCOME, ANSWER) as there:
        client = session(there.port)
        client.connect(USER, negotiate)
        assert client.round_trips == 2
        assert client.principal() == "svc-ehr@CLINIC.TEST"
        client.close()
        client.close()
    # Manual 55.7: the start-up message has no kind of its own, and version 3.0 is 196608.
    start = (196608).to_bytes(4, "big") + b"user\0svc-ehr\0database\0ehr\0application_name\0authgate\0\0"
    assert there.received == [message(b"", start), message(b"p", TOKEN), message(b"Q", WHOSE.encode() + b"\0")]


def test_notices_may_come_at_any_time() -> None:
    with server(NOTICE + GSS, NOTICE + WELCOME, NOTICE + ANSWER) as there:
        client = session(there.port)
        client.connect(USER, negotiate)
        assert client.principal() == "svc-ehr@CLINIC.TEST"
        client.close()


def test_a_session_that_the_database_holds_for_nobody_has_no_principal() -> None:
    for nobody in (ANSWER.replace(row(b"svc-ehr@CLINIC.TEST"), row(None)), READY):
        with server(GSS, WELCOME, nobody) as there:
            client = session(there.port)
            client.connect(USER, negotiate)
            assert client.principal() == ""
            client.close()


@pytest.mark.parametrize("method", [3, 5, 10], ids=["cleartext", "md5", "scram"])
def test_a_server_that_asks_for_a_password_gets_none(method: int) -> None:
    with server(asks(method, b"salt"), b"") as there:
        client = session(there.port)
        with pytest.raises(StepFailedError, match="DB_PASSWORD_ASKED"):
            client.connect(USER, negotiate)
        client.close()
    assert len(there.received) == 1


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([AUTHENTICATED + READY], Outcome("error", "DB_NOT_KERBEROS")),
        ([GSS, AUTHENTICATED + READY], Outcome("error", "DB_NOT_KERBEROS")),
        ([GSS, GSS], Outcome("error", "DB_NOT_KERBEROS")),
        ([asks(9)], Outcome("error", "DB_NOT_KERBEROS")),
        ([asks(8, PROOF)], Outcome("error", "DB_NOT_KERBEROS")),
        ([GSS, asks(8, b"another's")], Outcome("error", "KRB_AP_ERR_MODIFIED")),
        ([refusal("28000")], Outcome("denied", "SQLSTATE 28000")),
        ([GSS, refusal("28000")], Outcome("denied", "SQLSTATE 28000")),
        ([GSS, WELCOME.replace(READY, refusal("53300"))], Outcome("error", "SQLSTATE 53300")),
        ([GSS, WELCOME, refusal("42P01")], Outcome("error", "SQLSTATE 42P01")),
        ([message(b"E", b"Mno state\0\0")], Outcome("error", "DB_MALFORMED")),
        ([message(b"R", b"\0")], Outcome("error", "DB_MALFORMED")),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Outcome("error", "DB_MALFORMED")),
        ([b"R" + (MESSAGE_AT_MOST + 5).to_bytes(4, "big")], Outcome("error", "DB_MALFORMED")),
        ([b"R" + (3).to_bytes(4, "big")], Outcome("error", "DB_MALFORMED")),
        ([GSS, WELCOME, message(b"D", b"\0\1\0\0\0\xff") + READY], Outcome("error", "DB_MALFORMED")),
        ([GSS, WELCOME, message(b"W", b"") + READY], Outcome("error", "DB_MALFORMED")),
        ([b""], Outcome("error", "CONNECTION_LOST")),
        ([GSS[:5]], Outcome("error", "CONNECTION_LOST")),
        ([GSS, WELCOME], Outcome("error", "CONNECTION_LOST")),
    ],
)
def test_what_a_database_refuses_or_garbles_is_an_outcome_with_its_name(answers: list[bytes], outcome: Outcome) -> None:
    assert failed(*answers) == outcome


def test_a_database_that_drips_is_ended_by_the_deadline() -> None:
    """A deadline that began anew with each byte would end with another outcome: the server hangs up after the last."""
    assert failed(GSS, timeout_s=0.3, byte_every_s=0.1) == TIMED_OUT


def test_a_database_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(StepFailedError, match="CONNECT_FAILED"):
        session(port).connect(USER, negotiate)


@given(st.sampled_from([b"", b"R", b"E", b"D", b"Z"]), st.binary(max_size=40))
def test_whatever_a_database_says_is_a_login_or_an_outcome(kind: bytes, said: bytes) -> None:
    for before in ([], [GSS], [GSS, WELCOME]):
        with server(*before, message(kind, said) if kind else said) as there:
            client = session(there.port)
            with suppress(StepFailedError):
                client.connect(USER, negotiate)
                client.principal()
            client.close()
