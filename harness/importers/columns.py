"""Text columns of another tool's file as numbers, instants and flags; what can't be used is named by line and column.

Rows that don't matter (k6 writes eight metrics a request) are dropped while the file is streamed, so that a million of
them take some seconds and little memory; lines are counted only once something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from harness.errors import ConfigError
from harness.model.attempt import Flags, Floats, Ints
from harness.model.plan import NS
from harness.system.text import SHOWN_OF_LINE, clipped, csv_header, csv_line, opened, unreadable, why_not_csv

_BATCH_BYTES = 1 << 24
_UNITS = (("s", 9e9), ("ms", 9e12), ("us", 9e15), ("ns", 9e18))
"""Units of an epoch time and below which value each is meant: seconds reach the year 2255, and so do the others."""
_NS_IN = {"s": NS, "ms": 1_000_000, "us": 1_000, "ns": 1}
_SINCE_NS, _UNTIL_NS = 946_684_800 * NS, 4_102_444_800 * NS
"""The years 2000 to 2099: an instant outside of them is a clock that was never set, or another number."""
_DATE = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?$"
_TRUE, _FALSE = ("true", "1"), ("false", "0")
INSTANT = "a time in s, ms, µs or ns since 1970, or as 2026-01-31T08:00:00Z"
PLAUSIBLE = "a time from the years 2000 to 2099"
DAY_S = 86_400.0
"""No login takes longer, and no number in a file may either."""


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

    def but(self, name: str, empty: str) -> Columns:
        """The same with ``empty`` wherever a column holds nothing."""
        column = self.text(name)
        filled = pc.if_else(pc.equal(column, ""), empty, column)
        return Columns(self.path, {**self.by_name, name: filled}, self.line_of)

    def lower(self, name: str) -> Columns:
        """The same with a column in lower case."""
        return Columns(self.path, {**self.by_name, name: pc.utf8_lower(self.text(name))}, self.line_of)

    def numbers(
        self, name: str, expected: str, least: float = 0.0, most: float = DAY_S * 1e3, whole: bool = False
    ) -> Floats:
        """A column of numbers from ``least`` to ``most``; raises ConfigError."""
        column, kind = self.by_name[name], pa.int64() if whole else pa.float64()
        try:
            values = np.asarray(pc.cast(column, kind).to_numpy(zero_copy_only=False), dtype=np.float64)
        except pa.ArrowInvalid:
            values = np.array([_number(text, kind) for text in column])
        self.refuse(~((values >= least) & np.isfinite(values)), name, expected)
        self.refuse(values > most, name, f"{expected}, at most {most:,.0f}")
        return values

    def coded(self, name: str, names: Sequence[str]) -> Ints:
        """A column of some ``names`` as their places; raises ConfigError."""
        codes = pc.index_in(self.text(name), value_set=pa.array(names))
        self.refuse(codes.is_null().to_numpy(zero_copy_only=False), name, " or ".join(names))
        return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)

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
        self.refuse((ns < _SINCE_NS) | (ns >= _UNTIL_NS), name, PLAUSIBLE)
        return ns, 1.0 if (ns % NS == 0).all() else 1e-3

    def _epochs(self, name: str, column: Any) -> tuple[Ints, float]:
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
        unit = np.searchsorted([limit for _, limit in _UNITS], values, side="right")
        self.refuse(unit >= len(_UNITS), name, INSTANT)
        about_ns = values * np.array([float(_NS_IN[unit]) for unit, _ in _UNITS])[unit]
        self.refuse((about_ns < _SINCE_NS) | (about_ns >= _UNTIL_NS), name, PLAUSIBLE)
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
            found = "" if value is None else clipped(str(value))
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


def _number(text: Any, kind: Any) -> float:
    """A text's value, NaN where it has none: only pyarrow knows what it takes for a number."""
    try:
        found = text.cast(kind).as_py()
    except pa.ArrowInvalid:
        return float("nan")
    return float("nan") if found is None else float(found)


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
        raise ConfigError(
            f"{path}:1: expected columns {','.join(needed)}, got {clipped(','.join(header), SHOWN_OF_LINE)}"
        )
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
        raise ConfigError(f"{path}:{why_not_csv(path, delimiter, header, str(error))}") from None
    table = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in names])).combine_chunks()
    row_of = np.concatenate([np.array([], dtype=np.int64), *rows])
    columns = {name: _one_chunk(table.column(name)) for name in names}
    return Columns(path, columns, lambda row: csv_line(path, delimiter, int(row_of[row])))


def _one_chunk(column: Any) -> Any:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks or [pa.array([], column.type)])
