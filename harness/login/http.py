"""The EHR's front: HTTP Negotiate (RFC 4559) on one connection a login, as a browser does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.login.cookies import Cookies
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.login.web import OK, UNAUTHORIZED, Negotiation, Response, WebConnection, errors
from harness.model.attempt import Outcome
from harness.model.ehr import Ehr
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was given, and whether its server proved who it is."""

    body: bytes
    mutual: bool


class EhrSession:
    """One login's connection to the EHR's front; every method raises StepFailedError.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login.
    """

    def __init__(self, ehr: Ehr, endpoints: Sequence[Endpoint], ca_file: str | None, clock: StepClock) -> None:
        self._ehr = ehr
        self._clock = clock
        self._connection = WebConnection(ehr, endpoints, ca_file, clock)
        self._cookies = Cookies()
        self.statuses: list[int] = []

    def front(self, negotiate: Negotiation) -> Page:
        """The page that answers at once."""
        return self._page(self._ehr.page, negotiate)

    def chart(self, negotiate: Negotiation) -> Page:
        """The page that asks the database on the clinician's behalf."""
        return self._page(self._ehr.database_page, negotiate)

    def greet(self) -> tuple[int, bool]:
        """Ask for the page that answers at once without a token: the status, and whether Negotiate is offered."""
        with errors(self._clock):
            response = self._get(self._ehr.page, None)
            return response.status, response.offered() is not None

    @property
    def round_trips(self) -> int:
        """How many requests were sent."""
        return self._connection.round_trips

    @property
    def interim(self) -> int:
        """The status of the last interim answer (1xx), which a whole one was to follow."""
        return self._connection.interim

    @property
    def tls(self) -> tuple[TlsFacts | None]:
        """What the last connection's handshake agreed on."""
        return (self._connection.tls,)

    @property
    def received(self) -> int:
        """How many bytes the front has sent, within TLS."""
        return self._connection.received

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._connection.close()

    def _page(self, path: str, negotiate: Negotiation) -> Page:
        """The page, by a token once the server has asked for one: a session's cookie may spare that."""
        with errors(self._clock):
            response = self._get(path, None)
            context = None
            if response.status == UNAUTHORIZED and response.offered() is not None:
                context, token = negotiate(self._connection.bindings)
                response = self._get(path, token)
            if response.status != OK:
                raise StepFailedError(Outcome("error", f"HTTP {response.status}"))
            answer = response.offered()
            if context is not None and answer:
                context.step(answer)
            return Page(response.body, context is not None and bool(context.complete))

    def _get(self, path: str, token: bytes | None) -> Response:
        host, where = self._ehr.service_host, path.partition("?")[0]
        response = self._connection.ask(path, self._cookies.header(host, where, self._ehr.tls), token)
        self.statuses.append(response.status)
        self._cookies.take(host, where, response.values(b"set-cookie"))
        return response
