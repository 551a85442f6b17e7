"""DER (X.690) as far as a few messages need it: written by hand, read into a tree of tags and contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, BIT_STRING = 0x02, 0x03
UTC_TIME, GENERALIZED_TIME, GENERAL_STRING = 0x17, 0x18, 0x1B
SEQUENCE = 0x30


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
        at = 0
        while at < len(self.content):
            value, at = _value_at(self.content, at)
            yield value

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


def _value_at(data: bytes, at: int) -> tuple[Value, int]:
    """The value that begins there, and where the next one does."""
    if len(data) < at + 2:
        raise ValueError("cut off")
    length, begin = data[at + 1], at + 2
    if length == 0x80:
        raise ValueError("an indefinite length, which DER has none of")  # X.690 §10.1
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[at + 2 : begin], "big")
    if len(data) < begin + length:
        raise ValueError("cut off")
    return Value(data[at], data[begin : begin + length]), begin + length
