"""One login under way: its connections, what later steps need of earlier ones, and what its steps have shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.login.database import DatabaseSession
from harness.login.directory import DirectorySession, Entry
from harness.login.kerberos import TicketCache
from harness.login.locate import Answer, ServiceRecord
from harness.login.web import EhrSession
from harness.model.protocol import DnsQuery


@dataclass(slots=True)
class LoginState:
    """One login under way, and what its present step has shown so far."""

    user: str
    tickets: TicketCache
    directory: DirectorySession
    ehr: EhrSession | None
    database: DatabaseSession | None
    bind_begun: tuple[Any, bytes] | None = None
    """The context and first token of a bind, made with the ticket that it needs."""
    entry: Entry | None = None
    groups: frozenset[str] = frozenset()
    controller: ServiceRecord | None = None
    controller_address: str | None = None
    locating_round_trips: int = 0
    """Those of name servers and of the netlogon ping."""
    dns_records: int = 0
    # Of the present step:
    pool_wait: int = 0
    first_taken: int | None = None
    server: str = ""
    queries: list[DnsQuery] = field(default_factory=list)
    agreed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def begin_step(self) -> None:
        """Forget what the last step has shown."""
        self.pool_wait, self.first_taken, self.server = 0, None, ""
        for told in (self.queries, self.agreed, self.notes):
            told.clear()

    def note_answer(self, answer: Answer) -> None:
        """What a name server's answer shows."""
        self.server = str(answer.server)
        self.locating_round_trips += 1 + answer.tcp
        self.dns_records += sum(len(records) for records in answer.message.answer)
        self.queries.append(answer.query)
        if answer.tries > 1:
            self.notes.append(f"{answer.tries} tries")
        if answer.tcp:
            self.notes.append("answer cut, by TCP")

    def close(self) -> None:
        """Hang up everywhere; tickets are the caller's."""
        self.directory.close()
        if self.ehr is not None:
            self.ehr.close()
        if self.database is not None:
            self.database.close()
