"""The LDAP steps by ldap3: connection, binds, the clinician's own entry, the groups around it.

ldap3's strategy is SAFE_SYNC with ``get_info=NONE`` (its default adds two searches a bind), and a Server object lives
for one login only, since it caches addresses for 300 s and would hide a name server's fault (DESIGN).
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gssapi
import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSocketOpenError
from ldap3.protocol.sasl.sasl import send_sasl_negotiation
from ldap3.utils.conv import escape_filter_chars

from harness.errors import ConfigError
from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.login.tls import FAILED, client_context, handshake
from harness.model.attempt import Outcome
from harness.model.target import Directory, Endpoint

SUCCESS = 0
SASL_BIND_IN_PROGRESS = 14
STARTTLS = "1.3.6.1.4.1.1466.20037"
"""RFC 4511 §4.14.1."""
GROUP_DEPTH_AT_MOST = 10
"""Groups nested deeper than this, or in a ring, end the expansion."""


def check_ca_file(directory: Directory) -> None:
    """Raise ConfigError where TLS is asked for and the file of certificates can't be used."""
    if directory.ca_file is None or not (directory.tls or directory.starttls):
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
    """The template with the user in it, escaped where it is a DN (RFC 4514 §2.4) and not a name such as user@domain."""
    if "=" not in template:
        return template.replace("{user}", user)
    escaped = re.sub(r'[\\"+,;<>]|^[ #]|(?<!^) $', lambda found: f"\\{found[0]}", user).replace("\0", r"\00")
    return template.replace("{user}", escaped)


class _BoundedSocket:
    """ldap3's socket, with every wait ending at the step's deadline.

    A time-out a read would begin anew with each byte of a server that drips.
    """

    def __init__(self, bounded: Any, remaining: Callable[[], float]) -> None:
        self._socket = bounded
        self._remaining = remaining

    def recv(self, size: int) -> bytes:
        self._socket.settimeout(self._remaining())
        received: bytes = self._socket.recv(size)
        return received

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._remaining())
        self._socket.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class DirectorySession:
    """One login's connection to the directory; every method raises StepFailedError.

    ``endpoints`` are its checked addresses: the first that accepts a connection serves the login.
    """

    def __init__(self, directory: Directory, endpoints: Sequence[Endpoint]) -> None:
        self._directory = directory
        self._endpoints = endpoints
        self._connection: Any = None
        self._deadline = 0.0
        self.round_trips = 0
        self.entries = 0
        self.tls_version: str | None = None

    def connect(self, timeout_s: float) -> None:
        """Connect within the deadline; by TLS where the target says so."""
        directory = self._directory
        with self._within(timeout_s):
            connection = self._open()
            connected = connection.socket
            # Nagle's algorithm would hold the first request after a TLS handshake for the peer's delayed ACK, 40 ms.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.socket = _BoundedSocket(connected, self._remaining)
            if directory.starttls:
                self.round_trips += 1
                _, result, _, _ = connection.extended(STARTTLS)
                self._check(result)
            if directory.tls or directory.starttls:
                encrypted = handshake(
                    connected, client_context(directory.ca_file), directory.endpoint.host, self._remaining
                )
                self.tls_version = encrypted.version()
                connection.socket = _BoundedSocket(encrypted, self._remaining)

    def bind_gssapi(self, context: Any, first_token: bytes, timeout_s: float) -> None:
        """A SASL GSSAPI bind without a security layer (RFC 4752 §3.1), begun with the token of the TGS step."""
        connection = self._connection
        with self._within(timeout_s):
            connection.sasl_mechanism = ldap3.KERBEROS
            token: bytes | None = first_token
            while True:
                reply = self._negotiate(token or b"")
                if context.complete:
                    break
                token = context.step(reply)
            # The server's last token names the layers that it offers; the answer chooses none, for no authzid.
            offered = context.unwrap(reply).message
            if not offered or not offered[0] & 1:
                raise StepFailedError(Outcome("error", "SASL_LAYER_REQUIRED"))
            self._negotiate(context.wrap(b"\x01\x00\x00\x00", False).message, last=True)
            connection.bound = True

    def bind_simple(self, user: str, password: str, timeout_s: float) -> None:
        """A simple bind as the user (RFC 4513 §5.1)."""
        if self._directory.bind_dn is None:
            raise StepFailedError(Outcome("error", "NO_BIND_DN"))
        with self._within(timeout_s):
            connection = self._connection
            connection.user = bind_name(self._directory.bind_dn, user)
            connection.password = password
            connection.authentication = ldap3.SIMPLE
            self.round_trips += 1
            _, result, _, _ = connection.bind(read_server_info=False)
            self._check(result)

    def own_entry(self, user: str, timeout_s: float) -> tuple[str, tuple[str, ...]]:
        """The user's DN and the groups that the entry names; exactly one entry is expected."""
        where = f"({self._directory.user_attribute}={escape_filter_chars(user)})"
        with self._within(timeout_s):
            found = self._search(self._directory.user_base, where, ["cn", "mail", "memberOf"])
        if len(found) != 1:
            raise StepFailedError(Outcome("error", f"ENTRIES_{len(found)}"))
        return found[0]

    def groups(self, user_dn: str, direct: Sequence[str], timeout_s: float) -> frozenset[str]:
        """All groups that the user is in: the entry's own, and a search a level of nesting until nothing is new."""
        with self._within(timeout_s):
            known = frozenset(direct)
            level: Sequence[str] = direct or [user_dn]  # not every directory keeps memberOf
            for _ in range(GROUP_DEPTH_AT_MOST):
                terms = "".join(f"(member={escape_filter_chars(dn)})" for dn in level)
                found = self._search(self._directory.group_base, f"(|{terms})", ["cn"])
                level = [dn for dn, _ in found if dn not in known]
                known |= set(level)
                if not level:
                    break
            return known

    def close(self) -> None:
        """Drop the connection without a word: the login is over and its unbind is not part of it."""
        if self._connection is not None and self._connection.socket is not None:
            self._connection.socket.close()

    def _open(self) -> Any:
        *others, last = self._endpoints
        for endpoint in others:
            try:
                return self._opened(endpoint)
            except LDAPSocketOpenError:
                self.close()
        return self._opened(last)

    def _opened(self, endpoint: Endpoint) -> Any:
        server = ldap3.Server(endpoint.host, endpoint.port, get_info=ldap3.NONE, connect_timeout=self._remaining())
        self._connection = ldap3.Connection(
            server, client_strategy=ldap3.SAFE_SYNC, check_names=False, auto_referrals=False
        )
        self._connection.open(read_server_info=False)
        return self._connection

    def _search(self, base: str, where: str, attributes: list[str]) -> list[tuple[str, tuple[str, ...]]]:
        self.round_trips += 1
        _, result, entries, _ = self._connection.search(base, where, attributes=attributes)
        self._check(result)
        found = [e for e in entries or () if e["type"] == "searchResEntry"]
        self.entries += len(found)
        return [(e["dn"], tuple(v.decode() for v in e["raw_attributes"].get("memberOf", ()))) for e in found]

    def _negotiate(self, token: bytes, last: bool = False) -> bytes:
        self.round_trips += 1
        result = send_sasl_negotiation(self._connection, None, token)
        if last or result["result"] != SASL_BIND_IN_PROGRESS:
            self._check(result)
        return result["saslCreds"] or b""

    @staticmethod
    def _check(result: dict[str, Any]) -> None:
        if result["result"] != SUCCESS:
            raise StepFailedError(ldap_outcome(result["result"]))

    @contextmanager
    def _within(self, timeout_s: float) -> Iterator[None]:
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
