"""The EHR's pages from a web server of the test's own, byte for byte."""

from __future__ import annotations

import base64
import socket
from contextlib import suppress
from typing import Any

import gssapi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.http import EhrSession, Page
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.login.web import PAGE_AT_MOST
from harness.model.attempt import Outcome
from harness.model.ehr import Ehr
from tests.helpers.web_servers import PATIENCE_S, front

TOKEN, PROOF = b"first token", b"the server's proof"
ASKS = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 2\r\n\r\nno"
GIVEN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def with_header(answer: bytes, header: str) -> bytes:
    return answer.replace(b"\r\nContent-Length", f"\r\n{header}\r\nContent-Length".encode(), 1)


PROVEN = with_header(GIVEN, f"WWW-Authenticate: Negotiate {base64.b64encode(PROOF).decode()}")


class Context:
    """A security context that is complete once it has seen the server's proof."""

    complete = False

    def step(self, token: bytes) -> None:
        if token != PROOF:
            raise gssapi.exceptions.GSSError(0x90000, 41 - 1765328384 + (1 << 32))
        self.complete = True


def session(port: int, timeout_s: float = PATIENCE_S) -> EhrSession:
    url = f"http://127.0.0.1:{port}/portal/"
    ehr = Ehr.model_validate({"url": url, "service_host": "ehr.clinic.test", "database_path": "db"})
    return EhrSession(ehr, [ehr.endpoint], None, StepClock(timeout_s))


def negotiate(bindings: object) -> tuple[Any, bytes]:
    assert bindings is None  # no TLS here
    return Context(), TOKEN


def never(bindings: object) -> tuple[Any, bytes]:
    raise AssertionError("no token was asked for")


def failed(*answers: bytes, timeout_s: float = PATIENCE_S, byte_every_s: float = 0.0) -> Outcome:
    with front(*answers, byte_every_s=byte_every_s) as server:
        browser = session(server.port, timeout_s)
        with pytest.raises(StepFailedError) as raised:
            browser.front(negotiate)
        browser.close()
    return raised.value.outcome


def test_the_token_goes_out_only_once_the_server_has_asked_and_on_the_same_connection() -> None:
    with front(ASKS, PROVEN, ASKS, GIVEN) as server:
        browser = session(server.port)
        assert browser.front(negotiate) == Page(b"hello", mutual=True)
        assert browser.chart(negotiate) == Page(b"hello", mutual=False)
        browser.close()
    assert server.connections == 1
    assert browser.round_trips == 4
    assert [request.partition("\r\n")[0] for request in server.requests] == [
        "GET /portal/ HTTP/1.1", "GET /portal/ HTTP/1.1", "GET /portal/db HTTP/1.1", "GET /portal/db HTTP/1.1"
    ]  # fmt: skip
    authorization = f"Authorization: Negotiate {base64.b64encode(TOKEN).decode()}"
    assert [authorization in request.split("\r\n") for request in server.requests] == [False, True, False, True]
    assert all(f"Host: ehr.clinic.test:{server.port}" in request.split("\r\n") for request in server.requests)


def test_a_sessions_cookie_spares_the_second_token() -> None:
    given = with_header(GIVEN, "Set-Cookie: session=abc; HttpOnly; Path=/")
    with front(ASKS, given, GIVEN) as server:
        browser = session(server.port)
        browser.front(negotiate)
        browser.chart(never)
        browser.close()
    assert ["Cookie: session=abc" in request.split("\r\n") for request in server.requests] == [False, False, True]


def test_a_cookie_goes_only_where_its_server_wants_it() -> None:
    given = with_header(GIVEN, "Set-Cookie: elsewhere=1; Path=/admin")
    given = with_header(with_header(given, "Set-Cookie: sealed=1; Path=/; Secure"), "Set-Cookie: gone=1; Max-Age=0")
    with front(ASKS, given, GIVEN) as server:
        browser = session(server.port)
        browser.front(negotiate)
        browser.chart(never)
        browser.close()
    assert "Cookie:" not in server.requests[-1]


def test_a_server_that_hangs_up_after_its_challenge_is_connected_to_anew() -> None:
    with front(with_header(ASKS, "Connection: close"), GIVEN) as server:
        browser = session(server.port)
        assert browser.front(negotiate).body == b"hello"
        browser.close()
    assert server.connections == 2


def test_a_page_in_chunks_is_read_whole() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    with front(ASKS, chunks) as server:
        assert session(server.port).front(negotiate).body == b"hello"


def test_a_server_that_proves_to_be_another_is_an_error() -> None:
    other = with_header(GIVEN, f"WWW-Authenticate: Negotiate {base64.b64encode(b'another').decode()}")
    assert failed(ASKS, other) == Outcome("error", "KRB_AP_ERR_MODIFIED")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([ASKS, ASKS], "HTTP 401"),
        ([ASKS.replace(b"Negotiate", b"Basic realm=EHR")], "HTTP 401"),
        ([ASKS, GIVEN.replace(b"200 OK", b"403 Forbidden")], "HTTP 403"),
        ([ASKS, GIVEN.replace(b"200 OK", b"500 Error")], "HTTP 500"),
        ([GIVEN.replace(b"200 OK", b"302 Found")], "HTTP 302"),
        ([ASKS.replace(b"Negotiate", b"Negotiate &&&")], "HTTP_MALFORMED"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "HTTP_MALFORMED"),
        ([GIVEN.replace(b"5", b"50")], "CONNECTION_LOST"),
        ([ASKS, b""], "CONNECTION_LOST"),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (PAGE_AT_MOST + 1)], "HTTP_TOO_LARGE"),
    ],
)
def test_what_a_front_refuses_or_garbles_is_an_error_with_its_name(answers: list[bytes], code: str) -> None:
    assert failed(*answers) == Outcome("error", code)


def test_a_front_that_drips_is_ended_by_the_deadline() -> None:
    """A deadline that began anew with each byte would let the page come to its end."""
    assert failed(GIVEN, timeout_s=0.3, byte_every_s=0.1) == TIMED_OUT


def test_a_front_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(StepFailedError, match="CONNECT_FAILED"):
        session(port).front(negotiate)


@given(st.binary(max_size=60))
def test_whatever_a_front_says_is_a_page_or_an_outcome(said: bytes) -> None:
    with front(b"HTTP/1.1 " + said + b"\r\n\r\n") as server:
        browser = session(server.port)
        with suppress(StepFailedError):
            browser.front(negotiate)
        browser.close()
