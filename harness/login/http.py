"""The EHR's front: HTTP Negotiate (RFC 4559) on one connection a login, as a browser does it."""

from __future__ import annotations

import base64
import binascii
import http.client
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gssapi

from harness.login.codes import kerberos_outcome
from harness.login.net.sockets import BoundedSocket, channel_bindings, first_connected, no_delay
from harness.login.net.tls import FAILED, client_context, handshake, tls_facts
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts
from harness.model.target import Ehr

PAGE_AT_MOST = 1 << 20
"""A page above 1 MiB is no answer of a login."""

Negotiation = Callable[[Any, float], tuple[Any, bytes]]
"""From a connection's channel bindings to a SPNEGO context of the clinician's and its first token, within seconds."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was given, and whether its server proved who it is."""

    body: bytes
    mutual: bool


class EhrSession:
    """One login's connection to the EHR's front; every method raises StepFailedError.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login.
    """

    def __init__(self, ehr: Ehr, endpoints: Sequence[Endpoint], ca_file: str | None) -> None:
        self._ehr = ehr
        self._endpoints = endpoints
        self._ca_file = ca_file
        self._socket: BoundedSocket | None = None
        self._cookies: dict[str, str] = {}
        self._deadline = 0.0
        self._received = 0
        self.round_trips = 0
        self.statuses: list[int] = []
        self.tls: TlsFacts | None = None

    def front(self, negotiate: Negotiation, timeout_s: float) -> Page:
        """The page that answers at once."""
        return self._page(self._ehr.page, negotiate, timeout_s)

    def chart(self, negotiate: Negotiation, timeout_s: float) -> Page:
        """The page that asks the database on the clinician's behalf."""
        return self._page(self._ehr.database_page, negotiate, timeout_s)

    @property
    def received(self) -> int:
        """How many bytes the front has sent, within TLS."""
        return self._received + (0 if self._socket is None else self._socket.received)

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        connected, self._socket = self._socket, None
        if connected is not None:
            self._received += connected.received
            connected.close()

    def _page(self, path: str, negotiate: Negotiation, timeout_s: float) -> Page:
        """The page, by a token once the server has asked for one: a session's cookie may spare that."""
        with self._within(timeout_s):
            response, body = self._get(path, None)
            context = None
            if response.status == http.client.UNAUTHORIZED and _offered(response) is not None:
                context, token = negotiate(channel_bindings(self._connect()), self._remaining())
                response, body = self._get(path, token)
            if response.status != http.client.OK:
                raise StepFailedError(Outcome("error", f"HTTP {response.status}"))
            answer = _offered(response)
            if context is not None and answer:
                context.step(answer)
            return Page(body, context is not None and bool(context.complete))

    def _get(self, path: str, token: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        connected = self._connect()
        self.round_trips += 1
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._host}", "User-Agent: authgate", "Accept: */*"]
        if self._cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookies.items()))
        if token is not None:
            lines.append(f"Authorization: Negotiate {base64.b64encode(token).decode()}")
        connected.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(connected, method="GET")
        response.begin()
        self.statuses.append(response.status)
        body = response.read(PAGE_AT_MOST + 1)
        if len(body) > PAGE_AT_MOST:
            raise StepFailedError(Outcome("error", "HTTP_TOO_LARGE"))
        if response.length:  # with a limit, http.client reads what there is and says nothing
            raise http.client.IncompleteRead(body, response.length)
        if response.will_close:
            self.close()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, given, value = cookie.partition(";")[0].partition("=")
            if given:
                self._cookies[name.strip()] = value.strip()
        return response, body

    def _connect(self) -> Any:
        """The connection, made anew where the server has closed the last one; TLS verifies the name of the service."""
        if self._socket is None:
            connected: Any = first_connected(self._endpoints, self._remaining)
            no_delay(connected)
            if self._ehr.tls:
                context = client_context(self._ca_file)
                connected = handshake(connected, context, self._ehr.service_host, self._remaining)
                self.tls = tls_facts(connected)
            self._socket = BoundedSocket(connected, self._remaining)
        return self._socket

    @property
    def _host(self) -> str:
        port = self._ehr.endpoint.port
        return self._ehr.service_host if port in (80, 443) else f"{self._ehr.service_host}:{port}"

    @contextmanager
    def _within(self, timeout_s: float) -> Iterator[None]:
        """A step's deadline over all of its exchanges; the libraries' errors as the step's outcome."""
        self._deadline = time.monotonic() + timeout_s
        try:
            yield
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None
        except (http.client.HTTPException, binascii.Error, OSError) as error:
            if time.monotonic() >= self._deadline:
                raise StepFailedError(TIMED_OUT) from None
            raise StepFailedError(Outcome("error", _code(error))) from None

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StepFailedError(TIMED_OUT)
        return left


def _offered(response: http.client.HTTPResponse) -> bytes | None:
    """The token of a Negotiate challenge, empty for a first one; None where the server doesn't offer Negotiate."""
    for challenge in response.headers.get_all("WWW-Authenticate", []):
        scheme, _, token = challenge.strip().partition(" ")
        if scheme.lower() == "negotiate":
            return base64.b64decode(token, validate=True)
    return None


def _code(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return FAILED.code
    if isinstance(error, ConnectionRefusedError):
        return "CONNECT_FAILED"
    # RemoteDisconnected is of both kinds.
    lost = isinstance(error, OSError | http.client.IncompleteRead)
    return "CONNECTION_LOST" if lost else "HTTP_MALFORMED"
