"""Attempts that something else measured, from CSV: ``arm,block,t_intended_s,step,latency_s,ok``.

A row a step and one row with step ``login`` for the whole; a step's row belongs to the login of the same arm, block
and intended time. Blocks are numbered in order of time; two neighbouring ones, one of each arm, are a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from harness.errors import ConfigError
from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.steps import LOGIN
from harness.model.target import ARMS

COLUMNS = ("arm", "block", "t_intended_s", "step", "latency_s", "ok")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")
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
    block = _numbers(path, raw["block"], "block", "a whole number of 0 or more", whole=True).astype(np.int64)
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
    pair_of, pairs, interleaved, block_s = _pairs(path, arm[logins], block[logins], intended[logins])
    starts = _starts(block[logins], intended[logins])
    keys = np.stack([arm.astype(np.float64), block, intended], axis=1)
    order, sorted_keys = _sorted(keys[logins])
    steps = {}
    for index, name in enumerate(names):
        rows = np.flatnonzero(step == index)
        if name != LOGIN:
            steps[name] = StepColumns(_owner(path, sorted_keys, order, keys, rows), latency[rows], status[rows])
    table = AttemptTable(
        arm=arm[logins],
        block=block[logins],
        pair=pair_of[block[logins]],
        offset_s=intended[logins] - starts[block[logins]],
        intended_s=intended[logins],
        cache=np.zeros(len(logins), dtype=np.int8),
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
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable CSV file, got: {error.strerror or error}") from None
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path}: expected CSV with columns {','.join(COLUMNS)}, got: {error}") from None
    if set(raw.column_names) != set(COLUMNS):
        raise ConfigError(f"{path}:1: expected columns {','.join(COLUMNS)}, got {','.join(raw.column_names)}")
    if len(raw) == 0:
        raise ConfigError(f"{path}: expected attempts, got none")
    return raw


def _numbers(path: Path, column: Any, name: str, expected: str, whole: bool = False) -> Any:
    try:
        values = pc.cast(column, pa.int64() if whole else pa.float64()).to_numpy()
        bad = ~np.isfinite(values.astype(np.float64))
        if name != "t_intended_s":
            bad |= values < 0
    except pa.ArrowInvalid:
        kind = int if whole else float
        bad = np.array([not _parses(text, kind) for text in column.to_pylist()])
    _refuse(path, bad, column, name, expected)
    return values


def _parses(text: str, kind: type[int] | type[float]) -> bool:
    try:
        kind(text)
    except (TypeError, ValueError):
        return False
    return True


def _coded(path: Path, column: Any, names: tuple[str, ...], name: str) -> Any:
    codes = pc.index_in(column, value_set=pa.array(names))
    _refuse(path, codes.is_null().to_numpy(), column, name, " or ".join(names))
    return codes.to_numpy().astype(np.int8)


def _refuse(path: Path, bad: Any, column: Any, name: str, expected: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise ConfigError(f'{path}:{row + 2}: {name}: expected {expected}, got "{column[row].as_py()}"')


def _starts(block: Any, intended: Any) -> Any:
    starts = np.full(int(block.max()) + 1, np.inf)
    np.minimum.at(starts, block, intended)
    return starts


def _pairs(path: Path, arm: Any, block: Any, intended: Any) -> tuple[Any, tuple[int, ...], bool, float]:
    """Each block's pair (−1 for none), the pairs with both arms, whether arms were interleaved, the block's length."""
    present = np.zeros((int(block.max()) + 1, 2), dtype=bool)
    present[block, arm] = True
    pair_of = np.full(len(present), -1, dtype=np.int64)
    numbers = np.flatnonzero(present.any(axis=1))
    starts = _starts(block, intended)
    spans = np.diff(starts[numbers])
    block_s = float(np.median(spans)) if len(spans) else float(np.ptp(intended))
    if len(spans) and not (spans > 0).all():
        late = int(numbers[int(np.argmax(spans <= 0)) + 1])
        raise ConfigError(f"{path}: block {late}: expected blocks numbered in order of time, got an earlier start")
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
        row = int(rows[int(np.argmin(found))])
        raise ConfigError(f"{path}:{row + 2}: expected a row with step login of the same arm, block and t_intended_s")
    return order[at]
