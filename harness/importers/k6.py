"""k6's granular outputs, CSV and JSON lines: each http_req_duration is a request, each group_duration a group.

Sources: grafana.com/docs/k6, "CSV" and "JSON" under results output, and k6's own code: a point's time is the *end* of
its request or group (lib/netext/httpext/tracer.go, js/modules/k6), the duration leaves out the wait for a connection,
connecting and TLS, and the virtual user is in ``metadata`` where the system tag vu is on (output/csv, output/json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from harness.errors import ConfigError
from harness.importers.columns import Columns, read_csv
from harness.importers.samples import Samples, coded
from harness.model.attempt import Flags, Ints
from harness.model.plan import NS
from harness.system.text import SHOWN_OF_LINE, clipped, opened, unreadable

_REQUEST, _GROUP = "http_req_duration", "group_duration"
_METRICS = (_REQUEST, _GROUP)
_TAGS = ("name", "url", "group", "status", "error", "error_code", "expected_response", "vu")
_FAILED_FROM = 400
_BLOCK_BYTES = 1 << 25


def read_k6_csv(path: Path) -> Samples:
    """The requests and groups of ``k6 run --out csv=FILE``; raises ConfigError with file, line and column."""
    needed = ("metric_name", "timestamp", "metric_value")
    found = read_csv(path, needed, (*_TAGS, "metadata"), keep=("metric_name", _METRICS))
    columns = dict(found.by_name)
    if "vu" not in columns and "metadata" in columns:
        vu = pc.struct_field(pc.extract_regex(columns["metadata"], r"(?:^|&)vu=(?P<vu>\d+)"), "vu")
        columns["vu"] = vu
    return _samples(Columns(path, columns, found.line_of), "k6-csv", needed)


def read_k6_json(path: Path) -> Samples:
    """The requests and groups of ``k6 run --out json=FILE``; raises ConfigError with file, line and field."""
    tags = pa.struct([(tag, pa.string()) for tag in _TAGS])
    data = pa.struct([("time", pa.string()), ("value", pa.float64()), ("tags", tags),
                      ("metadata", pa.struct([("vu", pa.string())]))])  # fmt: skip
    schema = pa.schema([("type", pa.string()), ("metric", pa.string()), ("data", data)])
    try:
        with opened(path) as file:
            table = pa.json.read_json(
                file,
                read_options=pa.json.ReadOptions(block_size=_BLOCK_BYTES),
                parse_options=pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
            )
    except (OSError, EOFError) as error:
        unreadable(path, error)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:{_why_not_json(path, str(error))}") from None
    mine = pc.and_(pc.equal(table["type"], "Point"), pc.is_in(table["metric"], value_set=pa.array(_METRICS)))
    row_of = np.flatnonzero(pc.fill_null(mine, False).to_numpy())
    kept = table.take(pa.array(row_of))
    point, metric = (pa.concat_arrays(kept[name].chunks or [pa.array([], schema.field(name).type)])
                     for name in ("data", "metric"))  # fmt: skip
    tagged = pc.struct_field(point, "tags")
    columns = {tag: pc.struct_field(tagged, tag) for tag in _TAGS}
    columns |= {"metric": metric, "time": pc.struct_field(point, "time"), "value": pc.struct_field(point, "value")}
    columns["vu"] = pc.coalesce(columns["vu"], pc.struct_field(point, ["metadata", "vu"]))
    found = Columns(path, columns, lambda row: _line(path, int(row_of[row])))
    return _samples(found, "k6-json", ("metric", "time", "value"))


def _samples(columns: Columns, written: str, names: tuple[str, str, str]) -> Samples:
    metric, time, value = names
    group = np.asarray(pc.equal(columns.by_name[metric], _GROUP).to_numpy(zero_copy_only=False))
    if group.all():
        raise ConfigError(f"{columns.path}: {metric}: expected points of {_REQUEST}, got none")
    end_ns, resolution_s = columns.instants(time)
    elapsed_s = columns.numbers(value, "milliseconds of 0 or more") / 1e3

    def tag(name: str) -> Any:
        return columns.text(name) if name in columns.by_name else pa.array([""] * len(group))

    in_group = tag("group")
    name = pc.if_else(pc.equal(tag("name"), ""), tag("url"), tag("name"))
    last = pc.struct_field(pc.extract_regex(in_group, r"(?:^|::)(?P<last>[^:]*)$"), "last")
    label, labels = coded(pc.if_else(pa.array(group), pc.fill_null(last, ""), name))
    scope, scopes = coded(in_group)
    return Samples(
        path=columns.path,
        format=written,
        start_ns=end_ns - np.rint(elapsed_s * NS).astype(np.int64),
        elapsed_s=elapsed_s,
        ok=group | ~_failed(tag("expected_response"), tag("error"), tag("error_code"), tag("status")),
        label=label,
        labels=labels,
        group=group,
        resolution_s=resolution_s,
        line_of=columns.line_of,
        thread=_vus(tag("vu")),
        scope=scope,
        scopes=scopes,
    )


def _vus(column: Any) -> Ints | None:
    """The virtual users; None where the file doesn't name them (the system tag vu is off by default)."""
    found, names = coded(column)
    return None if "" in names else found


def _failed(expected: Any, error: Any, code: Any, status: Any) -> Flags:
    """What k6 itself counts as failed (the tag expected_response); by error and status where it does not say."""
    said = np.asarray(pc.not_equal(expected, "").to_numpy(zero_copy_only=False))
    unexpected = np.asarray(pc.equal(expected, "false").to_numpy(zero_copy_only=False))
    number = pc.if_else(pc.match_substring_regex(status, r"^\d{1,4}$"), status, "200")
    number = np.asarray(pc.cast(number, pa.int64()).to_numpy(zero_copy_only=False))
    bad = np.asarray(pc.or_(pc.not_equal(error, ""), pc.not_equal(code, "")).to_numpy(zero_copy_only=False))
    return np.where(said, unexpected, bad | (number == 0) | (number >= _FAILED_FROM))


def _line(path: Path, row: int) -> int:
    """The line of a row from 0; empty lines are none."""
    with opened(path) as file:
        lines = (number for number, raw in enumerate(file, 1) if raw.strip())
        return next((line for place, line in enumerate(lines) if place == row), row + 1)


def _why_not_json(path: Path, error: str) -> str:
    with opened(path) as file:
        for line, raw in enumerate(file, 1):
            try:
                found = json.loads(raw) if raw.strip() else {}
            except (ValueError, RecursionError):
                return f"{line}: expected a JSON object a line, to the file's end"
            data = found.get("data") if isinstance(found, dict) else None
            if not isinstance(found, dict) or not isinstance(data, dict | None):
                return f"{line}: expected an object with type, metric and data"
            if found.get("type") == "Point" and not isinstance((data or {}).get("value"), int | float):
                return f"{line}: value: expected milliseconds of 0 or more"
    return f"1: expected k6's JSON lines, got: {clipped(error, SHOWN_OF_LINE)}"
