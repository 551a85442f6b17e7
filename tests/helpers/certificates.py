"""Certificates made for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def signed_by_itself(
    key: Any, algorithm: Any, host: str = "ldap.clinic.test", alternative: x509.SubjectAlternativeName | None = None
) -> x509.Certificate:
    """A self-signed certificate of the key, good from yesterday on for 30 days."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    if alternative is not None:
        made = made.add_extension(alternative, critical=False)
    return made.sign(key, algorithm)


def certificate(key: Any, algorithm: Any) -> bytes:
    """The same as DER."""
    return signed_by_itself(key, algorithm).public_bytes(Encoding.DER)
