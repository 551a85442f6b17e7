"""Attempts and the generator's health as Arrow tables, as they are recorded; those of older versions as today's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.model.attempt import Attempt
from harness.model.target import Arm

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
                        ("way", pa.string()),
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
                    "way": s.way,
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


_BEFORE = {"tries": 1, "own": 0, "run_queue_ms": None, "worker": 0, "clock_error_ms": 0.0, "journal_ms": 0.0, "way": ""}
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
