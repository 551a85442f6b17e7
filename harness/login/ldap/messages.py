"""LDAP's messages (RFC 4511): requests by ldap3, encoded once a shape and patched; answers read in place.

Encoding by pyasn1 takes half of what a login costs, for messages that differ in some values of known length. So a
request is encoded twice with values of the right lengths; where the two differ is where the values belong. Answers are
read value by value, without a tree of all of them. Property tests hold both against ldap3's own encoding and decoding.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ldap3
from ldap3.operation.bind import bind_operation, validate_simple_password
from ldap3.operation.extended import extended_operation
from ldap3.operation.search import search_operation
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import encode

from harness.login.net import der

MESSAGE_IDS = 127
"""Message identifiers that take one byte; no login sends as many requests."""
_BIND_DONE, _ENTRY, _SEARCH_DONE, _REFERENCE, _EXTENDED_DONE = b"\x61", b"\x64", b"\x65", b"\x73", b"\x78"
_RESULTS = (_BIND_DONE, _SEARCH_DONE, _EXTENDED_DONE)
_REFERRAL, _SASL_CREDENTIALS = der.context(3), der.context_simple(7)
"""Parts of an LDAPResult (RFC 4511 §4.1.9, §4.2.2)."""
_ASSERTION = re.compile(r"\(([^()=]*=)([^()]*)\)")
_ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2})")
_SPECIAL = str.maketrans({char: f"\\{ord(char):02x}" for char in "\\*()\0"})


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the directory; attributes by their names in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


@dataclass(slots=True)
class Answer:
    """The messages that answered one request, up to its result."""

    code: int = -1
    entries: list[Entry] = field(default_factory=list)
    referrals: list[str] = field(default_factory=list)
    sasl: bytes = b""
    message: str = ""
    """The diagnostic message."""
    controls: Mapping[bytes, bytes] = field(default_factory=dict)
    """Values by names."""


def escaped(value: str) -> str:
    """The value as it stands in a filter (RFC 4515 §3)."""
    return value.translate(_SPECIAL)


def search_request(
    number: int, base: str, where: str, scope: str, attributes: Sequence[str], controls: Sequence[Any] = ()
) -> bytes:
    """A SearchRequest; ``where`` is a filter (RFC 4515) whose values are escaped."""
    values = [base.encode()]
    shape = []
    end = 0
    for found in _ASSERTION.finditer(where):
        if "*" in found[2]:  # presence or substrings: part of the filter's shape
            continue
        value = found[2].encode()
        if b"\\" in value:
            value = _ESCAPED.sub(lambda code: bytes([int(code[1], 16)]), value)
        values.append(value)
        shape.append(where[end : found.start(2)])
        end = found.end(2)
    if controls:
        return _encoded(number, "searchRequest", _search(base, where, scope, attributes), controls)
    template = _search_template((*shape, where[end:]), scope, tuple(attributes), tuple(map(len, values)))
    return template.filled(number, values)


def simple_bind_request(number: int, name: str, password: str) -> bytes:
    """A simple BindRequest; the password as RFC 4513 §5.1.3 prepares it."""
    prepared = validate_simple_password(password)
    secret = prepared if isinstance(prepared, bytes) else prepared.encode()
    values = [name.encode(), secret]
    return _simple_template(tuple(map(len, values))).filled(number, values)


def sasl_bind_request(number: int, mechanism: str, token: bytes) -> bytes:
    """A SASL BindRequest."""
    return _sasl_template(mechanism, len(token)).filled(number, [token])


def extended_request(number: int, name: str) -> bytes:
    """An ExtendedRequest without a value."""
    return _encoded(number, "extendedReq", extended_operation(name))


def take(message: bytes, number: int, answer: Answer) -> bool:
    """Add a message to the answer; whether it was the result, after which no more come.

    Raises ValueError for what is no answer to request ``number``.
    """
    at, end = der.span(message, 0, len(message), der.SEQUENCE)
    answered, at = der.number(message, at, end)
    if answered != number:
        raise ValueError(f"message {answered}, asked was {number}")
    kind = message[at : at + 1]
    at, stop = der.span(message, at, end)
    if kind == _ENTRY:
        answer.entries.append(_entry(message, at, stop))
        return False
    if kind == _REFERENCE:
        answer.referrals += _uris(message[at:stop])
        return False
    if kind not in _RESULTS:
        raise ValueError(f"operation {kind.hex()}")
    answer.code, at = der.number(message, at, stop, der.ENUMERATED)
    _, at = der.span(message, at, stop, der.OCTET_STRING)
    begin, at = der.span(message, at, stop, der.OCTET_STRING)
    answer.message = message[begin:at].decode(errors="replace")
    for more in der.values(message[at:stop]):
        if more.tag == _REFERRAL:
            answer.referrals += _uris(more.content)
        elif more.tag == _SASL_CREDENTIALS and kind == _BIND_DONE:
            answer.sasl = more.content
    for controls in der.values(message[stop:end]):
        answer.controls = _controls(controls)
    return True


def _entry(message: bytes, at: int, end: int) -> Entry:
    """The entry between these places (RFC 4511 §4.5.2)."""
    begin, at = der.span(message, at, end, der.OCTET_STRING)
    dn = message[begin:at].decode()
    at, end = der.span(message, at, end, der.SEQUENCE)
    attributes = {}
    while at < end:
        begin, at = der.span(message, at, end, der.SEQUENCE)
        begin, stop = der.span(message, begin, at, der.OCTET_STRING)
        name = message[begin:stop].decode().lower()
        begin, stop = der.span(message, stop, at, der.SET)
        values = []
        while begin < stop:
            first, begin = der.span(message, begin, stop, der.OCTET_STRING)
            values.append(message[first:begin])
        attributes[name] = tuple(values)
    return Entry(dn, attributes)


def _uris(encoded: bytes) -> list[str]:
    return [uri.content.decode(errors="replace") for uri in der.values(encoded)]


def _controls(encoded: der.Value) -> dict[bytes, bytes]:
    """The controls' values by their names, empty ones of those without (RFC 4511 §4.1.11)."""
    found = {}
    for control in encoded.parts():
        name, *rest = control.parts()
        found[name.content] = rest[-1].content if rest and rest[-1].tag == der.OCTET_STRING else b""
    return found


def _encoded(number: int, kind: str, operation: Any, controls: Sequence[Any] = ()) -> bytes:
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    message["protocolOp"] = ProtocolOp().setComponentByName(kind, operation)
    if controls:
        message["controls"] = controls[0] if len(controls) == 1 else controls
    return bytes(encode(message))


@dataclass(frozen=True, slots=True)
class _Template:
    """An encoded request with the places of its message identifier and of its values."""

    encoded: bytes
    number_at: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, kind: str, make: Callable[[list[str]], Any], lengths: Sequence[int]) -> _Template:
        """The template of requests whose values have these lengths; ``make`` makes ldap3's operation of texts."""
        one, other = (_encoded(1, kind, make([letter * length for length in lengths])) for letter in "ab")
        runs = list(_runs(one, other))
        if [length for _, length in runs] != [length for length in lengths if length]:
            raise AssertionError("expected each value once in the encoded request")
        starts = iter(start for start, _ in runs)
        # An identifier of 1 byte stands behind the outer tag and length, and its own.
        number_at = 2 + (one[1] & 0x7F if one[1] & 0x80 else 0) + 2
        return cls(one, number_at, tuple(next(starts) if length else 0 for length in lengths))

    def filled(self, number: int, values: Sequence[bytes]) -> bytes:
        """The request with this message identifier and these values."""
        if not 0 < number <= MESSAGE_IDS:
            raise ValueError(f"message identifier: expected 1 to {MESSAGE_IDS}, got {number}")
        made = bytearray(self.encoded)
        made[self.number_at] = number
        for place, value in zip(self.places, values, strict=True):
            if value:
                made[place : place + len(value)] = value
        return bytes(made)


def _runs(one: bytes, other: bytes) -> Iterator[tuple[int, int]]:
    """Where the two differ: the start and the length of each run."""
    start = None
    for place, (left, right) in enumerate(zip(one, other, strict=True)):
        if left != right and start is None:
            start = place
        elif left == right and start is not None:
            yield start, place - start
            start = None
    if start is not None:
        yield start, len(one) - start


def _search(base: str, where: str, scope: str, attributes: Sequence[str]) -> Any:
    return search_operation(
        base, where, scope, ldap3.DEREF_ALWAYS, list(attributes), 0, 0, False, auto_escape=True, auto_encode=False
    )


@functools.lru_cache(maxsize=4096)
def _search_template(
    shape: tuple[str, ...], scope: str, attributes: tuple[str, ...], lengths: tuple[int, ...]
) -> _Template:
    def make(values: list[str]) -> Any:
        base, *asserted = values
        where = "".join(text + value for text, value in zip(shape, [*asserted, ""], strict=True))
        return _search(base, where, scope, attributes)

    return _Template.of("searchRequest", make, lengths)


@functools.lru_cache(maxsize=256)
def _simple_template(lengths: tuple[int, ...]) -> _Template:
    return _Template.of("bindRequest", lambda it: bind_operation(3, ldap3.SIMPLE, it[0], it[1]), lengths)


@functools.lru_cache(maxsize=1024)
def _sasl_template(mechanism: str, length: int) -> _Template:
    return _Template.of(
        "bindRequest", lambda it: bind_operation(3, ldap3.SASL, "", None, mechanism, it[0].encode()), (length,)
    )
