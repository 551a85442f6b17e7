"""DER (X.690) as far as a few messages need it: written by hand, read into a tree of tags and contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, ENUMERATED = 0x02, 0x03, 0x04, 0x0A
UTC_TIME, GENERALIZED_TIME, GENERAL_STRING = 0x17, 0x18, 0x1B
SEQUENCE, SET = 0x30, 0x31


def application(number: int) -> int:
    """The tag of a constructed application type."""
    return 0x60 | number


def context(number: int) -> int:
    """The tag of an explicitly tagged field."""
    return 0xA0 | number


def context_simple(number: int) -> int:
    """The tag of an implicitly tagged field that has no parts."""
    return 0x80 | number


def encode(tag: int, *parts: bytes) -> bytes:
    """A value of these parts."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its tag and its content, which a constructed one's parts are in."""

    tag: int
    content: bytes

    def parts(self) -> Iterator[Value]:
        """The values inside; raises ValueError where the content is cut off."""
        return values(self.content)

    def part(self, tag: int) -> Value | None:
        """The first value of this tag inside."""
        return next((value for value in self.parts() if value.tag == tag), None)

    def field(self, number: int) -> Value:
        """What an explicitly tagged field holds; raises ValueError where there is none."""
        tagged = self.part(context(number))
        if tagged is None:
            raise ValueError(f"no field {number}")
        return decode(tagged.content)

    def number(self) -> int:
        """The value of an INTEGER."""
        return int.from_bytes(self.content, "big", signed=True)


def decode(data: bytes) -> Value:
    """The value at the beginning of the data; raises ValueError."""
    return _value_at(data, 0)[0]


def values(data: bytes) -> Iterator[Value]:
    """The values in the data, one after the other; raises ValueError where they are cut off."""
    at = 0
    while at < len(data):
        value, at = _value_at(data, at)
        yield value


def _value_at(data: bytes, at: int) -> tuple[Value, int]:
    """The value that begins there, and where the next one does."""
    begin, stop = span(data, at, len(data))
    return Value(data[at], data[begin:stop]), stop


def span(data: bytes, at: int, end: int, tag: int | None = None) -> tuple[int, int]:
    """Where the content of the value at ``at`` begins and where it stops, which is before ``end``.

    For readers of many values, who need no tree of them; of BER it reads all whose lengths are definite. Raises
    ValueError where the value is cut off, or not of the ``tag`` that is expected.
    """
    if end < at + 2:
        raise ValueError("cut off")
    if tag is not None and data[at] != tag:
        raise ValueError(f"expected tag {tag:#04x}, got {data[at]:#04x}")
    length, begin = data[at + 1], at + 2
    if length & 0x80:
        if length == 0x80:
            raise ValueError("an indefinite length, which DER has none of")  # X.690 §10.1
        begin += length & 0x7F
        length = int.from_bytes(data[at + 2 : begin], "big")
    stop = begin + length
    if stop > end:
        raise ValueError("cut off")
    return begin, stop


def number(data: bytes, at: int, end: int, tag: int = INTEGER) -> tuple[int, int]:
    """The number that begins at ``at``, and where it stops; raises ValueError as ``span`` does."""
    begin, stop = span(data, at, end, tag)
    if begin == stop:
        raise ValueError("a number of no bytes")
    return int.from_bytes(data[begin:stop], "big", signed=True), stop
