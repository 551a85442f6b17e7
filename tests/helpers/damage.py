"""Ways to damage what a program reads: bits, stretches of bytes, fields of rows, values of documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

EXTREMES: tuple[Any, ...] = (
    0, -1, 1, 2, 7, 1e-9, 1e9, 1e308, -1e308, float("nan"), float("inf"), 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**300,
    -(10**300), 99_999_999, None, True, "", " ", "\x1b[31m", "x" * 100_000, "a" * 226, "0x10", "1e999", "nan", "~",
    "1970-04-01", "2255-01-01T00:00:00Z", [], {}, [[]], [{}], {"": None}, "[red]", "\u202e", "é" * 200, "../../etc",
)  # fmt: skip
TOKENS = (
    b"0", b"-1", b"1e308", b"nan", b"inf", b"99999999999999999999", b"1" * 300, b"1e-9", b"", b"\x00", b"\xff\xfe",
    b"\x1b[31m", b'"', b",", b"\n", b"\r", b"{", b"[" * 2000, b"9" * 5000, b"7776000000", b"9007199254740993000",
)  # fmt: skip


def flipped(rng: random.Random, data: bytes) -> bytes:
    """A bit or a few of them."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def rearranged(rng: random.Random, data: bytes) -> bytes:
    """A stretch cut off, left out, repeated, zeroed or put elsewhere."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if rng.random() < 0.5:
        end = min(end, start + rng.choice((1, 4, 64, 1000)))
    stretch = data[start:end]
    match rng.randrange(6):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + data[end:]
        case 2:
            return data[:end] + stretch + data[end:]
        case 3:
            return data[:start] + bytes(len(stretch)) + data[end:]
        case 4:
            return stretch + data[:start] + data[end:]
        case _:
            return data[end:]


def with_tokens(rng: random.Random, data: bytes) -> bytes:
    """Fields of lines replaced by others that no field should hold."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 20))):
        place = rng.randrange(len(lines))
        cells = lines[place].split(rng.choice((b",", b":", b" ", b"\t", b'"')))
        cells[rng.randrange(len(cells))] = rng.choice(TOKENS)
        lines[place] = rng.choice((b",", b":", b" ", b"\t", b'"')).join(cells)
    return b"\n".join(lines)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes, damaged in one way of several."""
    return rng.choice((flipped, rearranged, with_tokens))(rng, data)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key)
        yield from places(below, (*at, key))


def with_extremes(rng: random.Random, document: Any) -> Any:
    """A document with some of its values dropped, exchanged, or replaced by extremes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = list(places(document))
        if not found:
            break
        path = rng.choice(found)
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        match rng.randrange(8):
            case 0:
                del holder[path[-1]]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(("x", "name", 5, "\x1b[31m"))] = rng.choice(EXTREMES)
            case _:
                holder[path[-1]] = rng.choice(EXTREMES)
    return document
