"""A run's attempts and health as Parquet: written in row groups that end with a pair, and read one by one.

1. A row group ends where a pair does, so that what is measured pair by pair needs one at a time.
2. Words are dictionaries and whole numbers are differences (``DELTA_BINARY_PACKED``): a third smaller than by default,
   and read four times as fast. Where no value is missing the file says so, and is read in 0.6 of the time.
3. A column that holds one value throughout a row group, by the group's own statistics, is not read but made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.record.columns import whole
from harness.record.schema import ATTEMPTS

GROUP_ROWS = 1 << 15
"""So many logins make a row group, or the least number of whole pairs that has as many."""


def _without_nulls(field: Any) -> Any:
    """A field of ATTEMPTS in which no value may be missing."""
    if not pa.types.is_list(field.type):
        return pa.field(field.name, field.type, nullable=False)
    inner = field.type.value_type
    fields = [_without_nulls(inner.field(place)) for place in range(inner.num_fields)]
    return pa.field(field.name, pa.list_(pa.field("element", pa.struct(fields), nullable=False)), nullable=False)


COMPLETE: Any = pa.schema([_without_nulls(field) for field in ATTEMPTS])
"""ATTEMPTS in which no value is missing."""


_STEPS = "steps.list.element"
"""Where a file has the fields of steps."""


def _leaves(schema: Any) -> Iterator[tuple[str, Any]]:
    for field in schema:
        if pa.types.is_list(field.type):
            for inner in field.type.value_type:
                yield f"{_STEPS}.{inner.name}", inner.type
        else:
            yield field.name, field.type


_WORDS = [name for name, kind in _leaves(ATTEMPTS) if pa.types.is_string(kind)]
_NUMBERS = {name: "DELTA_BINARY_PACKED" for name, kind in _leaves(ATTEMPTS) if pa.types.is_integer(kind)}


def schema_for(table: Any) -> Any:
    """COMPLETE where no value is missing in a table of ATTEMPTS, else ATTEMPTS."""
    steps = pc.list_flatten(table["steps"])
    within = [pc.struct_field(steps, field.name) for field in ATTEMPTS.field("steps").type.value_type]
    missing = any(column.null_count for column in (*table.columns, steps, *within))
    return ATTEMPTS if missing else COMPLETE


def write_attempts(tables: Iterator[Any], file: Any, schema: Any = COMPLETE) -> None:
    """Write tables of ATTEMPTS, which follow each other in order of ``seq`` and end with a pair; raises OSError.

    ``schema`` is ATTEMPTS where a value may be missing.
    """
    how: Any = {"compression": "zstd", "use_dictionary": _WORDS, "column_encoding": _NUMBERS}
    with pq.ParquetWriter(file, schema, **how) as writer:
        for told in tables:
            table, begin = told.cast(schema), 0
            for end in _ends(table["pair"].to_numpy()):
                writer.write_table(table.slice(begin, end - begin), row_group_size=max(end - begin, 1))
                begin = end


def _ends(pair: Any) -> Iterator[int]:
    """Where row groups end."""
    begin = 0
    for end in (np.flatnonzero(pair[1:] != pair[:-1]) + 1).tolist():
        if end - begin >= GROUP_ROWS:
            yield end
            begin = end
    if begin < len(pair):
        yield len(pair)


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its place in the file, its rows, the first and last pair in it, and the columns that hold one value
    throughout, with that value."""

    place: int
    rows: int
    first: int
    last: int
    alike: Mapping[str, Any]


def _alike(group: Any) -> dict[str, Any]:
    """What the statistics of a row group say of columns that hold one value; ``pair`` and when steps ended are read."""
    found = {}
    for place in range(group.num_columns):
        column = group.column(place)
        told = column.statistics
        known = told is not None and told.has_min_max and told.has_null_count and not told.null_count
        if known and told.min == told.max and column.path_in_schema not in _ALWAYS_READ:
            found[column.path_in_schema] = told.min
    return found


_ALWAYS_READ = ("pair", f"{_STEPS}.ended")


class GroupedAttempts:
    """A file of attempts in row groups of whole pairs; raises ValueError for any other, OSError, pa.ArrowException."""

    def __init__(self, path: Path) -> None:
        self._path = path
        file = pq.ParquetFile(path)
        if not any(file.schema_arrow.equals(schema) for schema in (ATTEMPTS, COMPLETE)):
            raise ValueError("expected today's columns")
        column = ATTEMPTS.get_field_index("pair")
        groups = []
        for place in range(file.num_row_groups):
            group = file.metadata.row_group(place)
            told = group.column(column).statistics
            if told is None or not told.has_min_max:
                raise ValueError("expected each row group's least and greatest pair")
            groups.append(Group(place, group.num_rows, told.min, told.max, _alike(group)))
        if any(one.last >= other.first for one, other in pairwise(groups)):
            raise ValueError("expected row groups of whole pairs, in order")
        self.groups = tuple(groups)
        self._metadata = file.metadata

    def pairs_done(self, pairs: int) -> Any:
        """How many logins each of so many pairs has."""
        file = pq.ParquetFile(self._path, metadata=self._metadata)
        done = np.zeros(pairs, dtype=np.int64)
        for group in self.groups:
            column = file.read_row_group(group.place, columns=["pair"], use_threads=False)["pair"].to_numpy()
            if not 0 <= column.min() <= column.max() < pairs:
                raise ValueError("expected pairs of the plan")
            done += np.bincount(column, minlength=pairs)
        return done

    def tables(self, pairs: range) -> Iterator[Any]:
        """The rows of some pairs as Arrow tables, one a row group, whose words are dictionaries."""
        file = pq.ParquetFile(
            self._path, metadata=self._metadata, read_dictionary=_WORDS, page_checksum_verification=True
        )
        for group in self.groups:
            if group.last < pairs.start or group.first >= pairs.stop:
                continue
            read = [name for name, _ in _leaves(ATTEMPTS) if name not in group.alike]
            found = file.read_row_group(group.place, columns=read, use_threads=False)
            found.validate(full=True)
            table = _completed(found, group.alike)
            begin, end = np.searchsorted(table["pair"].to_numpy(), (pairs.start, pairs.stop)).tolist()
            yield table.slice(begin, end - begin)


def _completed(read: Any, alike: Mapping[str, Any]) -> Any:
    """A row group with the columns too that hold one value."""
    lists = whole(read["steps"])
    of_steps = ATTEMPTS.field("steps").type.value_type
    fields = {
        field.name: _filled(alike[name], field.type, len(lists.values))
        if (name := f"{_STEPS}.{field.name}") in alike
        else lists.values.field(field.name)
        for field in of_steps
    }
    steps = pa.StructArray.from_arrays(list(fields.values()), names=list(fields))
    columns = {
        field.name: _filled(alike[field.name], field.type, len(read)) if field.name in alike else read[field.name]
        for field in ATTEMPTS
        if field.name != "steps"
    }
    columns["steps"] = pa.ListArray.from_arrays(lists.offsets, steps)
    return pa.table(columns)


def _filled(value: Any, kind: Any, count: int) -> Any:
    """So many times a value; a word as a dictionary of itself."""
    rounded = 1 << count.bit_length()  # few sizes, so that there is one array for most row groups
    return _many(value, kind, rounded).slice(0, count)


@lru_cache(maxsize=16)
def _many(value: Any, kind: Any, count: int) -> Any:
    if pa.types.is_string(kind):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([value]))
    return pa.array(np.full(count, value), kind)
