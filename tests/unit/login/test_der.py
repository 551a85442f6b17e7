"""What is read of certificates and tickets: never more than they hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from harness.login.kerberos.answers import ticket_enctype
from harness.login.net import der
from harness.login.net.certificate import public_key, signature_hash
from harness.login.net.der import encode, integer
from tests.helpers.certificates import certificate

_OCTETS = 0x04


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSA 2048"),
        (lambda: rsa.generate_private_key(65537, 3072), "RSA 3072"),
        (lambda: ec.generate_private_key(ec.SECP256R1()), "EC P-256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "EC P-384"),
        (lambda: ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (lambda: ed448.Ed448PrivateKey.generate(), "Ed448"),
    ],
)
def test_the_key_of_a_certificate_is_told_by_kind_and_size(key: Callable[[], Any], named: str) -> None:
    made = key()
    algorithm = None if named.startswith("Ed") else hashes.SHA384()
    data = certificate(made, algorithm)
    assert public_key(data) == named
    assert signature_hash(data) == (None if algorithm is None else "sha384")


@pytest.mark.parametrize("enctype", [17, 18, 23, -128])
def test_a_ticket_tells_the_encryption_type_of_its_sealed_part(enctype: int) -> None:
    number = encode(der.INTEGER, enctype.to_bytes(1, "big", signed=True))
    sealed = encode(der.SEQUENCE, encode(der.context(0), number), encode(der.context(2), encode(_OCTETS, b"x" * 300)))
    fields = (integer(5), encode(der.GENERAL_STRING, b"R"), encode(der.SEQUENCE), sealed)
    parts = (encode(der.context(number), field) for number, field in enumerate(fields))
    assert ticket_enctype(encode(der.application(1), encode(der.SEQUENCE, *parts))) == enctype


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_values_are_read_as_they_were_written(written: list[tuple[int, bytes]]) -> None:
    whole = der.decode(encode(der.SEQUENCE, *(encode(tag, content) for tag, content in written)))
    assert [(part.tag, part.content) for part in whole.parts()] == written


@given(st.binary(max_size=60))
def test_bytes_that_are_no_certificate_are_an_error_and_nothing_else(data: bytes) -> None:
    assert signature_hash(data) is None
    for read in (public_key, ticket_enctype):
        with suppress(ValueError):
            read(data)


def test_an_indefinite_length_is_refused_where_it_would_be_read_as_empty() -> None:
    """BER's form (X.690 §8.1.3.6) is none of DER."""
    with pytest.raises(ValueError, match="indefinite"):
        der.decode(b"\x30\x80\x02\x01\x05\x00\x00")
