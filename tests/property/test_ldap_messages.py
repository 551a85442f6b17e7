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
from ldap3.utils.asn1 import encode
from ldap3.utils.conv import escape_filter_chars

from harness.login.ldap import messages

NUMBERS = st.integers(1, messages.MESSAGE_IDS)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
VALUES = TEXTS.filter(lambda text: text == text.strip())
"""ldap3 loses the spaces at the ends of a value; RFC 4515 §3 does not."""
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
ATTRIBUTES = ["cn", "memberOf"]


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
