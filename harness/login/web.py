"""HTTP/1.1 on one connection to one web server, as a browser does it; messages by h11.

A connection is made anew where the server has closed the last one. Whoever asks is told every answer, whatever its
status; what is garbled, too large or cut off is an error of the step.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gssapi
import h11

from harness.login.codes import kerberos_outcome
from harness.login.net.clock import StepClock
from harness.login.net.layers import channel_bindings
from harness.login.net.streams import first_connected
from harness.login.net.tls import FAILED, TlsStream, client_context
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.ehr import WebServer
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts

PAGE_AT_MOST = 1 << 20
"""A page above 1 MiB is no answer of a login."""
MALFORMED = Outcome("error", "HTTP_MALFORMED")
OK, UNAUTHORIZED = 200, 401
_STATUS_LINE = b"HTTP/1."
_FORM = "application/x-www-form-urlencoded"

Negotiation = Callable[[Any], tuple[Any, bytes]]
"""From a connection's channel bindings to a SPNEGO context of the clinician's and its first token."""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, whole; the names of its headers are in lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> Iterator[str]:
        """Every header of the name."""
        return (value.decode("latin-1") for key, value in self.headers if key == name)

    def offered(self) -> bytes | None:
        """The token of a Negotiate challenge, empty for a first one; None where the server doesn't offer Negotiate."""
        for challenge in self.values(b"www-authenticate"):
            scheme, _, token = challenge.strip().partition(" ")
            if scheme.lower() == "negotiate":
                return base64.b64decode(token.encode("latin-1"), validate=True)
        return None


class WebConnection:
    """One login's connection to a web server.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login. Methods raise what
    the libraries and the sockets do, which ``errors`` turns into the step's outcome.
    """

    def __init__(self, server: WebServer, endpoints: Sequence[Endpoint], ca_file: str | None, clock: StepClock) -> None:
        self._server = server
        self._endpoints = endpoints
        self._ca_file = ca_file
        self._clock = clock
        self._stream: Any = None
        self._http = h11.Connection(h11.CLIENT)
        self._received = 0
        self.round_trips = 0
        self.interim = 0
        """The status of the last interim answer (1xx), which a whole one was to follow."""
        self.tls: TlsFacts | None = None

    @property
    def received(self) -> int:
        """How many bytes the server has sent, within TLS."""
        return self._received + (0 if self._stream is None else self._stream.received)

    @property
    def bindings(self) -> Any:
        """What binds an authentication to the connection; None where there is no TLS."""
        return channel_bindings(self._connected())

    @property
    def kept(self) -> bool:
        """Whether a connection is there that has carried a request, and that the server has not said to close."""
        return self._stream is not None

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._received += stream.received
            stream.close()

    def ask(self, target: str, cookies: str = "", token: bytes | None = None, form: bytes | None = None) -> Response:
        """The answer to a GET, or with a form to a POST; ``token`` is one of Negotiate."""
        stream = self._connected()
        self.round_trips += 1
        headers = [("Host", self._host), ("User-Agent", "authgate"), ("Accept", "*/*")]
        if cookies:
            headers.append(("Cookie", cookies))
        if token is not None:
            headers.append(("Authorization", f"Negotiate {base64.b64encode(token).decode()}"))
        if form is not None:
            headers += [("Content-Type", _FORM), ("Content-Length", str(len(form)))]
        method = "GET" if form is None else "POST"
        coded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]  # as cookies came
        events: list[h11.Request | h11.Data] = [h11.Request(method=method, target=target, headers=coded)]
        events += [] if form is None else [h11.Data(data=form)]
        stream.sendall(b"".join(self._http.send(event) or b"" for event in (*events, h11.EndOfMessage())))
        response = self._response(stream)
        if self._http.our_state is h11.MUST_CLOSE:
            self.close()
        else:
            self._http.start_next_cycle()
        return response

    def _response(self, stream: Any) -> Response:
        head: h11.Response | None = None
        body = bytearray()
        begun = b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = stream.recv()
                if not data and head is None and (not begun or begun.startswith(_STATUS_LINE)):
                    raise ConnectionResetError  # before it had answered, or within an answer
                begun = begun or data
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > PAGE_AT_MOST:
                    raise StepFailedError(Outcome("error", "HTTP_TOO_LARGE"))
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return Response(head.status_code, tuple(head.headers), bytes(body))
            elif isinstance(event, h11.InformationalResponse):
                self.interim = event.status_code
            else:  # the connection's end, or another protocol
                raise ConnectionResetError

    def _connected(self) -> Any:
        """The connection, made anew where the server has closed the last one; TLS verifies the name of the service."""
        if self._stream is None:
            stream: Any = first_connected(self._endpoints, self._clock)
            if self._server.tls:
                stream = TlsStream(stream, client_context(self._ca_file), self._server.service_host, self._clock)
                self.tls = stream.facts()
            self._stream, self._http = stream, h11.Connection(h11.CLIENT)
        return self._stream

    @property
    def _host(self) -> str:
        port = self._server.endpoint.port
        return self._server.service_host if port in (80, 443) else f"{self._server.service_host}:{port}"


@contextmanager
def errors(clock: StepClock) -> Iterator[None]:
    """What the libraries and a connection raise within, as the step's outcome."""
    try:
        yield
    except gssapi.exceptions.GSSError as error:
        raise StepFailedError(kerberos_outcome(error.min_code)) from None
    except (h11.ProtocolError, binascii.Error, OSError) as error:
        if clock.over:
            raise StepFailedError(TIMED_OUT) from None
        raise StepFailedError(_outcome(error)) from None


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, ssl.SSLError):
        return FAILED
    if isinstance(error, ConnectionRefusedError):
        return Outcome("error", "CONNECT_FAILED")
    # h11 has no type of its own for a body that is cut off.
    lost = isinstance(error, OSError) or "without sending complete message body" in str(error)
    return Outcome("error", "CONNECTION_LOST") if lost else MALFORMED
