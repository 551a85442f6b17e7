"""Text columns of another tool's file as numbers, instants and flags; what can't be used is named by line and column.

Rows that don't matter (k6 writes eight metrics a request) are dropped while the file is streamed, so that a million of
them take some seconds and little memory; lines are counted only once something is wrong.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Never, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from harness.errors import ConfigError, one_line
from harness.model.attempt import Floats, Ints
from harness.model.plan import NS

Flags = npt.NDArray[np.bool_]
_BATCH_BYTES = 1 << 24
_SHOWN_AT_MOST = 60
_UNITS = (("s", 9e9), ("ms", 9e12), ("us", 9e15), ("ns", 9e18))
"""Units of an epoch time and below which value each is meant: seconds reach the year 2255, and so do the others."""
_NS_IN = {"s": NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DATE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$"
_TRUE, _FALSE = ("true", "1"), ("false", "0")
INSTANT = "a time in s, ms, µs or ns since 1970, or as 2026-01-31T08:00:00Z"


@dataclass(frozen=True, slots=True)
class Columns:
    """A file's columns by name, of one length, and ``line_of``: the line on which a row (from 0) stands."""

    path: Path
    by_name: Mapping[str, Any]
    line_of: Callable[[int], int]

    def __len__(self) -> int:
        return len(next(iter(self.by_name.values())))

    def text(self, name: str) -> Any:
        """A column as text, empty where the file holds nothing."""
        return pc.fill_null(self.by_name[name], "")

    def numbers(self, name: str, expected: str) -> Floats:
        """A column of finite numbers of 0 or more; raises ConfigError."""
        column = self.by_name[name]
        try:
            values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            self.refuse(~_matches(column, _NUMBER), name, expected)
            raise
        self.refuse(~(np.isfinite(values) & (values >= 0)), name, expected)
        return values

    def flags(self, name: str) -> Flags:
        """A column of true and false, whatever their case; raises ConfigError."""
        codes = pc.index_in(pc.utf8_lower(self.text(name)), value_set=pa.array((*_TRUE, *_FALSE)))
        self.refuse(codes.is_null().to_numpy(zero_copy_only=False), name, "true or false")
        return np.asarray(codes.to_numpy(zero_copy_only=False)) < len(_TRUE)

    def instants(self, name: str) -> tuple[Ints, float]:
        """A column of instants in ns since 1970, and their resolution in s; raises ConfigError.

        A date without a zone is taken as UTC: what matters is that both files keep one clock.
        """
        column = pc.replace_substring(self.text(name), "/", "-")
        epochs = _matches(column, r"^\d+(\.\d+)?$")
        self.refuse(~(epochs | _matches(column, _DATE)), name, INSTANT)
        self.refuse(epochs != epochs[0], name, "a time as in the rows before")
        if epochs[0]:
            return self._epochs(name, column)
        zoned = pc.match_substring_regex(column, r"(Z|[+-]\d\d:?\d\d)$")
        column = pc.if_else(zoned, column, pc.binary_join_element_wise(column, "Z", ""))
        try:
            found = pc.cast(column, pa.timestamp("ns", "UTC"))
        except pa.ArrowInvalid:
            bad = np.array([_no_date(text) for text in column])
            self.refuse(bad, name, INSTANT)
            raise
        ns = np.asarray(pc.cast(found, pa.int64()).to_numpy(zero_copy_only=False))
        return ns, 1.0 if (ns % NS == 0).all() else 1e-3

    def _epochs(self, name: str, column: Any) -> tuple[Ints, float]:
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
        unit = np.searchsorted([limit for _, limit in _UNITS], values, side="right")
        self.refuse(unit >= len(_UNITS), name, INSTANT)
        self.refuse(unit != unit[0], name, f"a time in {_UNITS[int(unit[0])][0]} as in the rows before")
        scale = _NS_IN[_UNITS[int(unit[0])][0]]
        whole = not pc.any(pc.match_substring(column, ".")).as_py()
        if whole:
            ns = np.asarray(pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False)) * scale
        else:
            ns = np.rint(values * scale).astype(np.int64)
        return ns, 1.0 if whole and scale == NS else 1e-3

    def refuse_none(self) -> None:
        """Raise ConfigError where there is no row at all."""
        if not len(self):
            raise ConfigError(f"{self.path}: expected samples, got none")

    def refuse(self, bad: Flags, name: str, expected: str) -> None:
        """Raise ConfigError for the first bad row, if there is one."""
        if bad.any():
            row = int(np.argmax(bad))
            value = self.by_name[name][row].as_py()
            found = "" if value is None else one_line(str(value))[:_SHOWN_AT_MOST]
            raise ConfigError(f'{self.path}:{self.line_of(row)}: {name}: expected {expected}, got "{found}"')


def _matches(column: Any, pattern: str) -> Flags:
    found = pc.fill_null(pc.match_substring_regex(pc.cast(column, pa.string()), pattern), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _no_date(text: Any) -> bool:
    try:
        pc.cast(text, pa.timestamp("ns", "UTC"))
    except pa.ArrowInvalid:
        return True
    return False


def opened(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked where its name ends in ``.gz``; raises ConfigError."""
    try:
        return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
    except OSError as error:
        unreadable(path, error)


def unreadable(path: Path, error: Exception) -> Never:
    """Say why a file can't be read."""
    why = getattr(error, "strerror", None) or one_line(str(error))
    raise ConfigError(f"{path}: expected a readable file, got: {why}") from None


def read_csv(
    path: Path, needed: Sequence[str], wished: Sequence[str] = (), keep: tuple[str, Sequence[str]] | None = None
) -> Columns:
    """Columns of a CSV file as text: all that are ``needed``, and those ``wished`` for that it has.

    ``keep`` names a column and its values that matter; rows with others are dropped. The delimiter is the header's
    own (JMeter's can be configured). Raises ConfigError with file and line.
    """
    header, delimiter = csv_header(path)
    missing = [name for name in needed if name not in header]
    if missing:
        raise ConfigError(f"{path}:1: expected columns {','.join(needed)}, got {one_line(','.join(header))[:200]}")
    names = [*needed, *(name for name in wished if name in header)]
    rows, batches, seen = [], [], 0
    try:
        with opened(path) as file:
            reader = pa.csv.open_csv(
                file,
                read_options=pa.csv.ReadOptions(block_size=_BATCH_BYTES),
                parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=names, column_types=dict.fromkeys(names, pa.string())
                ),
            )
            for batch in reader:
                mine = np.arange(len(batch))
                if keep is not None:
                    matters = pc.is_in(batch.column(keep[0]), value_set=pa.array(keep[1]))
                    mine = np.flatnonzero(matters.to_numpy(zero_copy_only=False))
                    batch = batch.filter(matters)
                rows.append(mine + seen)
                batches.append(batch)
                seen += len(mine) if keep is None else len(matters)
    except (OSError, EOFError) as error:
        unreadable(path, error)
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:{_why_not_csv(path, delimiter, len(header), str(error))}") from None
    table = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in names])).combine_chunks()
    row_of = np.concatenate([np.array([], dtype=np.int64), *rows])
    columns = {name: _one_chunk(table.column(name)) for name in names}
    return Columns(path, columns, lambda row: _line(path, delimiter, int(row_of[row])))


def _one_chunk(column: Any) -> Any:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks or [pa.array([], column.type)])


def csv_header(path: Path) -> tuple[list[str], str]:
    """The names in a CSV file's header, and what stands between them."""
    first = head(path).partition("\n")[0].rstrip("\r")
    delimiter = max(",;\t|", key=first.count)
    try:
        return next(csv.reader([first], delimiter=delimiter), []), delimiter
    except csv.Error:  # a lone carriage return, say
        return [], delimiter


def head(path: Path) -> str:
    """The first 64 KiB of a file as text, whatever is in it; raises ConfigError."""
    try:
        with opened(path) as file:
            return file.read(1 << 16).decode("utf-8-sig", errors="replace").lstrip("\r\n")
    except (OSError, EOFError) as error:
        unreadable(path, error)


def _why_not_csv(path: Path, delimiter: str, fields: int, error: str) -> str:
    with opened(path) as file:
        for line, raw in enumerate(file, 1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                return f"{line}: expected text in UTF-8"
    for line, count in _rows(path, delimiter):
        if count != fields:
            return f"{line}: expected the header's {fields} columns, got {count}"
    return f"1: expected CSV, got: {one_line(error)[:200]}"


def _rows(path: Path, delimiter: str) -> Iterator[tuple[int, int]]:
    """The line on which each row begins, the header's first, and its number of fields; pyarrow skips empty lines."""
    with opened(path) as file:
        text = (line.decode("utf-8-sig", errors="replace") for line in file)
        reader = csv.reader(text, delimiter=delimiter)
        line = 1
        with suppress(csv.Error):  # a field too long for this reader
            for fields in reader:
                if fields:
                    yield line, len(fields)
                line = reader.line_num + 1


def _line(path: Path, delimiter: str, row: int) -> int:
    return next(islice((line for line, _ in _rows(path, delimiter)), row + 1, None), row + 2)
