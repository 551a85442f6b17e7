"""Attempts that something else measured, from CSV: ``arm,block,t_intended_s,step,latency_s,ok``.

A row a step and one row with step ``login`` for the whole; a step's row belongs to the login of the same arm, block
and intended time. Blocks are numbered in order of time; two neighbouring ones, one of each arm, are a pair.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from harness.errors import ConfigError, one_line
from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.steps import LOGIN
from harness.model.target import ARMS

COLUMNS = ("arm", "block", "t_intended_s", "step", "latency_s", "ok")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")
_SHOWN_AT_MOST = 60
_OK, _ERROR = STATUSES.index("ok"), STATUSES.index("error")


@dataclass(frozen=True, slots=True)
class Foreign:
    """Imported attempts, how they were cut, the pairs that both arms have, and the steps in order of appearance."""

    table: AttemptTable
    design: Design
    pairs: tuple[int, ...]
    steps: tuple[str, ...]


def read_attempts(path: Path, trim_s: float, timeout_s: float) -> Foreign:
    """The attempts of a CSV file; raises ConfigError with file and line."""
    raw = _read(path)
    arm = _coded(path, raw["arm"], ARMS, "arm")
    block = _numbers(path, raw["block"], "block", "a whole number of 0 or more", whole=True)
    numbers, block = np.unique(block, return_inverse=True)
    intended = _numbers(path, raw["t_intended_s"], "t_intended_s", "seconds from the run's start")
    latency = _numbers(path, raw["latency_s"], "latency_s", "seconds of 0 or more")
    ok = _coded(path, pc.utf8_lower(raw["ok"]), (*_TRUE, *_FALSE), "ok") < len(_TRUE)
    status = np.where(ok, _OK, _ERROR).astype(np.int8)
    encoded = pc.dictionary_encode(raw["step"]).combine_chunks()
    names = encoded.dictionary.to_pylist()
    step = encoded.indices.to_numpy(zero_copy_only=False)
    if LOGIN not in names:
        raise ConfigError(f"{path}:1: step: expected a row with step login for each login, got none")
    whole = step == names.index(LOGIN)
    logins = np.flatnonzero(whole)
    pair_of, pairs, interleaved, block_s = _pairs(path, numbers, logins, arm[logins], block[logins], intended[logins])
    starts = _starts(block[logins], intended[logins])
    keys = np.stack([arm.astype(np.float64), block, intended], axis=1)
    order, sorted_keys = _sorted(keys[logins])
    steps = {}
    for index, name in enumerate(names):
        rows = np.flatnonzero(step == index)
        if name != LOGIN:
            steps[name] = StepColumns(_owner(path, sorted_keys, order, keys, rows), latency[rows], status[rows])
        _refuse_repeated(path, name, keys, rows)
    table = AttemptTable(
        arm=arm[logins],
        block=block[logins],
        pair=pair_of[block[logins]],
        offset_s=intended[logins] - starts[block[logins]],
        intended_s=intended[logins],
        cohort=np.zeros(len(logins), dtype=np.int8),
        status=status[logins],
        response_s=latency[logins],
        service_s=latency[logins],
        steps=steps,
    )
    design = Design(block_s, trim_s, len(pairs), timeout_s, interleaved)
    return Foreign(table, design, pairs, tuple(name for name in names if name != LOGIN))


def _read(path: Path) -> Any:
    try:
        raw = pa.csv.read_csv(
            path, convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()))
        )
        names = raw.column_names
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable CSV file, got: {error.strerror or error}") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:{_why_not_csv(path, str(error))}") from None
    if sorted(names) != sorted(COLUMNS):
        raise ConfigError(f"{path}:1: expected columns {','.join(COLUMNS)}, got {one_line(','.join(names))}")
    if len(raw) == 0:
        raise ConfigError(f"{path}:1: expected attempts, got none")
    return raw


def _why_not_csv(path: Path, error: str) -> str:
    """The line that keeps a file from being read, and why."""
    raw = path.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as bad:
        line = raw[: bad.start].count(b"\n") + 1
        return f"{line}: expected text in UTF-8"
    for line, fields in _rows(path):
        if fields != len(COLUMNS):
            return f"{line}: expected the {len(COLUMNS)} columns {','.join(COLUMNS)}, got {fields}"
    return f"1: expected CSV with columns {','.join(COLUMNS)}, got: {one_line(error)}"


def _rows(path: Path) -> Iterator[tuple[int, int]]:
    """The line on which each row begins, the header's first, and its number of fields; pyarrow skips empty lines."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        line = 1
        with suppress(csv.Error):  # a field too long for this reader
            for fields in reader:
                if fields:
                    yield line, len(fields)
                line = reader.line_num + 1


def _numbers(path: Path, column: Any, name: str, expected: str, whole: bool = False) -> Any:
    kind = pa.int64() if whole else pa.float64()
    try:
        values = pc.cast(column, kind).to_numpy()
    except pa.ArrowInvalid:
        values = np.array([_number(text, kind) for text in column])
    bad = ~np.isfinite(values.astype(np.float64))
    if name != "t_intended_s":
        bad |= values < 0
    _refuse(path, bad, column, name, expected)
    return values


def _number(text: Any, kind: Any) -> float:
    """A text's value, NaN where it has none: only pyarrow knows what it takes for a number."""
    try:
        return float(text.cast(kind).as_py())
    except pa.ArrowInvalid:
        return float("nan")


def _coded(path: Path, column: Any, names: tuple[str, ...], name: str) -> Any:
    codes = pc.index_in(column, value_set=pa.array(names))
    _refuse(path, codes.is_null().to_numpy(), column, name, " or ".join(names))
    return codes.to_numpy().astype(np.int8)


def _refuse(path: Path, bad: Any, column: Any, name: str, expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        found = one_line(column[row].as_py())[:_SHOWN_AT_MOST]
        raise ConfigError(f'{path}:{_line(path, row)}: {name}: expected {expected}, got "{found}"')


def _line(path: Path, row: int) -> int:
    """The line of a row (from 0, the header not counted)."""
    return next(islice((line for line, _ in _rows(path)), row + 1, None), row + 2)


def _starts(block: Any, intended: Any) -> Any:
    starts = np.full(int(block.max()) + 1, np.inf)
    np.minimum.at(starts, block, intended)
    return starts


def _pairs(
    path: Path, names: Any, rows: Any, arm: Any, block: Any, intended: Any
) -> tuple[Any, tuple[int, ...], bool, float]:
    """Each block's pair (−1 for none), the pairs with both arms, whether arms were interleaved, the block's length.

    ``names`` are the blocks' numbers in the file, ``rows`` the logins' rows in it.
    """
    present = np.zeros((int(block.max()) + 1, 2), dtype=bool)
    present[block, arm] = True
    pair_of = np.full(len(present), -1, dtype=np.int64)
    numbers = np.flatnonzero(present.any(axis=1))
    starts = _starts(block, intended)
    spans = np.diff(starts[numbers])
    block_s = float(np.median(spans)) if len(spans) else float(np.ptp(intended))
    if len(spans) and not (spans > 0).all():
        late = numbers[int(np.argmax(spans <= 0)) + 1]
        line = _line(path, int(rows[int(np.argmax(block == late))]))
        raise ConfigError(
            f"{path}:{line}: block: expected blocks numbered in order of time, got an earlier start of {names[late]}"
        )
    if not present.any(axis=0).all():
        raise ConfigError(f"{path}: arm: expected logins of both arms, got {ARMS[int(arm[0])]} alone")
    if present[numbers].all():  # both arms at once: a block is a pair
        pair_of[numbers] = np.arange(len(numbers))
        return pair_of, tuple(range(len(numbers))), True, block_s
    mine = [numbers[present[numbers, code]] for code in (0, 1)]
    count = min(len(mine[0]), len(mine[1]))
    for blocks in mine:
        pair_of[blocks[:count]] = np.arange(count)
    order = np.sort(np.concatenate([blocks[:count] for blocks in mine]))
    interleaved = bool((pair_of[order] == np.repeat(np.arange(count), 2)).all())
    return pair_of, tuple(range(count)), interleaved, block_s


def _sorted(keys: Any) -> tuple[Any, Any]:
    order = np.lexsort(keys.T[::-1])
    return order, _packed(keys[order])


def _refuse_repeated(path: Path, step: str, keys: Any, rows: Any) -> None:
    """A login is known by arm, block and intended time, and has each of its steps once."""
    order, ordered = _sorted(keys[rows])
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    if len(again):
        row = int(rows[order[again]].min())
        raise ConfigError(
            f"{path}:{_line(path, row)}: {one_line(step)[:_SHOWN_AT_MOST]}: expected one row of a step for each arm, "
            "block and t_intended_s, got another"
        )


def _packed(keys: Any) -> Any:
    """Rows of numbers as one sortable value each."""
    fields = np.dtype([("arm", "f8"), ("block", "f8"), ("intended", "f8")])
    return np.ascontiguousarray(keys).view(fields).reshape(-1)


def _owner(path: Path, logins: Any, order: Any, keys: Any, rows: Any) -> Any:
    """The login of each step's row."""
    wanted = _packed(keys[rows])
    at = np.searchsorted(logins, wanted)
    found = at < len(logins)
    found[found] = logins[at[found]] == wanted[found]
    if not found.all():
        line = _line(path, int(rows[int(np.argmin(found))]))
        raise ConfigError(
            f"{path}:{line}: step: expected a row with step login of the same arm, block and t_intended_s"
        )
    return order[at]
