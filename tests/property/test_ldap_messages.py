"""Requests that are patched are those that ldap3 encodes; answers are read as ldap3 reads them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ldap3
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.bind import bind_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.strategy.base import BaseStrategy
from ldap3.utils.asn1 import decode_message_fast, encode
from ldap3.utils.conv import escape_filter_chars

from harness.login.ldap import messages
from harness.login.net import der

NUMBERS = st.integers(1, messages.MESSAGE_IDS)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
VALUES = TEXTS.filter(lambda text: text == text.strip())
"""ldap3 loses the spaces at the ends of a value; RFC 4515 §3 does not."""
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
ATTRIBUTES = ["cn", "memberOf"]
PAGED = "1.2.840.113556.1.4.319"


def encoded(number: int, kind: str, operation: Any) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    return bytes(encode(message))


def search(base: str, where: str, scope: str) -> Any:
    return search_operation(base, where, scope, ldap3.DEREF_ALWAYS, ATTRIBUTES, 0, 0, False, True, False)


FILTERS: dict[str, Callable[[list[str]], str]] = {
    "one": lambda values: f"(uid={(values or ['x'])[0]})",
    "any of": lambda values: "(|" + "".join(f"(member={value})" for value in values or ["x"]) + ")",
    "both, and present": lambda values: f"(&(objectClass=*)(cn={(values or ['x'])[0]})(sn={(values or ['x'])[-1]}))",
    "in chain": lambda values: f"(memberOf:1.2.840.113556.1.4.1941:=<SID={(values or ['x'])[0]}>)",
    "present": lambda values: "(objectClass=*)",
}


@given(
    NUMBERS,
    TEXTS,
    st.lists(VALUES, max_size=5),
    st.sampled_from(sorted(FILTERS)),
    st.sampled_from(["BASE", "SUBTREE"]),
)
def test_a_search_is_the_one_that_ldap3_encodes(
    number: int, base: str, values: list[str], shape: str, scope: str
) -> None:
    where = FILTERS[shape]([escape_filter_chars(value) for value in values])
    made = messages.search_request(number, base, where, scope, ATTRIBUTES)
    assert made == encoded(number, "searchRequest", search(base, where, scope))


@given(NUMBERS, ASCII, ASCII)
def test_a_simple_bind_is_the_one_that_ldap3_encodes(number: int, name: str, password: str) -> None:
    made = messages.simple_bind_request(number, name, password)
    assert made == encoded(number, "bindRequest", bind_operation(3, ldap3.SIMPLE, name, password))


@given(NUMBERS, st.binary(max_size=3000))
def test_a_sasl_bind_is_the_one_that_ldap3_encodes(number: int, token: bytes) -> None:
    made = messages.sasl_bind_request(number, "GSSAPI", token)
    assert made == encoded(number, "bindRequest", bind_operation(3, ldap3.SASL, "", None, "GSSAPI", token))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_answer_are_a_value_error_and_nothing_else(data: bytes) -> None:
    answer = messages.Answer()
    for message in (data, b"\x30" + bytes([len(data) & 0x7F]) + data):
        with suppress(ValueError):
            messages.take(message, 1, answer)


def long_lengths(tag: int, *parts: bytes) -> bytes:
    """A value whose length takes four bytes, as Active Directory writes all of them."""
    content = b"".join(parts)
    return bytes((tag, 0x84)) + len(content).to_bytes(4, "big") + content


ENCODERS = st.sampled_from([der.encode, long_lengths])
NAMES = st.sampled_from(["cn", "memberOf", "objectSid", "member;range=0-1499"])
URIS = st.lists(TEXTS, min_size=1, max_size=3)


def read(message: bytes, number: int) -> tuple[messages.Answer, bool]:
    answer = messages.Answer()
    return answer, messages.take(message, number, answer)


@given(NUMBERS, TEXTS, st.dictionaries(NAMES, st.lists(st.binary(max_size=300), max_size=4)), ENCODERS)
def test_an_entry_is_read_as_ldap3_reads_it(
    number: int, dn: str, attributes: dict[str, list[bytes]], write: Callable[..., bytes]
) -> None:
    octets = [
        write(der.SEQUENCE, write(0x04, name.encode()), write(0x31, *(write(0x04, value) for value in values)))
        for name, values in attributes.items()
    ]
    entry = write(0x64, write(0x04, dn.encode()), write(der.SEQUENCE, *octets))
    message = write(der.SEQUENCE, der.integer(number), entry)
    answer, whole = read(message, number)
    (found,) = answer.entries
    name, listed = decode_message_fast(message)["payload"]
    assert not whole
    assert found.dn == name[3].decode()
    assert found.attributes == {
        name[3].decode().lower(): tuple(value[3] for value in values[3])
        for name, values in (part[3] for part in listed[3])
    }


@given(
    NUMBERS,
    st.sampled_from([0x61, 0x65, 0x78]),
    st.integers(0, 200),
    TEXTS,
    st.none() | URIS,
    st.none() | st.binary(max_size=300),
    st.none() | st.binary(max_size=50),
    ENCODERS,
)
def test_a_result_is_read_as_ldap3_reads_it(
    number: int, kind: int, code: int, said: str, referred: list[str] | None, credentials: bytes | None,
    cookie: bytes | None, write: Callable[..., bytes],
) -> None:  # fmt: skip
    parts = [write(0x0A, der.integer(code)[2:]), write(0x04), write(0x04, said.encode())]
    if referred is not None and kind == 0x65:  # in other results ldap3 reads none
        parts.append(write(0xA3, *(write(0x04, uri.encode()) for uri in referred)))
    if credentials is not None and kind == 0x61:
        parts.append(write(0x87, credentials))
    message = [der.integer(number), write(kind, *parts)]
    if cookie is not None:
        paged = write(der.SEQUENCE, der.integer(0), write(0x04, cookie))
        message.append(write(0xA0, write(der.SEQUENCE, write(0x04, PAGED.encode()), write(0x04, paged))))
    encoded = write(der.SEQUENCE, *message)
    answer, whole = read(encoded, number)
    decoded = decode_message_fast(encoded)
    by_ldap3 = {place: part[3] for place, part in enumerate(decoded["payload"])}
    tagged = {part[2]: part[3] for part in decoded["payload"][3:]}
    assert whole
    assert answer.code == by_ldap3[0] == code
    assert answer.message == by_ldap3[2].decode() == said
    assert (
        answer.referrals == [uri[3].decode() for uri in tagged.get(3, ())] == (referred or [] if kind == 0x65 else [])
    )
    assert answer.sasl == tagged.get(7, b"")
    controls = dict(BaseStrategy.decode_control_fast(control[3]) for control in decoded["controls"] or ())
    assert answer.controls.keys() == {name.encode() for name in controls}
    if cookie is not None:
        assert cookie == controls[PAGED]["value"]["cookie"]
        assert answer.controls[PAGED.encode()].endswith(cookie)


@given(NUMBERS, URIS, ENCODERS)
def test_a_reference_is_read_as_ldap3_reads_it(number: int, uris: list[str], write: Callable[..., bytes]) -> None:
    message = write(der.SEQUENCE, der.integer(number), write(0x73, *(write(0x04, uri.encode()) for uri in uris)))
    answer, whole = read(message, number)
    assert not whole
    assert answer.referrals == [uri[3].decode() for uri in decode_message_fast(message)["payload"]] == uris


@given(TEXTS)
def test_a_value_is_escaped_as_ldap3_does_it(value: str) -> None:
    assert messages.escaped(value) == escape_filter_chars(value)
