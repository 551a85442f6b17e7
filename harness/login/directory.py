"""The LDAP steps by ldap3: connection, binds, the clinician's own entry, the groups around it.

ldap3's strategy is SAFE_SYNC with ``get_info=NONE`` (its default adds two searches a bind), and a Server object lives
for one login only, since it caches addresses for 300 s and would hide a name server's fault (DESIGN).
"""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gssapi
import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSocketOpenError, LDAPStartTLSError
from ldap3.protocol.sasl.sasl import send_sasl_negotiation
from ldap3.utils.conv import escape_filter_chars

from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.login.wire import (
    LAYER_NAMES,
    BoundedSocket,
    channel_bindings,
    no_delay,
    secured,
    strongest_layer,
    tls_context,
)
from harness.model.attempt import Outcome
from harness.model.target import Directory

SUCCESS = 0
SASL_BIND_IN_PROGRESS = 14
GROUP_DEPTH_AT_MOST = 10
"""Groups nested deeper than this, or in a ring, end the expansion."""
ROOT_ATTRIBUTES = ("defaultNamingContext", "dnsHostName", "supportedSASLMechanisms")
IN_CHAIN = "1.2.840.113556.1.4.1941"
"""LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3)."""
FIRST_OWN_RID = 1000
"""Relative identifiers below are those of a domain's well-known groups, as 513, Domain Users (MS-DTYP 2.4.2.4)."""


def check_ca_file(directory: Directory) -> None:
    """Raise ConfigError where TLS is asked for and the file of certificates can't be used."""
    if directory.ca_file is not None and (directory.tls or directory.starttls):
        tls_context(directory.ca_file)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory; attributes by their names in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


class DirectorySession:
    """One login's connection to the directory; every method raises StepFailedError."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._connection: Any = None
        self._deadline = 0.0
        self.round_trips = 0
        self.entries = 0
        self.tls_version: str | None = None

    def connect(self, timeout_s: float) -> None:
        """Connect within the deadline; by TLS where the target says so."""
        directory = self._directory
        tls = None
        if directory.tls or directory.starttls:
            tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=directory.ca_file)
        endpoint = directory.endpoint
        with self._within(timeout_s):
            server = ldap3.Server(
                endpoint.host,
                endpoint.port,
                use_ssl=directory.tls,
                tls=tls,
                get_info=ldap3.NONE,
                connect_timeout=timeout_s,
            )
            self._connection = ldap3.Connection(
                server, client_strategy=ldap3.SAFE_SYNC, check_names=False, auto_referrals=False
            )
            self._connection.open(read_server_info=False)
            no_delay(self._connection.socket)
            if directory.starttls:
                self._connection.socket = BoundedSocket(self._connection.socket, self._remaining)
                self._connection.start_tls(read_server_info=False)
                self.round_trips += 1
            if isinstance(self._connection.socket, ssl.SSLSocket):
                self.tls_version = self._connection.socket.version()
            self._connection.socket = BoundedSocket(self._connection.socket, self._remaining)

    @property
    def bindings(self) -> Any:
        """What binds an authentication to this connection's TLS; None without TLS."""
        return channel_bindings(self._connection.socket)

    def bind_gssapi(self, context: Any, first_token: bytes, timeout_s: float) -> str:
        """A SASL GSSAPI bind (RFC 4752 §3.1) that begins with the token; the name of the security layer agreed on.

        Later requests of the session are sealed where the connection isn't TLS and the server offers to.
        """
        connection = self._connection
        with self._within(timeout_s):
            connection.sasl_mechanism = ldap3.KERBEROS
            token: bytes | None = first_token
            while True:
                reply = self._negotiate(token or b"")
                if context.complete:
                    break
                token = context.step(reply)
            offer = context.unwrap(reply).message
            layer, answer = strongest_layer(offer, tls=self.tls_version is not None)
            if not layer:
                raise StepFailedError(Outcome("error", "SASL_LAYER_REQUIRED"))
            self._negotiate(context.wrap(answer, False).message, last=True)
            connection.bound = True
            connection.socket = secured(connection.socket, context, layer, offer)
            return LAYER_NAMES[layer]

    def bind_simple(self, user: str, password: str, timeout_s: float) -> None:
        """A simple bind as the user (RFC 4513 §5.1)."""
        if self._directory.bind_dn is None:
            raise StepFailedError(Outcome("error", "NO_BIND_DN"))
        with self._within(timeout_s):
            connection = self._connection
            connection.user = self._directory.bind_dn.format(user=user)
            connection.password = password
            connection.authentication = ldap3.SIMPLE
            self.round_trips += 1
            _, result, _, _ = connection.bind(read_server_info=False)
            self._check(result)

    def root_entry(self, timeout_s: float) -> str:
        """The server's own name, if it says one, from its root entry (RFC 4512 §5.1)."""
        with self._within(timeout_s):
            found = self._search("", "(objectClass=*)", ROOT_ATTRIBUTES, ldap3.BASE)
        return _text(found[0].attributes.get("dnshostname", ())) if found else ""

    def own_entry(self, user: str, timeout_s: float) -> Entry:
        """The user's entry: exactly one is expected."""
        where = f"({self._directory.user_attribute}={escape_filter_chars(user)})"
        with self._within(timeout_s):
            found = self._search(self._directory.user_base, where, ["cn", "mail", "memberOf"])
        if len(found) != 1:
            raise StepFailedError(Outcome("error", f"ENTRIES_{len(found)}"))
        return found[0]

    def groups(self, entry: Entry, timeout_s: float) -> frozenset[str]:
        """All groups that the user is in, nested ones too: DNs, or SIDs where the directory is Active Directory's."""
        if self._directory.schema_kind == "ad":
            return self.token_groups(entry, timeout_s)
        direct = [value.decode() for value in entry.attributes.get("memberof", ())]
        with self._within(timeout_s):
            known = frozenset(direct)
            level: Sequence[str] = direct or [entry.dn]  # not every directory keeps memberOf
            for _ in range(GROUP_DEPTH_AT_MOST):
                terms = "".join(f"(member={escape_filter_chars(dn)})" for dn in level)
                found = self._search(self._directory.group_base, f"(|{terms})", ["cn"])
                level = [group.dn for group in found if group.dn not in known]
                known |= set(level)
                if not level:
                    break
            return known

    def token_groups(self, entry: Entry, timeout_s: float) -> frozenset[str]:
        """The SIDs of all groups that the user is in, as the directory computes them (MS-ADTS 3.1.1.4.5.19)."""
        with self._within(timeout_s):
            found = self._search(entry.dn, "(objectClass=*)", ["tokenGroups"], ldap3.BASE)
        sids = frozenset(sid_text(value) for value in found[0].attributes.get("tokengroups", ())) if found else ()
        if not sids:
            raise StepFailedError(Outcome("error", "NO_TOKEN_GROUPS"))
        return frozenset(sids)

    def in_chain(self, entry: Entry, groups: Iterable[str], timeout_s: float) -> str:
        """Whether the user is in one of these groups by whatever chain, asked of that group alone; the group's SID.

        Asked by base scope: over a whole OU the rule takes seconds. The group is the one made last (the highest RID),
        so the same on both arms; built-in and primary groups are no ``member`` chains.
        """
        own = [sid for sid in groups if sid.startswith("S-1-5-21-") and _rid(sid) >= FIRST_OWN_RID]
        if not own:
            raise StepFailedError(Outcome("error", "NO_GROUPS"))
        group = max(own, key=_rid)
        where = f"(member:{IN_CHAIN}:={escape_filter_chars(entry.dn)})"
        with self._within(timeout_s):
            found = self._search(f"<SID={group}>", where, ["cn"], ldap3.BASE)
        if len(found) != 1:
            raise StepFailedError(Outcome("error", "NOT_IN_CHAIN"))
        return group

    def close(self) -> None:
        """Drop the connection without a word: the login is over and its unbind is not part of it."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.socket is not None:
            connection.socket.close()
            connection.socket = None  # or the ring of references in ldap3 would keep the security context alive

    def _search(self, base: str, where: str, attributes: Sequence[str], scope: str = str(ldap3.SUBTREE)) -> list[Entry]:
        self.round_trips += 1
        _, result, entries, _ = self._connection.search(base, where, scope, attributes=list(attributes))
        self._check(result)
        found = [e for e in entries or () if e["type"] == "searchResEntry"]
        self.entries += len(found)
        return [
            Entry(e["dn"], {name.lower(): tuple(values) for name, values in e["raw_attributes"].items()}) for e in found
        ]

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


def sid_text(sid: bytes) -> str:
    """A security identifier as text (MS-DTYP 2.4.2.1 and 2.4.2.2)."""
    parts = struct.unpack_from(f"<{sid[1]}I", sid, 8)
    return "-".join(map(str, ("S", sid[0], int.from_bytes(sid[2:8], "big"), *parts)))


def _rid(sid: str) -> int:
    return int(sid.rpartition("-")[2])


def _text(values: Sequence[bytes]) -> str:
    return values[0].decode(errors="replace") if values else ""


def _connection_code(error: Exception) -> str:
    if isinstance(error, ssl.SSLError | LDAPStartTLSError) or "ssl" in str(error).lower():
        return "TLS_FAILED"
    return "CONNECT_FAILED" if isinstance(error, LDAPSocketOpenError) else "CONNECTION_LOST"
