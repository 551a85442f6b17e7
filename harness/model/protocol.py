"""What single logins show of the protocol, without statistics; and in what the arms' logins differ there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.model.attempt import Status
from harness.model.cohort import EVERYONE

Transport = Literal["UDP", "TCP"]


@dataclass(frozen=True, slots=True)
class KdcExchange:
    """One request to a KDC: ``answer_bytes`` is None where none came, with ``note`` saying what libkrb5 said of it."""

    server: str
    transport: Transport
    answer_bytes: int | None
    note: str = ""
    error: str = ""
    """The KDC's own error code, where the answer was one: KDC_ERR_PREAUTH_REQUIRED in every ordinary AS exchange."""
    key_enctype: str = ""
    """The encryption type of the clinician's long-term key, as far as this answer chose it."""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What a ticket shows of the server that issued it; ``ticket_bytes`` is the encoded ticket's size.

    A PAC is within the part that only the service can decrypt: its size shows in the ticket's alone.
    """

    service: str
    session_enctype: str
    ticket_bytes: int
    enctype: str = ""
    """Of the ticket itself, so of the service's long-term key."""


@dataclass(frozen=True, slots=True)
class DnsQuery:
    """One name that was asked for, by what its answer came, and how often it was asked until then."""

    name: str
    kind: str
    transport: Transport
    tries: int


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a TLS handshake agreed on, and the key of the server's certificate (``RSA 2048``, ``EC P-256``)."""

    version: str
    cipher: str
    key: str

    def __str__(self) -> str:
        return f"{self.version}, {self.cipher}, certificate {self.key}"


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What the protocol showed in one step of a single login."""

    round_trips: int = 0
    """Those of DNS, CLDAP, LDAP, HTTP and the database; a KDC's are the exchanges that it answered."""
    entries: int = 0
    """Of the directory."""
    records: int = 0
    """Of name servers."""
    answer_bytes: int = 0
    """What the directory and the EHR's front sent, within TLS where there is TLS."""
    tickets: tuple[TicketFacts, ...] = ()
    exchanges: tuple[KdcExchange, ...] = ()
    queries: tuple[DnsQuery, ...] = ()
    tls: TlsFacts | None = None
    """Of a connection that the step opened."""
    statuses: tuple[int, ...] = ()
    """Of HTTP, in order."""
    agreed: tuple[str, ...] = ()
    """What client and server agreed on: the bind's security layer, mutual authentication."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExplainedStep:
    """One step of a single login: how it ended, and what it showed."""

    step: str
    status: Status
    code: str
    facts: StepFacts


@dataclass(frozen=True, slots=True)
class ExplainedLogin:
    """A single login with the facts of its steps, up to the one that failed.

    A warm cohort may have two: one that takes its whole way, and one that finds what it needs in its ticket cache.
    """

    cohort: str
    user: str
    steps: tuple[ExplainedStep, ...]


@dataclass(frozen=True, slots=True)
class ArmProtocol:
    """What single logins showed on one arm, those of a cohort by the same user on each.

    ``own_names`` maps the target's own host and domain to what they are: the arms' own differ, and that is no change.
    """

    own_names: Mapping[str, str]
    logins: tuple[ExplainedLogin, ...]


Change = Literal[
    "step-failed",
    "enctype-weaker",
    "tls-weaker",
    "security-layer-changed",
    "exchange-added",
    "no-answer",
    "error-added",
    "transport-changed",
    "ticket-added",
    "ticket-grown",
    "answer-grown",
    "entries-changed",
    "http-status-changed",
    "way-changed",
    "names-changed",
    "certificate-changed",
    "cipher-changed",
    "enctype-changed",
    "step-fixed",
    "enctype-stronger",
    "tls-stronger",
    "exchange-removed",
    "error-removed",
    "ticket-removed",
    "ticket-shrunk",
    "answer-shrunk",
]
"""Every kind of difference, the most severe first; a policy names those that block, CHANGES says what each means."""

CHANGES: Mapping[Change, str] = {
    "step-failed": "a step that succeeds on the baseline fails on the candidate",
    "enctype-weaker": "a ticket, its session key or the clinician's own key is of a weaker encryption type",
    "tls-weaker": "an older version of TLS",
    "security-layer-changed": "signing, sealing or mutual authentication on one arm only",
    "exchange-added": "more requests answered in a step",
    "no-answer": "requests to a KDC that got no answer",
    "error-added": "an additional error code from a KDC, such as KRB_ERR_RESPONSE_TOO_BIG",
    "transport-changed": "UDP in place of TCP, or the reverse",
    "ticket-added": "an additional ticket",
    "ticket-grown": "a larger ticket, for example by a larger PAC",
    "answer-grown": "a larger answer of the directory or the EHR",
    "entries-changed": "a different number of directory entries or DNS records",
    "http-status-changed": "different HTTP status codes",
    "way-changed": "another share of the load's logins goes a way on the wire, such as a fall-back",
    "names-changed": "different names asked for in DNS, apart from the arms' own host and domain",
    "certificate-changed": "a certificate with a key of another type or size",
    "cipher-changed": "a different TLS cipher suite",
    "enctype-changed": "a different encryption type that is neither weaker nor stronger",
    "step-fixed": "a step that fails on the baseline succeeds on the candidate",
    "enctype-stronger": "a stronger encryption type",
    "tls-stronger": "a newer version of TLS",
    "exchange-removed": "fewer requests answered in a step",
    "error-removed": "an error code from a KDC that no longer comes",
    "ticket-removed": "a ticket that is no longer asked for",
    "ticket-shrunk": "a smaller ticket",
    "answer-shrunk": "a smaller answer of the directory or the EHR",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the arms' single logins.

    ``cohort`` is ``all`` where every cohort that takes the step shows it; ``remark`` says how large it is.
    """

    change: Change
    step: str
    cohort: str
    what: str
    baseline: str
    candidate: str
    remark: str = ""

    @property
    def label(self) -> str:
        """What it is that differs."""
        return f"{self.step} {self.what}"

    @property
    def sentence(self) -> str:
        """The difference in one line."""
        whose = "" if self.cohort == EVERYONE else f"{self.cohort} "
        remark = f" ({self.remark})" if self.remark else ""
        return f"{whose}{self.step}: {self.what}: {self.baseline} → {self.candidate}{remark}"
