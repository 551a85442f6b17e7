"""The EHR's front: HTTP Negotiate (RFC 4559) on one connection a login, as a browser does it; messages by h11."""

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
from harness.model.ehr import Ehr
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts

PAGE_AT_MOST = 1 << 20
"""A page above 1 MiB is no answer of a login."""
_OK, _UNAUTHORIZED = 200, 401
_STATUS_LINE = b"HTTP/1."

Negotiation = Callable[[Any], tuple[Any, bytes]]
"""From a connection's channel bindings to a SPNEGO context of the clinician's and its first token."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was given, and whether its server proved who it is."""

    body: bytes
    mutual: bool


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> Iterator[str]:
        """Every header of the name, which h11 has in lower case."""
        return (value.decode("latin-1") for key, value in self.headers if key == name)

    def offered(self) -> bytes | None:
        """The token of a Negotiate challenge, empty for a first one; None where the server doesn't offer Negotiate."""
        for challenge in self.values(b"www-authenticate"):
            scheme, _, token = challenge.strip().partition(" ")
            if scheme.lower() == "negotiate":
                return base64.b64decode(token.encode("latin-1"), validate=True)
        return None


class EhrSession:
    """One login's connection to the EHR's front; every method raises StepFailedError.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login.
    """

    def __init__(self, ehr: Ehr, endpoints: Sequence[Endpoint], ca_file: str | None, clock: StepClock) -> None:
        self._ehr = ehr
        self._endpoints = endpoints
        self._ca_file = ca_file
        self._clock = clock
        self._stream: Any = None
        self._http = h11.Connection(h11.CLIENT)
        self._cookies: dict[str, str] = {}
        self._received = 0
        self.round_trips = 0
        self.interim = 0
        """The status of the last interim answer (1xx), which a whole one was to follow."""
        self.statuses: list[int] = []
        self.tls: TlsFacts | None = None

    def front(self, negotiate: Negotiation) -> Page:
        """The page that answers at once."""
        return self._page(self._ehr.page, negotiate)

    def chart(self, negotiate: Negotiation) -> Page:
        """The page that asks the database on the clinician's behalf."""
        return self._page(self._ehr.database_page, negotiate)

    def greet(self) -> tuple[int, bool]:
        """Ask for the page that answers at once without a token: the status, and whether Negotiate is offered."""
        with self._errors():
            response = self._get(self._ehr.page, None)
            return response.status, response.offered() is not None

    @property
    def received(self) -> int:
        """How many bytes the front has sent, within TLS."""
        return self._received + (0 if self._stream is None else self._stream.received)

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._received += stream.received
            stream.close()

    def _page(self, path: str, negotiate: Negotiation) -> Page:
        """The page, by a token once the server has asked for one: a session's cookie may spare that."""
        with self._errors():
            response = self._get(path, None)
            context = None
            if response.status == _UNAUTHORIZED and response.offered() is not None:
                context, token = negotiate(channel_bindings(self._connected()))
                response = self._get(path, token)
            if response.status != _OK:
                raise StepFailedError(Outcome("error", f"HTTP {response.status}"))
            answer = response.offered()
            if context is not None and answer:
                context.step(answer)
            return Page(response.body, context is not None and bool(context.complete))

    def _get(self, path: str, token: bytes | None) -> _Response:
        stream = self._connected()
        self.round_trips += 1
        headers = [("Host", self._host), ("User-Agent", "authgate"), ("Accept", "*/*")]
        if self._cookies:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self._cookies.items())))
        if token is not None:
            headers.append(("Authorization", f"Negotiate {base64.b64encode(token).decode()}"))
        request = self._http.send(h11.Request(method="GET", target=path, headers=headers))
        stream.sendall((request or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        response = self._response(stream)
        self.statuses.append(response.status)
        if self._http.our_state is h11.MUST_CLOSE:
            self.close()
        else:
            self._http.start_next_cycle()
        for cookie in response.values(b"set-cookie"):
            name, given, value = cookie.partition(";")[0].partition("=")
            if given:
                self._cookies[name.strip()] = value.strip()
        return response

    def _response(self, stream: Any) -> _Response:
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
                return _Response(head.status_code, tuple(head.headers), bytes(body))
            elif isinstance(event, h11.InformationalResponse):
                self.interim = event.status_code
            else:  # the connection's end, or another protocol
                raise ConnectionResetError

    def _connected(self) -> Any:
        """The connection, made anew where the server has closed the last one; TLS verifies the name of the service."""
        if self._stream is None:
            stream: Any = first_connected(self._endpoints, self._clock)
            if self._ehr.tls:
                stream = TlsStream(stream, client_context(self._ca_file), self._ehr.service_host, self._clock)
                self.tls = stream.facts()
            self._stream, self._http = stream, h11.Connection(h11.CLIENT)
        return self._stream

    @property
    def _host(self) -> str:
        port = self._ehr.endpoint.port
        return self._ehr.service_host if port in (80, 443) else f"{self._ehr.service_host}:{port}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the libraries and the connection raise, as the step's outcome."""
        try:
            yield
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None
        except (h11.RemoteProtocolError, binascii.Error, OSError) as error:
            if self._clock.over:
                raise StepFailedError(TIMED_OUT) from None
            raise StepFailedError(Outcome("error", self._code(error))) from None

    def _code(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLError):
            return FAILED.code
        if isinstance(error, ConnectionRefusedError):
            return "CONNECT_FAILED"
        # h11 has no type of its own for a body that is cut off.
        lost = isinstance(error, OSError) or "without sending complete message body" in str(error)
        return "CONNECTION_LOST" if lost else "HTTP_MALFORMED"
