"""A connection to the directory: TLS, binds, searches, by ldap3's messages on the login's own stream."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gssapi
import ldap3
from ldap3.protocol.convert import build_controls_list
from ldap3.protocol.rfc2696 import paged_search_control

from harness.errors import ConfigError
from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.ldap import messages
from harness.login.ldap.messages import Answer, Entry
from harness.login.ldap.ntlm import NtlmContext
from harness.login.names import is_upn
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.net.layers import (
    LAYER_NAMES,
    NO_LAYER,
    SEALS,
    channel_bindings,
    sealed,
    secured,
    strongest_layer,
)
from harness.login.net.streams import Incoming, connect
from harness.login.net.tls import FAILED, TlsStream, client_context
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint
from harness.model.protocol import TlsFacts
from harness.model.target import Controller, Directory, Target

SUCCESS = 0
SASL_BIND_IN_PROGRESS = 14
CONNECTING_AT_MOST_S = 6.0
"""How long a client with another server to go to waits for one to be connected (sssd-ldap(5), ldap_network_timeout)."""
PAGE = 500
_PAGED = b"1.2.840.113556.1.4.319"
STARTTLS = "1.3.6.1.4.1.1466.20037"
"""RFC 4511 §4.14.1."""
MALFORMED = Outcome("error", "LDAP_MALFORMED")
_TOO_LARGE = Outcome("error", "LDAP_ANSWER_TOO_LARGE")
_LENGTH_BYTES_AT_MOST = 4
MESSAGE_AT_MOST = 1 << 20
"""One entry above 1 MiB is no answer of a login; decoding keeps the generator from all else."""
_ANSWERS_AT_MOST = 4
"""How many of the longest answers that the target allows a session takes in: pages and ranges could go on for ever."""


def check_ca_file(target: Target) -> None:
    """Raise ConfigError where TLS is asked for and the file of certificates can't be used."""
    directory = target.directory
    tls = directory.tls or directory.starttls or (target.ehr is not None and target.ehr.tls)
    if directory.ca_file is None or not tls:
        return
    try:
        client_context(directory.ca_file)
    except ssl.SSLError:
        raise ConfigError(f"{directory.ca_file}: expected PEM certificates (directory.ca_file)") from None
    except OSError as error:
        raise ConfigError(
            f"{directory.ca_file}: expected a readable file of certificates (directory.ca_file), got: {error.strerror}"
        ) from None


def bind_name(template: str, user: str) -> str:
    """The template with the user in it, escaped where it is a DN (RFC 4514 §2.4) and not a name such as user@domain.

    A user principal name is a name of that kind already (MS-ADTS 5.1.1.1.1).
    """
    if "=" not in template:
        return user if is_upn(user) else template.replace("{user}", user)
    escaped = re.sub(r'[\\"+,;<>]|^[ #]|(?<!^) $', lambda found: f"\\{found[0]}", user).replace("\0", r"\00")
    return template.replace("{user}", escaped)


def _cookie(answer: Answer) -> bytes:
    """Where the next page begins; empty after the last. Raises StepFailedError."""
    if (value := answer.controls.get(_PAGED)) is None:
        return b""
    try:
        _, cookie = der.decode(value).parts()
    except ValueError:
        raise StepFailedError(MALFORMED) from None
    return cookie.content


def read_message(stream: Incoming, at_most: int) -> bytes:
    """The next message, by its outer tag and length (RFC 4511 §5.1: lengths are definite).

    Raises what the stream raises, and StepFailedError for one of more than ``at_most`` bytes, or for none.
    """
    head = stream.exactly(2)
    length = head[1]
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= _LENGTH_BYTES_AT_MOST:
            raise StepFailedError(MALFORMED)
        more = stream.exactly(count)
        head, length = head + more, int.from_bytes(more, "big")
    if length > at_most:
        raise StepFailedError(_TOO_LARGE)
    return head + stream.exactly(length)


class DirectorySession:
    """One login's connection to the directory; every method raises StepFailedError."""

    def __init__(self, directory: Directory, clock: StepClock) -> None:
        self._directory = directory
        self._clock = clock
        self.controller: Controller = directory
        """The server that it is connected to, or was last tried."""
        self._stream: Any = None
        self._number = 0
        self._left = _ANSWERS_AT_MOST * directory.answer_at_most_bytes
        self.round_trips = 0
        self.entries = 0
        self.passed_over: list[str] = []
        """Servers that could not be connected to, and why."""
        self._referrals: list[str] = []
        self.tls: TlsFacts | None = None

    def connect(self, servers: Sequence[tuple[Controller, Endpoint]]) -> None:
        """Connect to the first of the servers, each at a checked address, that can be reached within the deadline.

        One that refuses, hangs up, or isn't connected within CONNECTING_AT_MOST_S is left for the next, as by a client;
        a certificate that is not to be trusted ends the login.
        """
        for place, (controller, endpoint) in enumerate(servers, start=1):
            self.controller = controller
            last = place == len(servers)
            try:
                return self._connect_to(endpoint, None if last else CONNECTING_AT_MOST_S)
            except StepFailedError as failure:
                if last or failure.outcome == FAILED or self._clock.over:
                    raise
                self.close()
                self.passed_over.append(f"{controller.endpoint}: {failure.outcome.code}")

    def _connect_to(self, endpoint: Endpoint, at_most_s: float | None) -> None:
        """By TLS where the target says so."""
        directory = self._directory
        with self.errors(connecting=True):
            stream = self._stream = connect(endpoint, self._clock, at_most_s)
        with self.errors():
            if directory.starttls:
                self._check(self._asked(messages.extended_request(self._next(), STARTTLS)))
            if directory.tls or directory.starttls:
                context = client_context(directory.ca_file)
                self._stream = TlsStream(stream, context, self.controller.endpoint.host, self._clock)
                self.tls = self._stream.facts()

    @property
    def received(self) -> int:
        """How many bytes the directory has sent on the connection, within TLS."""
        return 0 if self._stream is None else self._stream.received

    @property
    def bindings(self) -> Any:
        """What binds an authentication to this connection's TLS; None without TLS."""
        return channel_bindings(self._stream)

    def bind_gssapi(self, context: Any, first_token: bytes) -> str:
        """A SASL GSSAPI bind (RFC 4752 §3.1) that begins with the token; the name of the security layer agreed on.

        Later requests of the session are sealed where the connection isn't TLS and the server offers to.
        """
        with self.errors():
            token: bytes | None = first_token
            while True:
                reply = self._negotiate(ldap3.KERBEROS, token or b"")
                if context.complete:
                    break
                token = context.step(reply)
            offer = context.unwrap(reply).message
            layer, answer = strongest_layer(offer, tls=self.tls is not None)
            if not layer:
                raise StepFailedError(Outcome("error", "SASL_LAYER_REQUIRED"))
            self._negotiate(ldap3.KERBEROS, context.wrap(answer, False).message, last=True)
            self._stream = secured(self._stream, context, layer, offer)
            return LAYER_NAMES[layer]

    def bind_ntlm(self, context: NtlmContext) -> str:
        """A SASL GSS-SPNEGO bind by NTLM (MS-ADTS 5.1.1.1.2); the name of the security layer.

        Later requests are sealed where the connection isn't TLS.
        """
        with self.errors():
            challenge = self._negotiate("GSS-SPNEGO", context.step(None))
            self._negotiate("GSS-SPNEGO", context.step(challenge), last=True)
            if self.tls is not None:
                return f"NTLM, {LAYER_NAMES[NO_LAYER]}"
            self._stream = sealed(self._stream, context)
            return f"NTLM, {LAYER_NAMES[SEALS]}"

    def bind_simple(self, user: str, password: str) -> None:
        """A simple bind as the user (RFC 4513 §5.1)."""
        if self._directory.bind_dn is None:
            raise StepFailedError(Outcome("error", "NO_BIND_DN"))
        with self.errors():
            name = bind_name(self._directory.bind_dn, user)
            self._check(self._asked(messages.simple_bind_request(self._next(), name, password)))

    def search(self, base: str, where: str, attributes: Sequence[str], scope: str = str(ldap3.SUBTREE)) -> list[Entry]:
        """What one search finds; a referral isn't followed."""
        with self.errors():
            answer = self._asked(messages.search_request(self._next(), base, where, scope, attributes))
            self._referrals += answer.referrals
            self._check(answer)
            self.entries += len(answer.entries)
            return answer.entries

    def search_by_pages(self, base: str, where: str, attributes: Sequence[str]) -> list[Entry]:
        """What a search of the whole subtree finds, however much it is, a page at a time (RFC 2696)."""
        found: list[Entry] = []
        cookie = b""
        with self.errors():
            while True:
                controls = build_controls_list([paged_search_control(False, PAGE, cookie)])
                request = messages.search_request(
                    self._next(), base, where, str(ldap3.SUBTREE), attributes, (controls,)
                )
                answer = self._asked(request)
                self._check(answer)
                self.entries += len(answer.entries)
                found += answer.entries
                cookie = _cookie(answer)
                if not cookie:
                    return found

    def new_referrals(self) -> list[str]:
        """Where the directory has referred to since the last call, not followed (RFC 4511 §4.1.10 and §4.5.3)."""
        found, self._referrals = self._referrals, []
        return found

    def close(self) -> None:
        """Drop the connection without a word: the login is over and its unbind is not part of it."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _next(self) -> int:
        self._number = self._number % messages.MESSAGE_IDS + 1
        return self._number

    def _negotiate(self, mechanism: str, token: bytes, last: bool = False) -> bytes:
        answer = self._asked(messages.sasl_bind_request(self._next(), mechanism, token))
        if last or answer.code != SASL_BIND_IN_PROGRESS:
            self._check(answer, by_ticket=mechanism == ldap3.KERBEROS)
        return answer.sasl

    def _asked(self, request: bytes) -> Answer:
        """Send the request that has just been numbered; its whole answer."""
        self.round_trips += 1
        self._stream.sendall(request)
        answer, left = Answer(), self._directory.answer_at_most_bytes
        while True:
            message = read_message(self._stream, min(left, self._left, MESSAGE_AT_MOST))
            left -= len(message)
            self._left -= len(message)
            try:
                if messages.take(message, self._number, answer):
                    return answer
            except ValueError:
                raise StepFailedError(MALFORMED) from None
            if len(answer.entries) > self._directory.entries_at_most:
                raise StepFailedError(_TOO_LARGE)

    @staticmethod
    def _check(answer: Answer, by_ticket: bool = False) -> None:
        """Raise StepFailedError but for success; a ticket that is not taken is no wrong password, and denies nobody."""
        if answer.code != SUCCESS:
            outcome = ldap_outcome(answer.code, answer.message)
            raise StepFailedError(Outcome("error", outcome.code) if by_ticket else outcome)

    @contextmanager
    def errors(self, connecting: bool = False) -> Iterator[None]:
        """What GSS-API and the connection raise, as the step's outcome."""
        try:
            yield
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None
        except OSError as error:
            if self._clock.over or isinstance(error, TimeoutError):
                raise StepFailedError(TIMED_OUT) from None
            lost = FAILED.code if isinstance(error, ssl.SSLError) else "CONNECTION_LOST"
            raise StepFailedError(Outcome("error", "CONNECT_FAILED" if connecting else lost)) from None
