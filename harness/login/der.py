"""DER (X.690), as far as a certificate or a ticket is read for a fact or two that its library keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator

_PUBLIC_KEYS = {
    "2a8648ce3d030107": "EC P-256",  # RFC 5480
    "2b81040022": "EC P-384",
    "2b81040023": "EC P-521",
    "2b6570": "Ed25519",  # RFC 8410
    "2b6571": "Ed448",
}
"""By encoded OID: of the curve for EC keys, of the algorithm for the others."""
_RSA = "2a864886f70d010101"
"""RFC 8017."""
_EC = "2a8648ce3d0201"
_VERSION, _ENC_PART, _ETYPE = 0xA0, 0xA3, 0xA0


def values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The values that follow each other in ``data``: of each its tag and its content; raises ValueError."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("DER: cut short")
        tag, length, begin = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, begin = int.from_bytes(data[begin : begin + count], "big"), begin + count
        at = begin + length
        if at > len(data):
            raise ValueError("DER: cut short")
        yield tag, data[begin:at]


def parts(data: bytes) -> list[bytes]:
    """The contents alone."""
    return [content for _, content in values(data)]


def signature_algorithm(certificate: bytes) -> str:
    """The OID in a certificate's second field (RFC 5280 §4.1), as hexadecimal digits; empty where there is none."""
    try:
        (inside,) = parts(certificate)
        return parts(parts(inside)[1])[0].hex()
    except (ValueError, IndexError):
        return ""


def public_key(certificate: bytes) -> str:
    """The kind and size of a certificate's key (RFC 5280 §4.1.2.7), such as ``RSA 2048``; raises ValueError."""
    (inside,) = parts(certificate)
    fields = list(values(parts(inside)[0]))
    if fields[0][0] == _VERSION:
        del fields[0]
    algorithm, key = parts(fields[5][1])
    oid, *parameters = (content.hex() for content in parts(algorithm))
    if oid == _RSA:
        (numbers,) = parts(key[1:])  # after the count of unused bits
        return f"RSA {int.from_bytes(parts(numbers)[0], 'big').bit_length()}"
    named = parameters[0] if oid == _EC and parameters else oid
    return _PUBLIC_KEYS.get(named, f"key of OID {named}")


def ticket_enctype(ticket: bytes) -> int:
    """The encryption type of a ticket's sealed part (RFC 4120 §5.3); raises ValueError."""
    (application,) = parts(ticket)
    (fields,) = parts(application)
    (encrypted,) = parts(dict(values(fields))[_ENC_PART])
    (number,) = parts(dict(values(encrypted))[_ETYPE])
    return int.from_bytes(number, "big", signed=True)
