"""Web single sign-on as a browser does it: Kerberos at the provider, the redirects, and the session that comes of it.

What relies on the provider sends the browser there; the provider authenticates the clinician by HTTP Negotiate and
hands on what proves it, for which the relying party gives a session. What travels is the protocol's
(``sso_protocols.py``).

1. A redirect or a form is followed to the provider and to what relies on it alone, by the names that the targets have
   for them: any other ends the login.
2. What is followed is bounded, in number and in bytes.
3. Codes, assertions, tokens and cookies are kept by the login and shown nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from harness.login.cookies import Cookies
from harness.login.forms import posted_form
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.login.sso_protocols import Protocol
from harness.login.web import MALFORMED, OK, UNAUTHORIZED, Negotiation, Response, WebConnection, errors
from harness.model.attempt import Outcome
from harness.model.ehr import WebServer
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts
from harness.model.sso import SingleSignOn

REQUESTS_AT_MOST = 10
"""In one step; a login of the lab's needs two at most."""
_REDIRECTS, _KEEP_METHOD = (301, 302, 303, 307, 308), (307, 308)
_PORTS = {"http": 80, "https": 443}
_ALLOWED_IN_TARGET = "!#$%&'()*+,/:;=?@[]~-._"
"""What stays as it is in a request's target (RFC 3986); a browser escapes the rest."""
_PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class _Place:
    """What to ask for next: a server of the targets by its key, the request's target, and a form to post."""

    server: str
    target: str
    form: bytes | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class SingleSignOnSession:
    """One login's way through single sign-on; every method is a step of it, and raises StepFailedError.

    ``endpoints`` are the checked addresses of each server, by its key in the targets. ``notes`` take what a failure
    can't say in a code.
    """

    def __init__(
        self,
        sso: SingleSignOn,
        endpoints: Mapping[str, Sequence[Endpoint]],
        ca_file: str | None,
        clock: StepClock,
        notes: list[str],
    ) -> None:
        self._servers = sso.servers
        self._origins = {key: server.origin for key, server in sso.servers.items()}
        self._connections = {
            key: WebConnection(server, endpoints[key], ca_file, clock) for key, server in sso.servers.items()
        }
        self._clock = clock
        self._notes = notes
        self._cookies = Cookies()
        self._protocol: Protocol | None = None
        self._next: _Place | None = None
        self._asked = 0
        self.statuses: list[int] = []

    @property
    def round_trips(self) -> int:
        """How many requests were sent."""
        return sum(connection.round_trips for connection in self._connections.values())

    @property
    def received(self) -> int:
        """How many bytes the servers have sent, within TLS."""
        return sum(connection.received for connection in self._connections.values())

    @property
    def tls(self) -> tuple[TlsFacts | None, ...]:
        """What the last handshake with each of the servers agreed on."""
        return tuple(connection.tls for connection in self._connections.values())

    def close(self) -> None:
        """Hang up everywhere; a second call does nothing."""
        for connection in self._connections.values():
            connection.close()

    def start(self, protocol: Protocol) -> None:
        """Ask the relying party for its page, which sends to the provider whom it doesn't know."""
        self._protocol = protocol
        place, response = self._within(_Place(protocol.relying, self._servers[protocol.relying].page))
        if place is None:
            raise StepFailedError(_ended(response, "LOGIN_NOT_ASKED"))
        self._next = place

    def greet(self, protocol: Protocol) -> tuple[int, bool]:
        """Be sent to the provider, and ask it without a ticket: the status, and whether it offers Negotiate."""
        self.start(protocol)
        with errors(self._clock):
            response = self._get(self._reached())
            return response.status, response.offered() is not None

    def authorize(self, negotiate: Negotiation) -> bool:
        """Follow to the provider, and be authenticated by Kerberos; whether the provider has proved who it is."""
        proofs: list[bool] = []
        place, response = self._within(self._reached(), negotiate, proofs)
        if place is None:
            raise StepFailedError(_ended(response, "PROVIDER_SHOWS_PAGE"))
        told = parse_qs(place.form.decode() if place.form is not None else urlsplit(place.target).query)
        refusal = self._spoken.refusal(told)
        if refusal is not None:
            raise StepFailedError(refusal)
        if self._spoken.proof not in told:
            raise StepFailedError(Outcome("error", self._spoken.missing))
        self._next = place
        return any(proofs)

    def callback(self) -> None:
        """Hand on to the relying party what the provider gave; it sends to its page once it knows who that is."""
        self._asked = 0
        with errors(self._clock):
            place = self._reached()
            response = self._get(place)
            self._next = self._leads(place, response)
        if self._next is None:
            raise StepFailedError(_ended(response, self._spoken.refused))
        if self._next.server != place.server:
            raise StepFailedError(Outcome("error", "SENT_BACK"))

    def page(self) -> bytes:
        """The relying party's page, by the session."""
        place, response = self._within(self._reached())
        if place is not None:
            raise StepFailedError(Outcome("error", "SENT_BACK"))
        if response.status != OK:
            raise StepFailedError(Outcome("error", f"HTTP {response.status}"))
        return response.body

    @property
    def _spoken(self) -> Protocol:
        assert self._protocol is not None  # a login starts before anything else
        return self._protocol

    def _reached(self) -> _Place:
        assert self._next is not None  # the steps before this one came to an end
        return self._next

    def _within(
        self, place: _Place, negotiate: Negotiation | None = None, proofs: list[bool] | None = None
    ) -> tuple[_Place | None, Response]:
        """Follow what a server answers as long as it leads to itself: where else it led, and the last answer."""
        self._asked = 0
        with errors(self._clock):
            while True:
                response = self._get(place)
                if negotiate is not None and response.status == UNAUTHORIZED and response.offered() is not None:
                    context, token = negotiate(self._connections[place.server].bindings)
                    response = self._get(place, token)
                    if answer := response.offered():
                        context.step(answer)
                    if proofs is not None:
                        proofs.append(bool(context.complete))
                following = self._leads(place, response)
                if following is None or following.server != place.server:
                    return following, response
                place = following

    def _get(self, place: _Place, token: bytes | None = None) -> Response:
        self._asked += 1
        if self._asked > REQUESTS_AT_MOST:
            raise StepFailedError(Outcome("error", "REDIRECTS_TOO_MANY"))
        server = self._servers[place.server]
        cookies = self._cookies.header(server.service_host, place.path, server.tls)
        response = self._answer(place, cookies, token)
        self.statuses.append(response.status)
        self._cookies.take(server.service_host, place.path, response.values(b"set-cookie"))
        return response

    def _answer(self, place: _Place, cookies: str, token: bytes | None) -> Response:
        """By a new connection where one that was kept is found closed without an answer, as browsers do."""
        connection = self._connections[place.server]
        kept, before = connection.kept, connection.received
        try:
            return connection.ask(place.target, cookies, token, place.form)
        except (ConnectionResetError, BrokenPipeError):
            if not kept or connection.received != before:
                raise
            connection.close()
            return connection.ask(place.target, cookies, token, place.form)

    def _leads(self, place: _Place, response: Response) -> _Place | None:
        """Where an answer leads: by a redirect, or by a form that hands something on; None where it is a page."""
        if response.status in _REDIRECTS:
            location = next(response.values(b"location"), "")
            form = place.form if response.status in _KEEP_METHOD else None
            # Bytes as they came, which mean UTF-8 where they aren't ASCII.
            link = location.encode("latin-1").decode("utf-8", "replace")
            return self._place(place, link, form) if link else None
        handing_on = self._spoken.gives if place.server == _PROVIDER else self._spoken.asks
        if response.status == OK and handing_on:
            posted = posted_form(response.body, *handing_on)
            if posted is not None:
                return self._place(place, posted.action, posted.encoded)
        return None

    def _place(self, at: _Place, link: str, form: bytes | None) -> _Place:
        """What a link of a page means, resolved as RFC 3986 §5 has it."""
        try:
            parts = urlsplit(urljoin(_url(self._servers[at.server], at.target), link))
            scheme, host = parts.scheme, (parts.hostname or "").removesuffix(".")
            port = parts.port or _PORTS.get(scheme, 0)
        except ValueError:
            raise StepFailedError(MALFORMED) from None
        relying = self._spoken.relying
        key = next((key for key in (_PROVIDER, relying) if self._origins[key] == (scheme, host, port)), None)
        if key is None:
            named = re.sub(r"[^A-Za-z0-9.:/-]", "?", f"{scheme}://{host}:{port}")[:100]
            told = f"was sent to {named}, a server that neither sso.provider nor sso.{relying} in the targets names"
            self._notes.append(told)
            raise StepFailedError(Outcome("error", "REDIRECT_ELSEWHERE"))
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        return _Place(key, quote(target.encode("utf-8", "replace"), safe=_ALLOWED_IN_TARGET), form)


def _url(server: WebServer, target: str) -> str:
    scheme, host, port = server.origin
    return f"{scheme}://{host}:{port}{target}"


def _ended(response: Response, page: str) -> Outcome:
    """How a step ends by an answer that leads nowhere: ``page`` says what a page means there."""
    return Outcome("error", page if response.status == OK else f"HTTP {response.status}")
