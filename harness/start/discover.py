"""What a domain says of itself to anybody: SRV records, the netlogon ping, and each controller's root entry.

A handful of requests to the name servers and to the controllers that they name; nobody logs in.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import dns.exception
import dns.resolver
import ldap3
from ldap3.core.exceptions import LDAPException

from harness.errors import RunError
from harness.login.dns.locate import Resolver, ServiceRecord
from harness.login.ldap.netlogon import DomainController, ping, ping_request
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.endpoint import Endpoint
from harness.model.target import Dns

WITHIN_S = 5.0
LDAPS = 636
CONTROLLERS_AT_MOST = 8
_ROOT = ("defaultNamingContext", "dnsHostName", "supportedSASLMechanisms", "namingContexts")


@dataclass(frozen=True, slots=True)
class Controller:
    """One directory server of the domain: where it is, and what it says; ``netlogon`` is None where none answered."""

    host: str
    port: int
    addresses: tuple[str, ...]
    netlogon: DomainController | None
    naming_context: str
    mechanisms: tuple[str, ...]
    tls: bool
    """Whether it listens for LDAP over TLS."""

    @property
    def active_directory(self) -> bool:
        """Whether it is a domain controller of Active Directory."""
        return self.netlogon is not None


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain with its KDCs and directory servers, in the order of their SRV records."""

    name: str
    servers: tuple[Endpoint, ...]
    kdcs: tuple[ServiceRecord, ...]
    controllers: tuple[Controller, ...]

    @property
    def realm(self) -> str:
        """The Kerberos realm: of Active Directory always the domain in upper case (MS-KILE 3.1.5.4)."""
        return self.name.upper()

    @property
    def active_directory(self) -> bool:
        """Whether any of its directory servers is a domain controller of Active Directory."""
        return any(one.active_directory for one in self.controllers)

    @property
    def forest(self) -> str:
        """The forest; empty where no domain controller answered."""
        return next((one.netlogon.forest for one in self.controllers if one.netlogon), "")


def own_name_servers() -> tuple[str, ...]:
    """Those of this machine; none where it has none."""
    try:
        return tuple(str(server) for server in dns.resolver.Resolver().nameservers)
    except dns.exception.DNSException:
        return ()


def discover(domain: str, servers: Sequence[Endpoint]) -> Domain:
    """Ask a domain where its servers are; raises RunError where the name servers know no directory of it."""
    names = Dns(servers=tuple(servers), domain=domain)
    kdcs: tuple[ServiceRecord, ...] = ()
    with suppress(StepFailedError):
        kdcs, _ = Resolver(names, _clock()).kerberos_servers()
    records = _directories(names)
    found = tuple(_controller(names, record) for record in records[:CONTROLLERS_AT_MOST])
    return Domain(names.domain, names.servers, tuple(sorted(kdcs, key=_order)), found)


def _directories(names: Dns) -> list[ServiceRecord]:
    """The domain controllers, or the directory servers of a domain that is none of Active Directory (RFC 2782)."""
    try:
        return sorted(Resolver(names, _clock()).domain_controllers()[0], key=_order)
    except StepFailedError:
        pass
    try:
        return sorted(Resolver(names, _clock()).services("_ldap._tcp", names.domain)[0], key=_order)
    except StepFailedError as failure:
        failed = failure.outcome.code
    asked = ", ".join(map(str, names.servers))
    raise RunError(f"{names.domain}: expected SRV records of its directory servers from {asked}, got {failed}")


def _order(record: ServiceRecord) -> tuple[int, int, str]:
    return record.priority, -record.weight, record.host


def _controller(names: Dns, record: ServiceRecord) -> Controller:
    addresses: tuple[str, ...] = ()
    with suppress(StepFailedError):
        addresses, _ = Resolver(names, _clock()).addresses(record.host)
    netlogon: DomainController | None = None
    context, tls = "", False
    mechanisms: tuple[str, ...] = ()
    for address in addresses[:1]:
        with suppress(StepFailedError):
            netlogon = ping(Endpoint(host=address, port=record.port), ping_request(names.domain), _clock())
        context, mechanisms = _root(address, record.port)
        with suppress(OSError), socket.create_connection((address, LDAPS), timeout=WITHIN_S):
            tls = True
    return Controller(record.host, record.port, addresses, netlogon, context, mechanisms, tls)


def _root(address: str, port: int) -> tuple[str, tuple[str, ...]]:
    """The naming context and the SASL mechanisms of a server's root entry (RFC 4512 §5.1), which anybody may read."""
    server = ldap3.Server(address, port, get_info=ldap3.NONE, connect_timeout=WITHIN_S)
    try:
        connection = ldap3.Connection(server, client_strategy=ldap3.SAFE_SYNC, receive_timeout=int(WITHIN_S))
        connection.open(read_server_info=False)
        try:
            _, _, entries, _ = connection.search("", "(objectClass=*)", ldap3.BASE, attributes=list(_ROOT))
        finally:
            connection.unbind()
    except (LDAPException, OSError):
        return "", ()
    found = [entry["raw_attributes"] for entry in entries or [] if "raw_attributes" in entry]
    said: Mapping[str, Sequence[bytes]] = found[0] if found else {}

    def values(name: str) -> tuple[str, ...]:
        return tuple(value.decode(errors="replace") for value in said.get(name, []))

    context = next(iter((*values("defaultNamingContext"), *values("namingContexts"))), "")
    return context, values("supportedSASLMechanisms")


def _clock() -> StepClock:
    return StepClock(WITHIN_S)
