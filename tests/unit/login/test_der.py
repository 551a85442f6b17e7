"""What is read of certificates: never more than they hold."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.kerberos.client import ticket_enctype
from harness.login.net import der
from harness.login.net.certificate import public_key, signature_algorithm
from harness.login.net.der import encode, integer

_OID, _NULL, _OCTETS = 0x06, 0x05, 0x04


def certificate(algorithm: str, parameters: bytes, key: bytes, versioned: bool) -> bytes:
    """As RFC 5280 §4.1 lays it out, with nothing in the fields before the key."""
    version = encode(der.context(0), integer(2)) if versioned else b""
    oid = encode(_OID, bytes.fromhex(algorithm))
    info = encode(der.SEQUENCE, encode(der.SEQUENCE, oid, parameters), encode(der.BIT_STRING, b"\0", key))
    signed = encode(der.SEQUENCE, version, integer(1), *(encode(der.SEQUENCE) for _ in range(4)), info)
    signature = encode(der.SEQUENCE, encode(_OID, bytes.fromhex("2a864886f70d01010c")))
    return encode(der.SEQUENCE, signed, signature, encode(der.BIT_STRING, b"\0"))


@pytest.mark.parametrize("versioned", [True, False])
def test_the_key_of_a_certificate_is_told_by_kind_and_size(versioned: bool) -> None:
    for bits in (2048, 3072, 4096):
        numbers = encode(der.SEQUENCE, integer((1 << bits) - 1), integer(65537))
        assert public_key(certificate("2a864886f70d010101", encode(_NULL), numbers, versioned)) == f"RSA {bits}"
    curve = certificate("2a8648ce3d0201", encode(_OID, bytes.fromhex("2b81040022")), b"\x04", versioned)
    assert public_key(curve) == "EC P-384"
    assert public_key(certificate("2b6570", b"", b"key", versioned)) == "Ed25519"
    assert public_key(certificate("2a0304", b"", b"key", versioned)) == "key of OID 2a0304"
    assert signature_algorithm(curve) == "2a864886f70d01010c"


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
    assert isinstance(signature_algorithm(data), str)
    for read in (public_key, ticket_enctype):
        with suppress(ValueError):
            read(data)
