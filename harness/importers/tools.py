"""Which tool wrote a file, and its samples; a file that holds only aggregates is refused with what to use instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import ConfigError
from harness.importers import attempts_csv
from harness.importers.columns import Columns, read_csv
from harness.importers.jmeter import read_jtl, read_jtl_xml
from harness.importers.k6 import read_k6_csv, read_k6_json
from harness.importers.samples import Samples, coded
from harness.system.text import clipped, csv_header, head

_LOCUST = ("start_time", "name", "response_time", "exception")
_AGGREGATES = (
    (r'^"?(Type|Name|Timestamp|Method)"?,.*(Request Count|# requests|Occurrences|"50%")|^\[\s*\{[^}]*"num_requests"',
     "Locust's --csv and --json hold only aggregates, rounded ones: write each request by a listener of its event "
     f"request, with columns {','.join(_LOCUST)}"),
    (r"(Auths|Searches|Mods|Binds|Ops)/Sec|Avg Dur ms|\(ops/second\)|^Avg r=|Throughput +Response Time",
     "authrate, searchrate and their kin print averages of an interval, from which no quantile can be had: measure by "
     "a tool that keeps each operation (JMeter has LDAP samplers), and bring other formats to --attempts"),
    (r'^"?Label"?,"?# ?Samples|^"?sampler_label"?,"?aggregate_report|^\s*\{\s*"[^"]*"\s*:\s*\{\s*"transaction"'
     r"|^(Generate )?[Ss]ummary [+=] ",
     "JMeter's aggregate report, dashboard or summary: use the result file of jmeter -l"),
    (r"^label,.*\bavg_rt\b", "Taurus's final stats: use the kpi.jtl of its artifacts"),
    (r'^\{\s*"(metrics|root_group|state|options)"', "k6's end-of-test summary: use k6 run --out csv=FILE"),
)  # fmt: skip


def read_locust_csv(path: Path) -> Samples:
    """A request a row, in columns named as the arguments of Locust's event ``request``; raises ConfigError.

    ``start_time`` is in seconds since 1970 and ``response_time`` in milliseconds; ``exception`` is empty for success.
    A column ``user`` may say which of Locust's users sent it.
    Source: docs.locust.io, API, "Event hooks", and locust/clients.py. Locust itself writes no such file.
    """
    columns = read_csv(path, _LOCUST, ("user",))
    columns.refuse_none()
    start_ns, resolution_s = columns.instants("start_time")
    label, labels = coded(columns.text("name"))
    none = np.zeros(len(columns), dtype=bool)
    return Samples(
        path=path,
        format="locust-csv",
        start_ns=start_ns,
        elapsed_s=columns.numbers("response_time", "milliseconds of 0 or more") / 1e3,
        ok=_succeeded(columns),
        label=label,
        labels=labels,
        group=none,
        resolution_s=resolution_s,
        line_of=columns.line_of,
        thread=coded(columns.text("user"))[0] if "user" in columns.by_name else None,
    )


def _succeeded(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = pc.is_in(columns.text("exception"), value_set=pa.array(["", "None"]))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


_READERS: dict[str, Callable[[Path], Samples]] = {
    "jtl": read_jtl,
    "k6-csv": read_k6_csv,
    "k6-json": read_k6_json,
    "locust-csv": read_locust_csv,
}
FORMATS = ("auto", *_READERS)


def read_samples(path: Path, written: str = "auto") -> Samples:
    """The samples of a file in one of FORMATS; raises ConfigError, for aggregates with what to use instead."""
    begin = head(path)
    if not begin.strip():
        raise ConfigError(f"{path}: expected samples, got an empty file")
    for pattern, instead in _AGGREGATES:
        if re.search(pattern, begin[:2000], re.MULTILINE):
            raise ConfigError(f"{path}: expected samples, got aggregates: {instead}")
    found = _format(path, begin) if written == "auto" else written
    if found == "jtl" and begin.startswith("<"):
        return read_jtl_xml(path)
    return _READERS[found](path)


def _format(path: Path, begin: str) -> str:
    if begin.startswith("<"):
        return "jtl"
    if begin.startswith("{"):
        return "k6-json"
    names, _ = csv_header(path)
    if {"timeStamp", "elapsed"} <= set(names):
        return "jtl"
    if names[:3] == ["metric_name", "timestamp", "metric_value"]:
        return "k6-csv"
    if {"start_time", "response_time"} <= set(names):
        return "locust-csv"
    if set(names) - {attempts_csv.LOGIN_ID} == set(attempts_csv.COLUMNS):
        raise ConfigError(f"{path}:1: expected one arm as another tool wrote it, got attempts: use --attempts")
    shown = clipped(begin.partition("\n")[0], 100)
    raise ConfigError(
        f"{path}:1: expected JMeter's JTL with its header, k6's CSV or JSON, or Locust's requests, got {shown}; bring "
        "other formats to --attempts"
    )
