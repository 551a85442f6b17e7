"""LDAP's messages (RFC 4511) by ldap3: requests encoded once a shape and patched, answers read by its fast decoder.

Encoding by pyasn1 takes half of what a login costs, for messages that differ in some values of known length. So a
request is encoded twice with values of the right lengths; where the two differ is where the values belong. A property
test holds the result against ldap3's own encoding.
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
from ldap3.utils.asn1 import decode_message_fast, encode

MESSAGE_IDS = 127
"""Message identifiers that take one byte; no login sends as many requests."""
_BIND_DONE, _ENTRY, _SEARCH_DONE, _REFERENCE, _EXTENDED_DONE = 1, 4, 5, 19, 24
_REFERRAL, _SASL_CREDENTIALS = 3, 7
"""Context tags of an LDAPResult (RFC 4511 §4.1.9, §4.2.2)."""
_CONTEXT = 2
NO_MESSAGE = (LookupError, TypeError, AttributeError, RecursionError, OverflowError, ValueError)
"""What ldap3's decoder, and a reader of what it decodes, raise of bytes that are none."""
_ASSERTION = re.compile(r"\(([^()=]*=)([^()]*)\)")
_ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2})")


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
    controls: Any = None


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
        values.append(_ESCAPED.sub(lambda code: bytes([int(code[1], 16)]), found[2].encode()))
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
    try:
        decoded = decode_message_fast(message)
        kind, payload = decoded["protocolOp"], decoded["payload"]
        if decoded["messageID"] != number:
            raise ValueError(f"message {decoded['messageID']}, asked was {number}")
        if kind == _ENTRY:
            answer.entries.append(_entry(payload))
            return False
        if kind == _REFERENCE:
            answer.referrals += [uri[3].decode(errors="replace") for uri in payload]
            return False
        if kind not in (_BIND_DONE, _SEARCH_DONE, _EXTENDED_DONE):
            raise ValueError(f"operation {kind}")
        answer.code = int(payload[0][3])
        answer.message = bytes(payload[2][3]).decode(errors="replace")
        for kind_of_tag, _, tag, value in payload[3:]:
            if kind_of_tag == _CONTEXT and tag == _REFERRAL:
                answer.referrals += [uri[3].decode(errors="replace") for uri in value]
            elif kind_of_tag == _CONTEXT and tag == _SASL_CREDENTIALS and kind == _BIND_DONE:
                answer.sasl = bytes(value)
        answer.controls = decoded["controls"]
        return True
    except NO_MESSAGE as error:
        raise ValueError(f"no LDAP message: {type(error).__name__}") from None


def _entry(payload: Any) -> Entry:
    attributes = {name[3].decode().lower(): tuple(map(bytes, (value[3] for value in values[3])))
                  for name, values in (part[3] for part in payload[1][3])}  # fmt: skip
    return Entry(payload[0][3].decode(), attributes)


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
