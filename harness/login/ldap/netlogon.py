"""The netlogon ping: one LDAP search by UDP, by which a client learns whether a domain controller serves it.

Request and answer: MS-ADTS 6.3.3; the answer's layout: 6.3.1.9 (NETLOGON_SAM_LOGON_RESPONSE_EX).
"""

from __future__ import annotations

import select
import struct
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.name
import ldap3
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import decode_message_fast, encode

from harness.login.codes import ldap_outcome
from harness.login.net.clock import StepClock
from harness.login.net.streams import Datagrams
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint

CLDAP_PORT = 389
NT_VERSION = 0x02 | 0x04
"""NETLOGON_NT_VERSION_5 and _5EX: the answer is to be the extended one (MS-ADTS 6.3.1.1)."""
AGAIN_S = 0.1
"""How long a DC locator listens for an answer until it asks the next controller too (Windows 2000 DNS white paper,
p. 34)."""
_MESSAGE_ID = 1
"""Each ping has a socket of its own."""
_SAM_LOGON_RESPONSE_EX = 23
_SAM_PAUSE_RESPONSE_EX = 24
_SEARCH_DONE = 5
_NO_MESSAGE = (LookupError, TypeError, AttributeError, RecursionError, OverflowError, ValueError)
"""What ldap3's decoder, and a reader of what it decodes, raise of bytes that are none."""
_FLAGS = {
    0x1: "PDC", 0x4: "GC", 0x8: "LDAP", 0x10: "DS", 0x20: "KDC", 0x40: "time", 0x80: "closest", 0x100: "writable"
}  # fmt: skip
"""DS_FLAG bits by their short names (MS-ADTS 6.3.1.2)."""


@dataclass(frozen=True, slots=True)
class DomainController:
    """What a domain controller says of itself."""

    host: str
    domain: str
    forest: str
    site: str
    client_site: str
    flags: int

    @property
    def roles(self) -> tuple[str, ...]:
        """The flags' names."""
        return tuple(name for bit, name in _FLAGS.items() if self.flags & bit)


def ping_request(domain: str) -> bytes:
    """The datagram that asks a controller whether it serves the domain."""
    version = "".join(f"\\{byte:02x}" for byte in NT_VERSION.to_bytes(4, "little"))
    where = f"(&(DnsDomain={domain})(NtVer={version}))"
    message = LDAPMessage()
    message["messageID"] = MessageID(_MESSAGE_ID)
    search = search_operation(
        "", where, ldap3.BASE, ldap3.DEREF_NEVER, ["netlogon"], 0, 0, False, auto_escape=True, auto_encode=False
    )
    message["protocolOp"] = ProtocolOp().setComponentByName("searchRequest", search)
    return bytes(encode(message))


def ping(server: Endpoint, request: bytes, clock: StepClock) -> DomainController:
    """Ask one controller once: a lost datagram is a lost ping, as to the client that would then ask another one.

    Raises StepFailedError.
    """
    return first_answer((server,), request, clock)[1]


def first_answer(servers: Sequence[Endpoint], request: bytes, clock: StepClock) -> tuple[Endpoint, DomainController]:
    """Ask controllers in order, the next one where none has answered within AGAIN_S; the first that serves the domain.

    Raises StepFailedError with the last one's refusal, and TIMED_OUT at the clock's deadline.
    """
    unasked, failure = list(servers), Outcome("error", "CONNECT_FAILED")
    with ExitStack() as stack:
        asked: list[Datagrams] = []
        while unasked or asked:
            if unasked:
                with suppress(OSError):
                    udp = stack.enter_context(Datagrams(unasked.pop(0), clock))
                    udp.send(request)
                    asked.append(udp)
            left = clock.left_s()
            for udp in _readable(asked, min(left, AGAIN_S) if unasked else left):
                try:
                    if (found := _answer(udp)) is not None:
                        return udp.endpoint, found
                except StepFailedError as refusal:
                    asked.remove(udp)
                    failure = refusal.outcome
    raise StepFailedError(failure)


def _readable(asked: Sequence[Datagrams], wait_s: float) -> list[Datagrams]:
    ready = select.poll()
    by_number = {udp.fileno(): udp for udp in asked}
    for number in by_number:
        ready.register(number, select.POLLIN)
    return [by_number[number] for number, _ in ready.poll(wait_s * 1000)]


def _answer(udp: Datagrams) -> DomainController | None:
    """What the datagram that has come says; None of one with another message identifier, which answers nobody here."""
    try:
        answer = udp.recv()
    except OSError:
        raise StepFailedError(Outcome("error", "CONNECT_FAILED")) from None
    try:
        blob = _netlogon(answer)
        return None if blob is None else parse_response(blob)
    except (*_NO_MESSAGE, struct.error, dns.exception.DNSException):
        raise StepFailedError(Outcome("error", "CLDAP_MALFORMED")) from None


def parse_response(blob: bytes) -> DomainController:
    """The fields of a NETLOGON_SAM_LOGON_RESPONSE_EX; raises StepFailedError where the controller declines."""
    opcode, _, flags = struct.unpack_from("<HHI", blob)
    if opcode == _SAM_PAUSE_RESPONSE_EX:
        raise StepFailedError(Outcome("error", "NETLOGON_PAUSED"))
    if opcode != _SAM_LOGON_RESPONSE_EX:
        raise StepFailedError(Outcome("error", f"NETLOGON_OPCODE_{opcode}"))
    at = struct.calcsize("<HHI16x")
    names = []
    for _ in range(8):
        name, used = dns.name.from_wire(blob, at)
        names.append("" if name == dns.name.root else name.to_text(omit_final_dot=True))
        at += used
    forest, domain, host, _, _, _, site, client_site = names
    return DomainController(host, domain, forest, site, client_site, flags)


def _netlogon(datagram: bytes) -> bytes | None:
    """The netlogon attribute of the answer's entry, which may share its datagram with the end of the search."""
    decoded: Any = decode_message_fast(datagram)
    if decoded["messageID"] != _MESSAGE_ID:
        return None
    if decoded["protocolOp"] == _SEARCH_DONE:
        code = decoded["payload"][0][3]
        raise StepFailedError(ldap_outcome(code) if code else Outcome("error", "NETLOGON_NO_ANSWER"))
    _, attributes = (part[3] for part in decoded["payload"])
    for _, _, _, (name, values) in attributes:
        if name[3].lower() == b"netlogon":
            blob: bytes = values[3][0][3]
            return blob
    raise ValueError("no netlogon attribute")
