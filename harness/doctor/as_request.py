"""An AS request without pre-authentication, and what a KDC's refusal shows: its clock, and the account's keys.

libkrb5 hides both. RFC 4120: §5.4.1 (KDC-REQ), §5.9.1 (KRB-ERROR), §5.2.7.5 (ETYPE-INFO2), §7.2 (transports). No
password is tried by it, so no account can be locked out.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.login.kerberos.answers import PREAUTH_REQUIRED, key_infos
from harness.login.kerberos.contact import MESSAGE_AT_MOST
from harness.login.names import is_upn
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.net.streams import Datagrams, connect
from harness.login.restrictions import of_kdc
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint
from harness.model.protocol import Transport

RC4 = 23
ENCTYPES = {
    18: "aes256-cts-hmac-sha1-96",
    17: "aes128-cts-hmac-sha1-96",
    20: "aes256-cts-hmac-sha384-192",
    19: "aes128-cts-hmac-sha256-128",
    RC4: "arcfour-hmac (RC4)",
}
"""What is asked for, by number (RFC 3962, 8009, 4757), and the names."""
_FORWARDABLE_RENEWABLE = b"\x00\x40\x80\x00\x00"
_CANONICALIZE = b"\x00\x40\x81\x00\x00"
"""KDCOptions, behind the count of unused bits; an enterprise name asks for the account's own (RFC 6806 §5)."""
_NT_PRINCIPAL, _NT_ENTERPRISE = 1, 10


@dataclass(frozen=True, slots=True)
class KdcAnswer:
    """What a KDC answered; ``code`` is that of its KRB-ERROR, None where it gave a ticket at once."""

    code: int | None
    took_s: float
    skew_s: float | None
    """The KDC's clock less this machine's; None where the answer says no time."""
    enctypes: tuple[int, ...]
    """The account's keys as far as the KDC offers them for pre-authentication, in its order."""
    realm: str = ""
    """The KDC's own, as it writes it; empty where the answer doesn't say."""
    salt: str = ""
    """That the account's first key is derived with, where the KDC says one."""
    reason: str = ""
    """Of a refusal, where Active Directory gives one beside the code."""

    def own_realm(self, asked: str) -> str:
        """The realm that the KDC is of: by its word, or by the account's salt, which begins with it (RFC 4120 §4)."""
        if self.realm not in ("", asked):
            return self.realm
        begins = self.salt[: len(asked)]
        return begins if begins.casefold() == asked.casefold() else asked


def enctype_names(numbers: tuple[int, ...]) -> str:
    """Encryption types as a user reads them."""
    return ", ".join(ENCTYPES.get(number, f"encryption type {number}") for number in numbers) or "none named"


def ask(kdc: Endpoint, transport: Transport, realm: str, user: str, clock: StepClock) -> KdcAnswer:
    """One request for the user's ticket-granting ticket; raises StepFailedError."""
    request = as_request(realm, user)
    began, wall = time.monotonic(), time.time()
    try:
        data = (_by_udp if transport == "UDP" else _by_tcp)(kdc, request, clock)
    except TimeoutError:
        raise StepFailedError(TIMED_OUT) from None
    except OSError as error:
        raise StepFailedError(Outcome("error", error.strerror or "CONNECTION_LOST")) from None
    took_s = time.monotonic() - began
    try:
        return read_answer(data, took_s, wall + took_s / 2)
    except (ValueError, IndexError):
        raise StepFailedError(Outcome("error", "KDC_MALFORMED")) from None


def as_request(realm: str, user: str) -> bytes:
    """The message that asks for a ticket-granting ticket."""

    def name(kind: int, *parts: str) -> bytes:
        strings = [der.encode(der.GENERAL_STRING, part.encode()) for part in parts]
        names = der.encode(der.context(1), der.encode(der.SEQUENCE, *strings))
        return der.encode(der.SEQUENCE, der.encode(der.context(0), der.integer(kind)), names)

    body = (
        der.encode(der.BIT_STRING, _CANONICALIZE if is_upn(user) else _FORWARDABLE_RENEWABLE),
        name(_NT_ENTERPRISE, user) if is_upn(user) else name(_NT_PRINCIPAL, *user.split("/")),
        der.encode(der.GENERAL_STRING, realm.encode()),
        name(2, "krbtgt", realm),
        None,
        der.encode(der.GENERALIZED_TIME, b"20370913024805Z"),
        None,
        der.integer(secrets.randbits(31)),
        der.encode(der.SEQUENCE, *map(der.integer, ENCTYPES)),
    )
    fields = [der.encode(der.context(number), part) for number, part in enumerate(body) if part is not None]
    parts = (der.integer(5), der.integer(10), None, der.encode(der.SEQUENCE, *fields))
    message = [der.encode(der.context(number), part) for number, part in enumerate(parts, 1) if part is not None]
    return der.encode(der.application(10), der.encode(der.SEQUENCE, *message))


def read_answer(data: bytes, took_s: float, asked_at: float) -> KdcAnswer:
    """A KDC's answer; ``asked_at`` is this machine's time (Unix seconds) of the middle of the exchange.

    Raises ValueError where it is none.
    """
    message = der.decode(data)
    if message.tag == der.application(11):
        fields = der.decode(message.content)
        for number in (5, 6):  # ticket and enc-part (RFC 4120 §5.4.2)
            fields.field(number)
        return KdcAnswer(None, took_s, None, ())
    if message.tag != der.application(30):
        raise ValueError("neither a ticket nor an error")
    fields = der.decode(message.content)
    stime = datetime.strptime(fields.field(4).content.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    clock = stime.timestamp() + fields.field(5).number() / 1e6
    code = fields.field(6).number()
    realm = fields.field(9).content.decode(errors="replace") if fields.part(der.context(9)) else ""
    keys = list(key_infos(data)) if code == PREAUTH_REQUIRED else []
    salt = (keys[0].salt or b"").decode(errors="replace") if keys else ""
    enctypes = tuple(dict.fromkeys(key.enctype for key in keys))
    return KdcAnswer(code, took_s, clock - asked_at, enctypes, realm, salt, of_kdc(data))


def _by_udp(kdc: Endpoint, request: bytes, clock: StepClock) -> bytes:
    with Datagrams(kdc, clock) as udp:
        udp.send(request)
        return udp.recv()


def _by_tcp(kdc: Endpoint, request: bytes, clock: StepClock) -> bytes:
    stream = connect(kdc, clock)
    try:
        stream.sendall(len(request).to_bytes(4, "big") + request)
        size = int.from_bytes(stream.exactly(4), "big")
        if size > MESSAGE_AT_MOST:
            raise ConnectionResetError
        return stream.exactly(size)
    finally:
        stream.close()
