"""A connection to the directory by ldap3: TLS, binds, searches.

ldap3's strategy is SAFE_SYNC with ``get_info=NONE`` (its default adds two searches a bind), and a Server object lives
for one login only, since it caches addresses for 300 s and would hide a name server's fault (DESIGN).
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gssapi
import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSocketOpenError
from ldap3.protocol.sasl.sasl import send_sasl_negotiation

from harness.errors import ConfigError
from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.ldap.ntlm import NtlmContext
from harness.login.names import is_upn
from harness.login.net.sockets import (
    LAYER_NAMES,
    NO_LAYER,
    SEALS,
    BoundedSocket,
    channel_bindings,
    no_delay,
    sealed,
    secured,
    strongest_layer,
)
from harness.login.net.tls import FAILED, client_context, handshake, tls_facts
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
_PAGED = "1.2.840.113556.1.4.319"
STARTTLS = "1.3.6.1.4.1.1466.20037"
"""RFC 4511 §4.14.1."""


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


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory; attributes by their names in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


class DirectorySession:
    """One login's connection to the directory; every method raises StepFailedError."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self.controller: Controller = directory
        """The server that it is connected to, or was last tried."""
        self._connection: Any = None
        self._deadline = 0.0
        self.round_trips = 0
        self.entries = 0
        self.passed_over: list[str] = []
        """Servers that could not be connected to, and why."""
        self._referrals: list[str] = []
        self.tls: TlsFacts | None = None

    def connect(self, servers: Sequence[tuple[Controller, Endpoint]], timeout_s: float) -> None:
        """Connect to the first of the servers, each at a checked address, that can be reached within the deadline.

        One that refuses, hangs up, or isn't connected within CONNECTING_AT_MOST_S is left for the next, as by a client;
        a certificate that is not to be trusted ends the login.
        """
        deadline = time.monotonic() + timeout_s
        for place, (controller, endpoint) in enumerate(servers, start=1):
            self.controller = controller
            left = deadline - time.monotonic()
            try:
                return self._connect_to(endpoint, left if place == len(servers) else min(left, CONNECTING_AT_MOST_S))
            except StepFailedError as failure:
                if place == len(servers) or failure.outcome == FAILED or time.monotonic() >= deadline:
                    raise
                self.close()
                self.passed_over.append(f"{controller.endpoint}: {failure.outcome.code}")

    def _connect_to(self, endpoint: Endpoint, timeout_s: float) -> None:
        """By TLS where the target says so."""
        directory = self._directory
        with self.within(timeout_s):
            connection = self._opened(endpoint)
            connected = connection.socket
            no_delay(connected)
            connection.socket = BoundedSocket(connected, self._remaining)
            if directory.starttls:
                self.round_trips += 1
                _, result, _, _ = connection.extended(STARTTLS)
                self._check(result)
            if directory.tls or directory.starttls:
                encrypted = handshake(
                    connected, client_context(directory.ca_file), self.controller.endpoint.host, self._remaining
                )
                self.tls = tls_facts(encrypted)
                connection.socket = BoundedSocket(encrypted, self._remaining)

    @property
    def received(self) -> int:
        """How many bytes the directory has sent on the connection, within TLS."""
        return 0 if self._connection is None else getattr(self._connection.socket, "received", 0)

    @property
    def bindings(self) -> Any:
        """What binds an authentication to this connection's TLS; None without TLS."""
        return channel_bindings(self._connection.socket)

    def bind_gssapi(self, context: Any, first_token: bytes, timeout_s: float) -> str:
        """A SASL GSSAPI bind (RFC 4752 §3.1) that begins with the token; the name of the security layer agreed on.

        Later requests of the session are sealed where the connection isn't TLS and the server offers to.
        """
        connection = self._connection
        with self.within(timeout_s):
            connection.sasl_mechanism = ldap3.KERBEROS
            token: bytes | None = first_token
            while True:
                reply = self._negotiate(token or b"")
                if context.complete:
                    break
                token = context.step(reply)
            offer = context.unwrap(reply).message
            layer, answer = strongest_layer(offer, tls=self.tls is not None)
            if not layer:
                raise StepFailedError(Outcome("error", "SASL_LAYER_REQUIRED"))
            self._negotiate(context.wrap(answer, False).message, last=True)
            connection.bound = True
            connection.socket = secured(connection.socket, context, layer, offer)
            return LAYER_NAMES[layer]

    def bind_ntlm(self, context: NtlmContext, timeout_s: float) -> str:
        """A SASL GSS-SPNEGO bind by NTLM (MS-ADTS 5.1.1.1.2); the name of the security layer.

        Later requests are sealed where the connection isn't TLS.
        """
        connection = self._connection
        with self.within(timeout_s):
            connection.sasl_mechanism = "GSS-SPNEGO"
            challenge = self._negotiate(context.step(None))
            self._negotiate(context.step(challenge), last=True)
            connection.bound = True
            if self.tls is not None:
                return f"NTLM, {LAYER_NAMES[NO_LAYER]}"
            connection.socket = sealed(connection.socket, context)
            return f"NTLM, {LAYER_NAMES[SEALS]}"

    def bind_simple(self, user: str, password: str, timeout_s: float) -> None:
        """A simple bind as the user (RFC 4513 §5.1)."""
        if self._directory.bind_dn is None:
            raise StepFailedError(Outcome("error", "NO_BIND_DN"))
        with self.within(timeout_s):
            connection = self._connection
            connection.user = bind_name(self._directory.bind_dn, user)
            connection.password = password
            connection.authentication = ldap3.SIMPLE
            self.round_trips += 1
            _, result, _, _ = connection.bind(read_server_info=False)
            self._check(result)

    def search(self, base: str, where: str, attributes: Sequence[str], scope: str = str(ldap3.SUBTREE)) -> list[Entry]:
        """What one search finds, inside ``within``; a referral isn't followed."""
        self.round_trips += 1
        _, result, entries, _ = self._connection.search(base, where, scope, attributes=list(attributes))
        self._referrals += result.get("referrals") or ()
        self._referrals += [uri for e in entries or () if e["type"] == "searchResRef" for uri in e["uri"]]
        self._check(result)
        found = [e for e in entries or () if e["type"] == "searchResEntry"]
        self.entries += len(found)
        return [
            Entry(e["dn"], {name.lower(): tuple(values) for name, values in e["raw_attributes"].items()}) for e in found
        ]

    def search_by_pages(self, base: str, where: str, attributes: Sequence[str]) -> list[Entry]:
        """What a search of the whole subtree finds, however much it is, a page at a time (RFC 2696)."""
        found: list[Entry] = []
        cookie = b""
        while True:
            self.round_trips += 1
            _, result, entries, _ = self._connection.search(
                base, where, ldap3.SUBTREE, attributes=list(attributes), paged_size=PAGE, paged_cookie=cookie
            )
            self._check(result)
            page = [e for e in entries or () if e["type"] == "searchResEntry"]
            self.entries += len(page)
            found += [Entry(e["dn"], {name.lower(): tuple(values) for name, values in e["raw_attributes"].items()})
                      for e in page]  # fmt: skip
            cookie = result.get("controls", {}).get(_PAGED, {}).get("value", {}).get("cookie", b"")
            if not cookie:
                return found

    def new_referrals(self) -> list[str]:
        """Where the directory has referred to since the last call, not followed (RFC 4511 §4.1.10 and §4.5.3)."""
        found, self._referrals = self._referrals, []
        return found

    def close(self) -> None:
        """Drop the connection without a word: the login is over and its unbind is not part of it."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.socket is not None:
            connection.socket.close()
            connection.socket = None  # or the ring of references in ldap3 would keep the security context alive

    def _opened(self, endpoint: Endpoint) -> Any:
        server = ldap3.Server(endpoint.host, endpoint.port, get_info=ldap3.NONE, connect_timeout=self._remaining())
        self._connection = ldap3.Connection(
            server,
            client_strategy=ldap3.SAFE_SYNC,
            check_names=False,
            auto_referrals=False,
            auto_range=False,  # or further searches would be made that no step knows of
            return_empty_attributes=False,  # in which it chokes on ranges
        )
        self._connection.open(read_server_info=False)
        return self._connection

    def _negotiate(self, token: bytes, last: bool = False) -> bytes:
        self.round_trips += 1
        result = send_sasl_negotiation(self._connection, None, token)
        if last or result["result"] != SASL_BIND_IN_PROGRESS:
            self._check(result)
        return result["saslCreds"] or b""

    @staticmethod
    def _check(result: dict[str, Any]) -> None:
        if result["result"] != SUCCESS:
            raise StepFailedError(ldap_outcome(result["result"], result.get("message", "")))

    @contextmanager
    def within(self, timeout_s: float) -> Iterator[None]:
        """A step's deadline over all of its operations; ldap3's and GSS-API's errors as the step's outcome."""
        self._deadline = time.monotonic() + timeout_s
        try:
            yield
        except StepFailedError:
            raise
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None
        except (LDAPException, OSError) as error:
            if time.monotonic() >= self._deadline:
                raise StepFailedError(TIMED_OUT) from None
            raise StepFailedError(Outcome("error", _connection_code(error))) from None

    def _remaining(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StepFailedError(TIMED_OUT)
        return left


def _connection_code(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) or "ssl" in str(error).lower():
        return FAILED.code
    return "CONNECT_FAILED" if isinstance(error, LDAPSocketOpenError) else "CONNECTION_LOST"
