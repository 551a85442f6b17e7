"""Where one message of a client ends and the next begins, and which kind it is, by its outer tags alone.

1. What is given comes back, in order and unchanged; only where it is cut is decided here.
2. What isn't understood, and all that follows it on the connection, is passed as it comes: TLS, sealed LDAP, HTTP.
"""

from __future__ import annotations

from harness.model.fault import Service

LARGEST = 1 << 20
"""No login has a message of this many bytes; something that says so is no message."""

_KERBEROS = {0x6A: "kdc_as", 0x6C: "kdc_tgs"}
"""[APPLICATION 10] AS-REQ and [APPLICATION 12] TGS-REQ (RFC 4120 §5.4.1), constructed."""
_LDAP = {0x60: "ldap_bind", 0x63: "ldap_search"}
"""[APPLICATION 0] BindRequest and [APPLICATION 3] SearchRequest (RFC 4511 §4.2, §4.5.1), constructed."""
_SEQUENCE, _INTEGER = 0x30, 0x02

Piece = tuple[str, bytes]
"""A kind of message, empty where it isn't known, and its bytes."""


class Framer:
    """One client's way of speaking to a service."""

    def __init__(self, service: Service) -> None:
        self._length = {"kdc": _kerberos_length, "ldap": _ldap_length}.get(service)
        self._kind = _ldap_kind if service == "ldap" else lambda message: kerberos_kind(message[4:])
        self._kept = b""

    def cut(self, data: bytes) -> list[Piece]:
        """The messages that are complete with these bytes."""
        if self._length is None:
            return [("", data)]
        self._kept += data
        pieces: list[Piece] = []
        while self._kept:
            length = self._length(self._kept)
            if length is None:
                break
            if not 0 < length <= LARGEST:
                self._length = None
                pieces.append(("", self._kept))
                self._kept = b""
                break
            if len(self._kept) < length:
                break
            message, self._kept = self._kept[:length], self._kept[length:]
            pieces.append((self._kind(message), message))
        return pieces


def kerberos_kind(message: bytes) -> str:
    """The kind of a Kerberos message without the length that precedes it on TCP."""
    return _KERBEROS.get(message[0], "") if message else ""


def _kerberos_length(data: bytes) -> int | None:
    """The length of the first message with its prefix (RFC 4120 §7.2.2); None where more has to come."""
    return 4 + int.from_bytes(data[:4], "big") if len(data) >= 4 else None


def _ldap_length(data: bytes) -> int | None:
    """The length of the first LDAPMessage (RFC 4511 §5.1, BER of definite length); 0 where it is none."""
    if data[0] != _SEQUENCE:
        return 0
    if len(data) < 2:
        return None
    if data[1] < 0x80:
        return 2 + data[1]
    octets = data[1] & 0x7F
    if not 1 <= octets <= 4:
        return 0
    return 2 + octets + int.from_bytes(data[2 : 2 + octets], "big") if len(data) >= 2 + octets else None


def _ldap_kind(message: bytes) -> str:
    start = 2 if message[1] < 0x80 else 2 + (message[1] & 0x7F)
    if len(message) < start + 2 or message[start] != _INTEGER:
        return ""
    operation = start + 2 + message[start + 1]
    return _LDAP.get(message[operation], "") if operation < len(message) else ""
