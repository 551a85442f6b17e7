"""One login under way: its connections, what later steps need of earlier ones, and what its steps have shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.login.controllers import Order
from harness.login.dns.locate import ServiceRecord
from harness.login.http import EhrSession
from harness.login.kerberos.client import TicketCache
from harness.login.kerberos.kdcs import KdcCarrier
from harness.login.ldap.messages import Entry
from harness.login.ldap.session import DirectorySession
from harness.login.net.clock import StepClock
from harness.login.postgres import DatabaseSession
from harness.login.sso import SingleSignOnSession
from harness.model.protocol import DnsQuery


@dataclass(slots=True)
class LoginState:
    """One login under way, and what its present step has shown so far."""

    user: str
    tickets: TicketCache
    clock: StepClock
    directory: DirectorySession
    ehr: EhrSession | None
    sso: SingleSignOnSession | None
    database: DatabaseSession | None
    order: Order
    """The domain controllers, the one to go to first."""
    bind_begun: tuple[str, Any, bytes] | None = None
    """The service's host, context and first token of a bind, made with the ticket that it needs."""
    entry: Entry | None = None
    groups: frozenset[str] = frozenset()
    controller: ServiceRecord | None = None
    controller_address: str | None = None
    locating_round_trips: int = 0
    """Those of name servers and of the netlogon ping."""
    dns_records: int = 0
    # Of the present step:
    pool_wait: int = 0
    server: str = ""
    handshake: str = ""
    """What TLS agreed on, in the step that opened the directory's connection."""
    carriers: list[KdcCarrier] = field(default_factory=list)
    """What carried its requests to KDCs."""
    queries: list[DnsQuery] = field(default_factory=list)
    agreed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The account's name in the realm, as the KDC has it; as it is written until a KDC was asked."""
        return self.tickets.client or self.user

    def begin_step(self) -> None:
        """Forget what the last step has shown."""
        self.pool_wait, self.server, self.handshake = 0, "", ""
        self.carriers.clear()
        for told in (self.queries, self.agreed, self.notes):
            told.clear()

    @property
    def way(self) -> str:
        """How the present step went on the wire, without names, sizes and addresses, which are the arms' own."""
        asked = [carrier.way for carrier in self.carriers]
        asked += [f"{query.kind} by {query.transport}" for query in self.queries]
        return ", ".join(dict.fromkeys((*filter(None, (*asked, self.handshake)), *self.agreed)))

    def close(self) -> None:
        """Hang up everywhere; tickets are the caller's."""
        self.directory.close()
        for connected in (self.ehr, self.sso, self.database):
            if connected is not None:
                connected.close()
