"""What is read of certificates and tickets: never more than they hold."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.der import parts, public_key, signature_algorithm, ticket_enctype, values


def der(tag: int, *contents: bytes) -> bytes:
    """A DER value (X.690 §8.1)."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def number(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def certificate(algorithm: str, parameters: bytes, key: bytes, versioned: bool) -> bytes:
    """As RFC 5280 §4.1 lays it out, with nothing in the fields before the key."""
    version = der(0xA0, number(2)) if versioned else b""
    oid = der(0x06, bytes.fromhex(algorithm))
    info = der(0x30, der(0x30, oid, parameters), der(0x03, b"\0", key))
    tbs = der(0x30, version, number(1), *(der(0x30) for _ in range(4)), info)
    return der(0x30, tbs, der(0x30, der(0x06, bytes.fromhex("2a864886f70d01010c"))), der(0x03, b"\0"))


@pytest.mark.parametrize("versioned", [True, False])
def test_the_key_of_a_certificate_is_told_by_kind_and_size(versioned: bool) -> None:
    for bits in (2048, 3072, 4096):
        rsa = certificate("2a864886f70d010101", der(0x05), der(0x30, number((1 << bits) - 1), number(65537)), versioned)
        assert public_key(rsa) == f"RSA {bits}"
    curve = certificate("2a8648ce3d0201", der(0x06, bytes.fromhex("2b81040022")), b"\x04", versioned)
    assert public_key(curve) == "EC P-384"
    assert public_key(certificate("2b6570", b"", b"key", versioned)) == "Ed25519"
    assert public_key(certificate("2a0304", b"", b"key", versioned)) == "key of OID 2a0304"
    assert signature_algorithm(curve) == "2a864886f70d01010c"


@pytest.mark.parametrize("enctype", [17, 18, 23, -128])
def test_a_ticket_tells_the_encryption_type_of_its_sealed_part(enctype: int) -> None:
    sealed = der(0x30, der(0xA0, der(0x02, enctype.to_bytes(1, "big", signed=True))), der(0xA2, der(0x04, b"x" * 300)))
    ticket = der(
        0x61, der(0x30, der(0xA0, number(5)), der(0xA1, der(0x1B, b"R")), der(0xA2, der(0x30)), der(0xA3, sealed))
    )
    assert ticket_enctype(ticket) == enctype


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=5))
def test_values_are_read_as_they_were_written(written: list[tuple[int, bytes]]) -> None:
    assert list(values(b"".join(der(tag, content) for tag, content in written))) == written


@given(st.binary(max_size=60))
def test_bytes_that_are_no_der_are_an_error_and_nothing_else(data: bytes) -> None:
    with suppress(ValueError):
        assert sum(map(len, parts(data))) <= len(data)
