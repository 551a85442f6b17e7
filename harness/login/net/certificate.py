"""What a server's certificate says: until when it holds, by which kind of key, and how it is signed (RFC 5280 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""NIST's names (FIPS 186-4), which certificates' readers know, by those of SEC 2."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's end, and its key's kind and size in words."""

    not_after: datetime
    key: str


def read_certificate(data: bytes) -> Certificate:
    """The facts of a DER certificate; raises ValueError."""
    found = x509.load_der_x509_certificate(data)
    return Certificate(found.not_valid_after_utc, _key(found))


def public_key(data: bytes) -> str:
    """The kind and size of a DER certificate's key, such as ``RSA 2048``; raises ValueError."""
    return _key(x509.load_der_x509_certificate(data))


def signature_hash(data: bytes) -> str | None:
    """The name of the hash that a DER certificate is signed by; None where its signature has none of its own."""
    try:
        algorithm = x509.load_der_x509_certificate(data).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    return None if algorithm is None else algorithm.name


def _key(found: x509.Certificate) -> str:
    try:
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return f"key of OID {found.public_key_algorithm_oid.dotted_string}"
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {_CURVES.get(key.curve.name, key.curve.name)}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return f"key of OID {found.public_key_algorithm_oid.dotted_string}"
