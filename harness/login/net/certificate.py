"""What a server's certificate says: until when it holds, by which kind of key, and how it is signed (RFC 5280 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from harness.login.net import der

_RSA = "2a864886f70d010101"
"""RFC 8017."""
_EC = "2a8648ce3d0201"
_PUBLIC_KEYS = {
    "2a8648ce3d030107": "EC P-256",  # RFC 5480
    "2b81040022": "EC P-384",
    "2b81040023": "EC P-521",
    "2b6570": "Ed25519",  # RFC 8410
    "2b6571": "Ed448",
}
"""By encoded OID: of the curve for EC keys, of the algorithm for the others."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's end, and its key's kind and size in words."""

    not_after: datetime
    key: str


def read_certificate(data: bytes) -> Certificate:
    """The facts of a DER certificate; raises ValueError."""
    fields = _fields(data)
    _, not_after, *_ = fields[3].parts()
    return Certificate(_instant(not_after), _key(fields[5]))


def public_key(data: bytes) -> str:
    """The kind and size of a DER certificate's key, such as ``RSA 2048``; raises ValueError."""
    return _key(_fields(data)[5])


def signature_algorithm(data: bytes) -> str:
    """The OID in a DER certificate's second field, as hexadecimal digits; empty where there is none."""
    try:
        _, algorithm, *_ = der.decode(data).parts()
        oid, *_ = algorithm.parts()
    except ValueError:
        return ""
    return oid.content.hex()


def _fields(data: bytes) -> list[der.Value]:
    signed, *_ = der.decode(data).parts()
    fields = [part for part in signed.parts() if part.tag != der.context(0)]  # the version, which may be left out
    if len(fields) < 6:
        raise ValueError("a certificate cut off")
    return fields


def _instant(value: der.Value) -> datetime:
    form = "%y%m%d%H%M%SZ" if value.tag == der.UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(value.content.decode("ascii"), form).replace(tzinfo=UTC)


def _key(public: der.Value) -> str:
    algorithm, bits, *_ = public.parts()
    oid, *parameters = (part.content.hex() for part in algorithm.parts())
    if oid == _RSA:
        modulus, *_ = der.decode(bits.content[1:]).parts()  # after the count of unused bits
        return f"RSA {modulus.number().bit_length()}"
    named = parameters[0] if oid == _EC and parameters else oid
    return _PUBLIC_KEYS.get(named, f"key of OID {named}")
