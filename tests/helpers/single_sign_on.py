"""An identity provider and what relies on it, of a test's own, and a browser on its way between them."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.login.sso import SingleSignOnSession
from harness.login.sso_protocols import OIDC, Protocol
from harness.model.sso import SingleSignOn
from tests.helpers.web_servers import PATIENCE_S, Front, front

TOKEN, PROOF = b"first token", b"the server's proof"
ASKS = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n"
EHR, IDP = "ehr.clinic.test", "idp.clinic.test"
PROVEN = f"WWW-Authenticate: Negotiate {base64.b64encode(PROOF).decode()}"
ELSEWHERE = "http://127.0.0.1:9/authorize"
Answers = Callable[[str, str], list[bytes]]
"""From the origins of relying party and provider to what a server answers."""
Answer = Callable[[str, str], bytes]
"""The same of one answer."""


class Context:
    """A security context that is complete once it has seen the server's proof."""

    complete = False

    def step(self, token: bytes) -> None:
        """Take the server's token."""
        self.complete = token == PROOF


def negotiate(bindings: object) -> tuple[Any, bytes]:
    """A context and its first token, as a login makes them by its ticket."""
    return Context(), TOKEN


def page(body: bytes = b"hello", *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def to(location: str, *headers: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return page(b"", f"Location: {location}", *headers, status=status)


@dataclass
class Servers:
    """A relying party and a provider, and a browser on its way between them."""

    relying: Front
    provider: Front
    browser: SingleSignOnSession
    notes: list[str]
    protocol: Protocol

    def start(self) -> None:
        """Take the first step."""
        self.browser.start(self.protocol)

    def begin(self) -> None:
        """Take the first two."""
        self.start()
        self.browser.authorize(negotiate)


@contextmanager
def servers(relying: Answers, provider: Answers, protocol: Protocol = OIDC) -> Iterator[Servers]:
    """Both servers with their answers, made once it is known where each of them is."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ports = [listener.getsockname()[1] for listener in sockets]
        ehr, idp = f"http://{EHR}:{ports[0]}", f"http://{IDP}:{ports[1]}"
        fronts = [
            stack.enter_context(front(*answers(ehr, idp), listens=listener))
            for answers, listener in zip((relying, provider), sockets, strict=True)
        ]
        sso = SingleSignOn.model_validate(
            {
                "provider": {"url": f"http://127.0.0.1:{ports[1]}/", "service_host": IDP},
                protocol.relying: {"url": f"http://127.0.0.1:{ports[0]}/journal", "service_host": EHR},
            }
        )
        notes: list[str] = []
        endpoints = {key: [server.endpoint] for key, server in sso.servers.items()}
        browser = SingleSignOnSession(sso, endpoints, None, StepClock(PATIENCE_S), notes)
        yield Servers(*fronts, browser, notes, protocol)
        browser.close()


def fails_at_the_provider(start: Answer, provider: Answers, outcome: str, protocol: Protocol) -> None:
    """A login that is sent to this provider ends there so, and what relies on the provider is not asked again."""
    with servers(lambda ehr, idp: [start(ehr, idp)], provider, protocol) as there:
        there.start()
        with pytest.raises(StepFailedError, match=f"^{outcome}$"):
            there.browser.authorize(negotiate)
    assert len(there.relying.requests) == 1


def fails_at_the_relying_party(
    start: Answer, relying: Answers, given: Answer, outcome: str, protocol: Protocol
) -> None:
    """A login that the provider gave what proves it ends so where it is handed on, or at the page behind."""
    answers: list[Answers] = [lambda ehr, idp: [start(ehr, idp), *relying(ehr, idp)]]
    answers.append(lambda ehr, idp: [ASKS, given(ehr, idp)])
    with servers(*answers, protocol) as there:
        there.begin()
        with pytest.raises(StepFailedError, match=f"^{outcome}$"):
            there.browser.callback()
            there.browser.page()


def asked(server: Front) -> list[str]:
    """The first line of each request, without the protocol's version."""
    return [request.partition(" HTTP/1.1\r\n")[0] for request in server.requests]


def sent_cookies(server: Front) -> list[str]:
    """The cookies of each request."""
    lines = ([line for line in request.split("\r\n") if line.startswith("Cookie: ")] for request in server.requests)
    return [found[0].removeprefix("Cookie: ") if found else "" for found in lines]
