"""What a server's certificate says: until when it holds, and by which kind of key (RFC 5280 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from harness.login import der

_RSA = "2a864886f70d010101"
_EC = "2a8648ce3d0201"
_CURVES = {"2a8648ce3d030107": "P-256", "2b81040022": "P-384", "2b81040023": "P-521"}
"""OIDs (RFC 5480 §2.1.1.1)."""
_EDWARDS = {"2b6570": "Ed25519", "2b6571": "Ed448"}
"""OIDs (RFC 8410 §3)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's end, and its key's kind and size in words."""

    not_after: datetime
    key: str


def read_certificate(data: bytes) -> Certificate:
    """The facts of a DER certificate; raises ValueError."""
    signed, *_ = der.decode(data).parts()
    fields = [part for part in signed.parts() if part.tag != der.context(0)]  # the version, which may be left out
    if len(fields) < 6:
        raise ValueError("a certificate cut off")
    _, not_after, *_ = fields[3].parts()
    return Certificate(_instant(not_after), _key(fields[5]))


def _instant(value: der.Value) -> datetime:
    form = "%y%m%d%H%M%SZ" if value.tag == der.UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(value.content.decode("ascii"), form).replace(tzinfo=UTC)


def _key(public: der.Value) -> str:
    algorithm, bits = public.parts()
    oid, *parameters = algorithm.parts()
    name = oid.content.hex()
    if name == _RSA:
        modulus, *_ = der.decode(bits.content[1:]).parts()
        return f"RSA {modulus.number().bit_length()}"
    if name == _EC and parameters:
        return f"EC {_CURVES.get(parameters[0].content.hex(), 'of another curve')}"
    return _EDWARDS.get(name, "a key of another kind")
