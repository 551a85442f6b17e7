"""A journal: an Arrow IPC stream flushed at every batch, so that a killed process loses its last second at most.

A reader may follow a journal that is still being written, or that was cut in the middle of a batch: it yields what
is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

FLUSH_EVERY_S = 0.5
JOINED_AT_ONCE = 1000


class JournalWriter:
    """Writes batches of one schema to a new file; raises FileExistsError where there is one already."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._file = path.open("xb", buffering=0)
        self._writer = pa.ipc.new_stream(self._file, schema)

    def write(self, batch: Any) -> None:
        """Append a batch and hand it to the operating system at once."""
        self._writer.write_batch(batch)

    def close(self) -> None:
        """End the stream."""
        self._writer.close()
        self._file.close()


class JournalReader:
    """Follows a journal; ``new_batches`` gives what has become whole since the last call, ``each`` one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._schema: Any = None

    def new_batches(self) -> list[Any]:
        """The batches written since the last call; an incomplete one is left for the next."""
        return list(self.each())

    def each(self) -> Iterator[Any]:
        """The same without holding them all: hours of small batches take several times the memory of their rows."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        source = pa.BufferReader(data)
        begin = self._offset
        while True:
            try:
                message = pa.ipc.read_message(source)
            except (EOFError, pa.ArrowInvalid, OSError):
                break  # the end of the stream, or of what has been written whole
            if message.type == "schema":
                self._schema = pa.ipc.read_schema(message)
            self._offset = begin + source.tell()
            if message.type != "schema":
                yield pa.ipc.read_record_batch(message, self._schema)


def joined(batches: Iterable[Any], schema: Any) -> Any:
    """The rows of many small batches as a table of few large chunks."""
    rest, pieces = iter(batches), []
    while some := list(islice(rest, JOINED_AT_ONCE)):
        pieces.append(pa.Table.from_batches(some, schema).combine_chunks())
    return pa.concat_tables(pieces) if pieces else schema.empty_table()
