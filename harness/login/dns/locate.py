"""The name-server steps: where the domain's KDCs and controllers are, asked of the target's own name servers.

Each query is a step with its own deadline. Load goes to no server that the targets don't name: a controller that isn't
the target's own fails the step.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from harness.login.net.clock import StepClock
from harness.login.net.streams import Datagrams, connect
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint
from harness.model.protocol import DnsQuery
from harness.model.target import Dns

T = TypeVar("T")

WAITS_S = (1.0, 1.0, 2.0, 4.0, 2.0)
"""How long Windows' client waits for each answer until it asks the next server, or the only one again (KB2834226)."""


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A name server's answer, which server gave it, and by what."""

    message: dns.message.Message
    server: Endpoint
    tcp: bool
    tries: int

    @property
    def query(self) -> DnsQuery:
        """What was asked."""
        asked = self.message.question[0]
        name, kind = asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype)
        return DnsQuery(name, kind, "TCP" if self.tcp else "UDP", self.tries)


class Resolver:
    """A client of an arm's name servers for one login; every method raises StepFailedError."""

    def __init__(self, names: Dns, clock: StepClock) -> None:
        self._names = names
        self._clock = clock

    def kerberos_servers(self) -> tuple[tuple[ServiceRecord, ...], Answer]:
        """The domain's KDCs (RFC 4120 §7.2.3.2)."""
        return self.services("_kerberos._tcp", self._names.domain)

    def domain_controllers(self, site: str | None = None) -> tuple[tuple[ServiceRecord, ...], Answer]:
        """The domain's controllers, or those of a site: this one, or the target's own (MS-ADTS 6.3.2.3)."""
        return self.services("_ldap._tcp", f"dc._msdcs.{self._names.domain}", site)

    def addresses(self, host: str) -> tuple[tuple[str, ...], tuple[Answer, ...]]:
        """The addresses of a host, and the answers that say so: those of IPv4, or where it has none, of IPv6."""
        answers: list[Answer] = []
        found: tuple[str, ...] = ()
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            answers.append(self._ask(host, kind))
            records = (data for rrset in answers[-1].message.answer for data in rrset)
            if found := tuple(data.address for data in records if isinstance(data, A | AAAA)):
                break
        return _some(found), tuple(answers)

    def services(self, service: str, domain: str, site: str | None = None) -> tuple[tuple[ServiceRecord, ...], Answer]:
        """A service's servers in a domain (RFC 2782), or those of a site: this one, or the target's own."""
        site = site or self._names.site
        at = "" if site is None else f".{site}._sites"
        answer = self._ask(f"{service}{at}.{domain}", dns.rdatatype.SRV)
        found = tuple(
            ServiceRecord(data.priority, data.weight, data.port, data.target.to_text(omit_final_dot=True).lower())
            for rrset in answer.message.answer
            for data in rrset
            if isinstance(data, SRV)
        )
        return _some(found), answer

    def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> Answer:
        """The first server's answer; where it is silent, the next one's, until Windows' client would give up."""
        query = dns.message.make_query(name, kind)
        servers = itertools.cycle(self._names.servers)
        for tries, (wait_s, server) in enumerate(zip(WAITS_S, servers, strict=False), start=1):
            self._clock.left_s()
            try:
                message, tcp = self._exchange(query, server, wait_s)
            except (dns.exception.DNSException, ValueError):
                raise StepFailedError(Outcome("error", "DNS_MALFORMED")) from None
            except OSError:  # silence, or nobody listens there
                continue
            if (code := message.rcode()) != dns.rcode.NOERROR:
                raise StepFailedError(Outcome("error", f"DNS {int(code)} {dns.rcode.to_text(code)}"))
            return Answer(message, server, tcp, tries)
        self._clock.left_s()
        raise StepFailedError(Outcome("error", "DNS_NO_ANSWER"))

    def _exchange(
        self, query: dns.message.Message, server: Endpoint, within_s: float
    ) -> tuple[dns.message.Message, bool]:
        """One query by UDP, and by TCP where the answer was cut; whether TCP was needed. Raises OSError.

        A datagram with another identifier than the query's, or to another question, is none for us: resolvers ignore
        it (RFC 5452 §9.1), and so does this one, within the same wait.
        """
        wire = query.to_wire()
        until = time.monotonic() + within_s
        with Datagrams(server, self._clock) as udp:
            udp.send(wire)
            while True:
                data = udp.recv(max(until - time.monotonic(), 0.0) or 1e-6)
                if data[:2] != wire[:2]:
                    continue
                message = dns.message.from_wire(data, ignore_trailing=True)
                if query.is_response(message):
                    break
        if not message.flags & dns.flags.TC:
            return message, False
        stream = connect(server, self._clock, within_s)
        try:
            stream.sendall(len(wire).to_bytes(2, "big") + wire)
            message = dns.message.from_wire(stream.exactly(int.from_bytes(stream.exactly(2), "big")))
        finally:
            stream.close()
        if not query.is_response(message):
            raise ValueError("an answer to another question")
        return message, True


def in_order(records: Sequence[ServiceRecord]) -> tuple[ServiceRecord, ...]:
    """The records in the order in which a client tries them: by priority, then at random by weight (RFC 2782)."""
    left, found = list(records), []
    while left:
        best = [record for record in left if record.priority == min(each.priority for each in left)]
        chosen = random.choices(best, [record.weight or 0.01 for record in best])[0]
        left.remove(chosen)
        found.append(chosen)
    return tuple(found)


def _some(found: tuple[T, ...]) -> tuple[T, ...]:
    if not found:
        raise StepFailedError(Outcome("error", "DNS_NO_RECORDS"))
    return found
