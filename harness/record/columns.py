"""An Arrow table of attempts as columns for the statistics: one array a column, and the nested steps by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.model.attempt import (
    STATUSES,
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
from harness.model.target import ARMS


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
    (places, servers), (ways, way_names) = _named(flat, "server"), _named(flat, "way")
    encoded = _encoded(pc.struct_field(flat, "step"))
    names = encoded.dictionary.to_pylist()
    which = np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int16)
    (waited,) = np.nonzero(waits > 0)
    if (order := _same_steps(which, len(names), len(lists))) is not None and EARLIER_TRIES not in names:
        everyone = np.arange(len(lists))
        service, status, places, ways = (
            _turned(values, len(order)) for values in (service_ns / NS, status, places, ways)
        )
        same = {
            name: StepColumns(everyone, service[at], status[at], places[at], servers, ways[at], way_names)
            for name, at in zip(names, np.argsort(order).tolist(), strict=True)
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
        found[name] = StepColumns(
            row[mine], service[mine], status[mine].copy(), places[mine], servers, ways[mine], way_names
        )
        if name == EARLIER_TRIES:
            found[name].status[:] = STATUSES.index("ok")
            codes = pc.struct_field(flat, "code").cast(pa.string())
            under_way = _encoded(codes.take(pa.array(np.arange(len(which))[mine])))
            given_up = GivenUp(row[mine], *_places(under_way))
    return found, given_up, waits[waited], row[waited]


def _named(flat: Any, field: str) -> tuple[Places, tuple[str, ...]]:
    """A field of names as places in the list of them; where older runs have none, they are empty."""
    found = _encoded(pc.struct_field(flat, field))
    return _places(_encoded(pc.fill_null(found.cast(pa.string()), "")) if found.null_count else found)


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
    words, indices = tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy(zero_copy_only=False)
    if len(words) > MOST_PLACES + 1:
        indices = np.minimum(indices, MOST_PLACES)
    return indices.astype(np.int16), words


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
