"""Attempts and the generator's health as Arrow tables, and attempts as the columns that the statistics read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.attempt import (
    STATUSES,
    Attempt,
    AttemptTable,
    Codes,
    GeneratorColumns,
    GivenUp,
    Ints,
    Places,
    StepColumns,
)
from harness.model.plan import NS
from harness.model.steps import CACHES, EARLIER_TRIES
from harness.model.target import ARMS, Arm

SEAT_WAIT_FROM_NS = 1_000_000
"""A login that was taken up within 1 ms of its intended start did not wait for a seat."""

ATTEMPTS: Any = pa.schema(
    [
        ("seq", pa.int64()),
        ("arm", pa.string()),
        ("block", pa.int32()),
        ("pair", pa.int32()),
        ("user", pa.string()),
        ("cohort", pa.string()),
        ("intended", pa.int64()),
        ("started", pa.int64()),
        ("ended", pa.int64()),
        ("seat_wait", pa.int64()),
        ("status", pa.string()),
        ("code", pa.string()),
        ("tries", pa.int32()),
        ("own", pa.int64()),
        (
            "steps",
            pa.list_(
                pa.struct(
                    [
                        ("step", pa.string()),
                        ("started", pa.int64()),
                        ("ended", pa.int64()),
                        ("status", pa.string()),
                        ("code", pa.string()),
                        ("pool_wait", pa.int64()),
                        ("server", pa.string()),
                        ("own", pa.int64()),
                    ]
                )
            ),
        ),
    ]
)
"""One row a login; instants are ns from the run's origin."""

HEALTH: Any = pa.schema(
    [
        ("arm", pa.string()),
        ("t", pa.int64()),
        ("started", pa.int32()),
        ("send_lag_p99_ms", pa.float64()),
        ("send_lag_max_ms", pa.float64()),
        ("pool_wait_max_ms", pa.float64()),
        ("hub_stall_p99_ms", pa.float64()),
        ("hub_stall_max_ms", pa.float64()),
        ("cpu", pa.float64()),
        ("busy_seats", pa.int32()),
        ("rss_mb", pa.float64()),
        ("run_queue_ms", pa.float64()),
        ("worker", pa.int32()),
        ("clock_error_ms", pa.float64()),
        ("journal_ms", pa.float64()),
    ]
)
"""One row a second and worker of an arm (from 0), of the generator itself; ``cpu`` is the share of one core,
``run_queue_ms`` how long its event loop's thread was ready to run and had no processor, ``clock_error_ms`` how
wrong its clock may be against the master's, ``journal_ms`` how long its slowest write to disk took.
What there was nothing to measure of is null."""


@dataclass(frozen=True, slots=True)
class HealthSecond:
    """A row of HEALTH."""

    arm: Arm
    t: int
    started: int
    send_lag_p99_ms: float | None
    send_lag_max_ms: float | None
    pool_wait_max_ms: float
    hub_stall_p99_ms: float | None
    hub_stall_max_ms: float | None
    cpu: float
    busy_seats: int
    rss_mb: float
    run_queue_ms: float | None = None
    """None where the kernel does not tell."""
    worker: int = 0
    """Which of the arm's, from 0."""
    clock_error_ms: float | None = 0.0
    """0 on the master's own machine."""
    journal_ms: float = 0.0


def attempts_batch(attempts: Sequence[Attempt]) -> Any:
    """The attempts as a record batch of ATTEMPTS."""
    rows = [
        {
            "seq": a.seq,
            "arm": a.arm,
            "block": a.block,
            "pair": a.pair,
            "user": a.user,
            "cohort": a.cohort,
            "intended": a.intended,
            "started": a.started,
            "ended": a.ended,
            "seat_wait": a.seat_wait,
            "status": a.outcome.status,
            "code": a.outcome.code,
            "tries": a.tries,
            "own": a.own,
            "steps": [
                {
                    "step": s.step,
                    "started": s.started,
                    "ended": s.ended,
                    "status": s.outcome.status,
                    "code": s.outcome.code,
                    "pool_wait": s.pool_wait,
                    "server": s.server,
                    "own": s.own,
                }
                for s in a.steps
            ],
        }
        for a in attempts
    ]
    return pa.RecordBatch.from_pylist(rows, schema=ATTEMPTS)


def health_batch(seconds: Sequence[HealthSecond]) -> Any:
    """The rows as a record batch of HEALTH."""
    names = HEALTH.names
    return pa.RecordBatch.from_pylist([{n: getattr(s, n) for n in names} for s in seconds], schema=HEALTH)


def as_now(part: Any, schema: Any) -> Any:
    """Attempts, or health, of any version with today's columns; raises pa.ArrowException or ValueError for others.

    Until there were cohorts, ``cache`` told logins apart; until clients came back, each login was tried once. What
    an older version did not record otherwise is null.
    """
    part = part.rename_columns(["cohort" if name == "cache" else name for name in part.schema.names])
    if part.schema.equals(schema):
        return part
    if len(set(part.schema.names)) < len(part.schema.names):
        raise ValueError("expected each column once")
    columns = []
    for field in schema:
        if field.name in part.schema.names:
            columns.append(_retyped(part[field.name], field.type))
        elif field.name in _SINCE_THE_FIRST:
            raise ValueError(f"expected a column {field.name}")
        else:
            columns.append(pa.array([_BEFORE[field.name]] * len(part), field.type))
    return type(part).from_arrays(columns, schema=schema)


_BEFORE = {"tries": 1, "own": 0, "run_queue_ms": None, "worker": 0, "clock_error_ms": 0.0, "journal_ms": 0.0}
"""What stands for a column that not every version has written."""
_SINCE_THE_FIRST = {*ATTEMPTS.names, *HEALTH.names} - _BEFORE.keys()


def _retyped(column: Any, wanted: Any) -> Any:
    """A column as today's type; of an older version's lists of structs, the fields that it did not have are null."""
    if column.type.equals(wanted):
        return column
    if not pa.types.is_list(wanted) or not pa.types.is_list(column.type):
        return column.cast(wanted)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    made = [_with_fields(chunk, wanted) for chunk in chunks]
    return pa.chunked_array(made, wanted) if isinstance(column, pa.ChunkedArray) else made[0]


def _with_fields(lists: Any, wanted: Any) -> Any:
    """A list array whose structs have the wanted fields."""
    had, inner = lists.type.value_type, wanted.value_type
    if not pa.types.is_struct(had):
        raise ValueError(f"expected lists of structs, got {lists.type}")
    flat = lists.flatten()
    known = {had.field(place).name for place in range(had.num_fields)}
    fields = [inner.field(place) for place in range(inner.num_fields)]
    values = [
        pc.struct_field(flat, field.name).cast(field.type)
        if field.name in known
        else pa.array([_BEFORE.get(field.name)] * len(flat), field.type)
        for field in fields
    ]
    structs = pa.StructArray.from_arrays(values, fields=fields)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int64())).cast(pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(offsets, structs, type=wanted)


def attempt_table(
    table: Any, block_starts: Mapping[int, int], cohorts: Sequence[str] = CACHES, owner: Places | None = None
) -> AttemptTable:
    """The columns of an Arrow table of ATTEMPTS, of logins of these cohorts.

    ``block_starts`` maps a block's index to its start in ns; ``owner`` has the worker of each login by ``seq`` (None:
    there is one of an arm). Raises ValueError for a block that is not among them.
    """
    table = table.combine_chunks()
    intended = _ints(table["intended"])
    block = _ints(table["block"])
    starts = np.zeros(max(block_starts, default=0) + 1, dtype=np.int64)
    for index, start in block_starts.items():
        starts[index] = start
    if len(block) and not 0 <= block.min() <= block.max() < len(starts):
        raise ValueError("expected blocks of the plan")
    started, ended, own = (_ints(table[name]) for name in ("started", "ended", "own"))
    codes, names = _places(_encoded(table["code"]))
    steps, given_up, waited, waiting = _steps(table["steps"])
    return AttemptTable(
        arm=_codes(table["arm"], ARMS),
        block=block,
        pair=_ints(table["pair"]),
        offset_s=(intended - starts[block]) / NS,
        intended_s=intended / NS,
        cohort=_codes(table["cohort"], cohorts),
        status=_codes(table["status"], STATUSES),
        response_s=(ended - intended - own) / NS,
        service_s=(ended - started - own) / NS,
        steps=steps,
        given_up=given_up,
        code=codes,
        codes=names,
        cohorts=tuple(cohorts),
        generator=GeneratorColumns(
            lag=started - intended,
            seat_wait=_ints(table["seat_wait"]),
            own=own,
            worker=np.zeros(len(own), dtype=np.int16) if owner is None else owner[_ints(table["seq"])],
            pool_wait=waited,
            pool_row=waiting,
        ),
    )


def _steps(column: Any) -> tuple[dict[str, StepColumns], GivenUp | None, Ints, Ints]:
    """The nested steps as columns by step, and the tries given up, which as steps of a login are no failures; then
    each wait for a thread (ns) with the row of its login.

    A list's rows are found by its offsets, without a loop over logins.
    """
    none = np.zeros(0, dtype=np.int64)
    if len(column) == 0:
        return {}, None, none, none
    lists = whole(column)
    flat = pc.list_flatten(lists)
    ended, started, own, waits = (
        _ints(pc.struct_field(flat, name)) for name in ("ended", "started", "own", "pool_wait")
    )
    service_ns = ended - started - own
    status = _codes(pc.struct_field(flat, "status"), STATUSES)
    server = _encoded(pc.struct_field(flat, "server"))
    if server.null_count:  # older runs have none
        server = _encoded(pc.fill_null(server.cast(pa.string()), ""))
    places, servers = _places(server)
    encoded = _encoded(pc.struct_field(flat, "step"))
    names = encoded.dictionary.to_pylist()
    which = np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int16)
    (waited,) = np.nonzero(waits > 0)
    if (order := _same_steps(which, len(names), len(lists))) is not None and EARLIER_TRIES not in names:
        everyone = np.arange(len(lists))
        service, status, places = (_turned(values, len(order)) for values in (service_ns / NS, status, places))
        same = {
            name: StepColumns(everyone, service[at], status[at], places[at], servers)
            for place, name in enumerate(names)
            for at in (order.index(place),)
        }
        return same, None, waits[waited], waited // len(order)
    row = _ints(pc.list_parent_indices(lists))
    service = service_ns / NS
    found = {}
    given_up = None
    # Few distinct numbers are sorted by radix: one pass over all in place of one a kind.
    by_kind = np.split(
        np.argsort(which, kind="stable"), np.cumsum(np.bincount(which, minlength=max(len(names), 1)))[:-1]
    )
    for name, mine in zip(names, by_kind, strict=False):
        found[name] = StepColumns(row[mine], service[mine], status[mine].copy(), places[mine], servers)
        if name == EARLIER_TRIES:
            found[name].status[:] = STATUSES.index("ok")
            codes = pc.struct_field(flat, "code").cast(pa.string())
            under_way = _encoded(codes.take(pa.array(np.arange(len(which))[mine])))
            given_up = GivenUp(row[mine], *_places(under_way))
    return found, given_up, waits[waited], row[waited]


def _same_steps(which: Places, kinds: int, logins: int) -> list[int] | None:
    """The kinds of every login's steps where all took the same ones in the same order, each once; else None."""
    if not kinds or len(which) != kinds * logins or len(set(order := which[:kinds].tolist())) < kinds:
        return None
    return order if (which.reshape(-1, kinds) == which[:kinds]).all() else None


def _turned(values: npt.NDArray[Any], each: int) -> npt.NDArray[Any]:
    """Values of so many steps of every login, login after login, as a row for each step."""
    return np.ascontiguousarray(values.reshape(-1, each).T)


MOST_PLACES = np.iinfo(np.int16).max


def _places(encoded: Any) -> tuple[Places, tuple[str, ...]]:
    """The values of a dictionary array as places, and what stands there; those past the most places share the last."""
    places = np.minimum(_ints(encoded.indices), MOST_PLACES).astype(np.int16)
    return places, tuple(encoded.dictionary.to_pylist())


def whole(column: Any) -> Any:
    """A column as one array, which is no copy where it is one already."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _encoded(column: Any) -> Any:
    """A column as one dictionary array; a Parquet file may have been read as one already."""
    column = whole(column)
    return column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)


def _ints(array: Any) -> Any:
    found = array.to_numpy(zero_copy_only=False) if isinstance(array, pa.Array) else array.to_numpy()
    return np.asarray(found).astype(np.int64, copy=False)


def _codes(array: Any, names: Sequence[str]) -> Codes:
    """Each value's place in ``names``; a value that is not among them raises ValueError."""
    codes: Codes = codes_of(array, names).astype(np.int8, copy=False)
    if len(codes) and codes.min() < 0:
        raise ValueError(f"expected one of {', '.join(names)}")
    return codes


def codes_of(array: Any, names: Sequence[str]) -> Places:
    """Each value's place in ``names``, −1 for others and for nulls."""
    encoded = _encoded(array)
    at = {name: place for place, name in enumerate(names)}
    place_of = np.array([*(at.get(value, -1) for value in encoded.dictionary.to_pylist()), -1], dtype=np.int16)
    if len(place_of) == 2 and not encoded.null_count:  # one word, and none that is missing
        return np.full(len(encoded), place_of[0], dtype=np.int16)
    indices = encoded.indices.fill_null(len(encoded.dictionary)) if encoded.null_count else encoded.indices
    codes: Places = place_of[indices.to_numpy(zero_copy_only=False)]
    return codes
