"""Text that other programs wrote: unpacked and decoded by what it begins with, and read with its lines.

1. A file is what its first bytes say, whatever its name: gzip is unpacked, UTF-16 with its byte order mark (as
   PowerShell's ``>`` writes it) is decoded, a byte order mark of UTF-8 is dropped. Other packings are named.
2. Lines are counted from 1, as an editor counts them, and only once something is wrong.
3. Nothing that is quoted from a file is longer than a line can bear.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Never

from harness.errors import AuthgateError, ConfigError, one_line

SHOWN_AT_MOST = 60
"""Characters of a value that an error quotes."""
SHOWN_OF_LINE = 200
"""Characters of a header, or of what a library says."""
_HEAD_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32_LE = codecs.BOM_UTF32_LE  # begins as UTF-16's does
_OTHERS = (
    (b"PK\x03\x04", "a zip archive: unpack it"),
    (b"\xfd7zXZ\x00", "a file packed by xz: unpack it"),
    (b"BZh", "a file packed by bzip2: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd: unpack it"),
    (b"PAR1", "Parquet: write CSV"),
    (_UTF32_LE, "text in UTF-32: write it as UTF-8"),
    (codecs.BOM_UTF32_BE, "text in UTF-32: write it as UTF-8"),
)


def clipped(text: str, most: int = SHOWN_AT_MOST) -> str:
    """A text from a file on one line, cut to what a message can bear."""
    return one_line(text[: most + 1])[:most]


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._ready = chunk
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    with file, gzip.GzipFile(fileobj=file) as packed:
        try:
            while chunk := packed.read(_CHUNK_BYTES):
                yield chunk
        except zlib.error as error:
            raise OSError(f"gzip damaged: {error}") from None


def _in_utf8(file: IO[bytes]) -> Iterator[bytes]:
    """A stream of UTF-16 as one of UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    with file:
        while True:
            raw = file.read(_CHUNK_BYTES)
            try:
                yield decoder.decode(raw, final=not raw).encode()
            except UnicodeDecodeError as error:
                raise OSError(f"UTF-16 damaged: {error.reason}") from None
            if not raw:
                return


def opened(path: Path) -> IO[bytes]:
    """A file's text as bytes of UTF-8 without a byte order mark (rule 1); raises ConfigError.

    What is neither UTF-8 nor UTF-16 is given as it is. A damaged file raises OSError or EOFError while it is read.
    """
    try:
        file = path.open("rb")
        if path.suffix == ".gz" or file.peek(len(_GZIP)).startswith(_GZIP):
            file = io.BufferedReader(_Chunks(_unpacked(file)))
        begin = file.peek(8)[:8]
    except (OSError, EOFError) as error:
        unreadable(path, error)
    for magic, what in _OTHERS:
        if begin.startswith(magic):
            raise ConfigError(f"{path}: expected text, got {what}")
    if begin.startswith(_UTF16):
        return io.BufferedReader(_Chunks(_in_utf8(file)))
    if b"\0" in begin[:4]:
        raise ConfigError(f"{path}:1: expected text in UTF-8, got bytes of zero: UTF-16 needs its byte order mark")
    if begin.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    return file


def unreadable(path: Path, error: Exception) -> Never:
    """Say why a file can't be read."""
    why = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"{path}: expected a readable file, got: {clipped(why, SHOWN_OF_LINE)}") from None


def head(path: Path) -> str:
    """The first 64 KiB of a file as text, whatever is in it; raises ConfigError."""
    try:
        with opened(path) as file:
            return file.read(_HEAD_BYTES).decode("utf-8", errors="replace").lstrip("\r\n")
    except (OSError, EOFError) as error:
        unreadable(path, error)


def csv_header(path: Path) -> tuple[list[str], str]:
    """The names in a CSV file's header, and what stands between them."""
    first = head(path).partition("\n")[0].rstrip("\r")
    delimiter = max(",;\t|", key=first.count)
    try:
        return next(csv.reader([first], delimiter=delimiter), []), delimiter
    except csv.Error:  # a lone carriage return, say
        return [], delimiter


def csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, int]]:
    """The line on which each row begins, the header's first, and its number of fields; empty lines are no rows.

    A row with a field too long to be one has no fields, and is the last that is found.
    """
    with opened(path) as file:
        text = (line.decode("utf-8", errors="replace") for line in file)
        reader = csv.reader(text, delimiter=delimiter)
        line = 1
        try:
            for fields in reader:
                if fields:
                    yield line, len(fields)
                line = reader.line_num + 1
        except csv.Error:
            yield line, 0


def csv_line(path: Path, delimiter: str, row: int) -> int:
    """The line on which a row (from 0, the header not counted) begins."""
    return next(islice((line for line, _ in csv_rows(path, delimiter)), row + 1, None), row + 2)


def why_not_csv(path: Path, delimiter: str, header: Sequence[str], error: str) -> str:
    """``line: what was expected there`` of a file that could not be read as CSV with this header."""
    if (line := line_not_utf8(path)) is not None:
        return f"{line}: expected text in UTF-8"
    for line, count in csv_rows(path, delimiter):
        if not count:
            return f"{line}: expected fields of at most {csv.field_size_limit():,} characters"
        if count != len(header):
            return f"{line}: expected the header's {len(header)} columns, got {count}"
    return f"1: expected CSV, got: {clipped(error, SHOWN_OF_LINE)}"


def line_not_utf8(path: Path) -> int | None:
    """The first line that is no UTF-8, if there is one."""
    with opened(path) as file:
        for line, raw in enumerate(file, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                return line
    return None


def strict_rows(
    raw: bytes, source: str, delimiter: str = ",", error: Callable[[str], AuthgateError] = ConfigError
) -> list[tuple[int, list[str]]]:
    """The rows of a short CSV with the line of each, where a line is a row; empty lines are none.

    UTF-8 or UTF-16 with its mark. For files of secrets: no message quotes the content, and a quote that is not closed
    on its own line is an error there, where a lenient reader takes the lines that follow for a part of the field.
    Raises ``error``.
    """
    encoding = "utf-16" if raw.startswith(_UTF16) and not raw.startswith(_UTF32_LE) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as bad:
        line = raw[: bad.start].count(b"\n") + 1
        raise error(f"{source}:{line}: expected text in UTF-8") from None
    rows = []
    for line, content in enumerate(io.StringIO(text, newline=None), 1):
        if "\0" in content:
            raise error(f"{source}:{line}: expected text in UTF-8, got a byte of zero") from None
        try:
            fields = next(csv.reader([content.rstrip("\n")], delimiter=delimiter, strict=True), [])
        except csv.Error:
            raise error(
                f"{source}:{line}: expected quotes around a whole field, closed on its own line and doubled within"
            ) from None
        if fields:
            rows.append((line, fields))
    return rows
