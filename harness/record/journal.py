"""A journal: what a worker measures, flushed at every batch, so that a killed process loses its last second at most.

A file of records, one after the other. Each has a head of 20 bytes, little-endian: ``FF 41 4A 01``, the record's number
(from 0), the length of what follows, its CRC-32 (zlib's), and the CRC-32 of these 16 bytes. Record 0 holds the Arrow
schema, each later one a record batch, both as encapsulated IPC messages.

1. No byte reaches Arrow whose checksum is wrong, and no batch leaves here that Arrow's own full validation refuses.
2. A damaged record costs what it held and nothing else: the next sound head is looked for, and ``damage`` says so.
3. A reader may follow a journal that is still being written, or that was cut: it yields what is whole.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from harness.record.schema import as_now

FLUSH_EVERY_S = 0.5
JOINED_AT_ONCE = 1000
MAGIC = b"\xffAJ\x01"
LARGEST = 1 << 28
"""Bytes of a record at most: a second of logins takes some hundred thousand."""
_FIELDS = struct.Struct("<4sIII")
_CHECK = struct.Struct("<I")
HEAD = _FIELDS.size + _CHECK.size
_WINDOW = 1 << 20
_REFUSED = (pa.ArrowException, ValueError, TypeError, OSError)
"""What Arrow raises for bytes that are no message, or none of this schema."""
DAMAGE_AT_MOST = 20
"""Places that are told one by one."""


class JournalWriter:
    """Writes batches of one schema to a new file; raises FileExistsError where there is one already."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._file = path.open("xb", buffering=0)
        self._number = 0
        self._record(schema.serialize())

    def write(self, batch: Any) -> None:
        """Append a batch and hand it to the operating system at once."""
        self._record(batch.serialize())

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _record(self, payload: Any) -> None:
        body = payload.to_pybytes()
        fields = _FIELDS.pack(MAGIC, self._number, len(body), zlib.crc32(body))
        left = memoryview(fields + _CHECK.pack(zlib.crc32(fields)) + body)
        while left:  # a disk that is nearly full takes a part
            left = left[self._file.write(left) :]
        self._number += 1


class JournalReader:
    """Follows a journal; ``new_batches`` gives what has become whole since the last call, with the schema's columns.

    The journal may be of an older version, whose columns were others (see ``as_now``). One that is not ``framed`` is an
    Arrow IPC stream, as journals were in format 1 of a run's folder; it is read once.
    """

    def __init__(self, path: Path, schema: Any, framed: bool = True) -> None:
        self._path = path
        self._schema = self._own = schema
        self._framed = framed
        self._offset = 0
        self._next = 0
        self._damage: list[str] = []

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far and is left out, a sentence a place; a tail that is not yet whole is none."""
        shown = self._damage[:DAMAGE_AT_MOST]
        more = len(self._damage) - len(shown)
        return (*shown, *([f"{self._path.name}: and {more:,} more"] if more else []))

    def new_batches(self) -> list[Any]:
        """The batches written since the last call; an incomplete one is left for the next."""
        return list(self.each())

    def each(self) -> Iterator[Any]:
        """The same without holding them all: hours of small batches take several times the memory of their rows."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            if not self._framed:
                yield from self._stream(file)
                return
            while (record := self._record(file)) is not None:
                number, body = record
                if (batch := self._batch(number, body)) is not None:
                    yield batch

    def _record(self, file: IO[bytes]) -> tuple[int, bytes] | None:
        """The next record whose checksums are right; None at the end of what is whole."""
        while True:
            file.seek(self._offset)
            head = _head(file.read(HEAD))
            if head is None:
                if (following := _sound_head_after(file, self._offset)) is None:
                    return None
                place, number = following
                self._lose(f"{place - self._offset:,} bytes from byte {self._offset:,} on are no record")
                self._offset, self._next = place, max(self._next, number)
                continue
            number, length, check = head
            body = file.read(length)
            if len(body) < length:
                return None
            if zlib.crc32(body) != check:
                # Its length may be that of what was there before something was cut out of it.
                following = _sound_head_after(file, self._offset)
                self._lose(f"batch {number} does not match its checksum")
                self._offset, self._next = following or (self._offset + HEAD + length, number + 1)
                continue
            self._offset += HEAD + length
            if number < self._next:
                self._lose(f"batch {number} is there again")
                continue
            if number > self._next:
                self._lose(f"{number - self._next} of its batches before batch {number} are not there")
            self._next = number + 1
            return number, body

    def _batch(self, number: int, body: bytes) -> Any:
        """The batch of a record; None of the schema's, and of one that Arrow refuses."""
        try:
            if number == 0:
                self._own = pa.ipc.read_schema(pa.py_buffer(body))
                return None
            return self._checked(pa.ipc.read_record_batch(pa.py_buffer(body), self._own))
        except _REFUSED as error:
            self._lose(f"batch {number} is none of this journal's: {type(error).__name__}")
            return None

    def _checked(self, batch: Any) -> Any:
        batch.validate(full=True)
        return as_now(batch, self._schema)

    def _stream(self, file: IO[bytes]) -> Iterator[Any]:
        """The batches of an Arrow IPC stream that is whole or was cut."""
        file.seek(self._offset)
        source = pa.BufferReader(file.read())
        self._offset = file.tell()
        while True:
            try:
                message = pa.ipc.read_message(source)
                if message.type == "schema":
                    self._own = pa.ipc.read_schema(message)
                    continue
                batch = self._checked(pa.ipc.read_record_batch(message, self._own))
            except (EOFError, *_REFUSED):
                return
            yield batch

    def _lose(self, what: str) -> None:
        self._damage.append(f"{self._path.name}: {what}")


def _head(raw: bytes) -> tuple[int, int, int] | None:
    """Number, length and checksum of a record; None where that is no sound head."""
    if len(raw) < HEAD or zlib.crc32(raw[: _FIELDS.size]) != _CHECK.unpack_from(raw, _FIELDS.size)[0]:
        return None
    magic, number, length, check = _FIELDS.unpack_from(raw)
    return (number, length, check) if magic == MAGIC and length <= LARGEST else None


def _sound_head_after(file: IO[bytes], offset: int) -> tuple[int, int] | None:
    """Where the next sound head begins behind this place, and its record's number."""
    at = offset + 1
    while True:
        file.seek(at)
        window = file.read(_WINDOW)
        place = window.find(MAGIC)
        while place >= 0:
            file.seek(at + place)
            if (head := _head(file.read(HEAD))) is not None:
                return at + place, head[0]
            place = window.find(MAGIC, place + 1)
        if len(window) < _WINDOW:
            return None
        at += _WINDOW - len(MAGIC) + 1


def joined(batches: Iterable[Any], schema: Any) -> Any:
    """The rows of many small batches as a table of few large chunks."""
    rest, pieces = iter(batches), []
    while some := list(islice(rest, JOINED_AT_ONCE)):
        pieces.append(pa.Table.from_batches(some, schema).combine_chunks())
    return pa.concat_tables(pieces) if pieces else schema.empty_table()
