"""JMeter's result files (JTL), CSV and XML.

Sources: the JMeter user manual, "Listeners" (CSV columns ``timeStamp,elapsed,label,…,threadName,…,success``, XML
attributes ``ts``, ``t``, ``lb``, ``s``, ``tn``; times in ms), and bin/jmeter.properties, which ships with
``sampleresult.timestamp.start=true``: a time stamp is a sample's start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa

from harness.errors import ConfigError
from harness.importers.columns import Columns, opened, read_csv, unreadable
from harness.importers.samples import Samples, coded

_NEEDED = ("timeStamp", "elapsed", "label", "success")
_ATTRIBUTES = {"timeStamp": "ts", "elapsed": "t", "label": "lb", "success": "s", "threadName": "tn"}
_SAMPLES = ("httpSample", "sample")


def read_jtl(path: Path) -> Samples:
    """The samples of a CSV with a header; raises ConfigError with file, line and column."""
    return _samples(read_csv(path, _NEEDED, ("threadName",)), None)


def read_jtl_xml(path: Path) -> Samples:
    """The samples of an XML file, those within others too; raises ConfigError with file, line and attribute."""
    rows: list[list[str | None]] = []
    lines: list[int] = []
    depths: list[int] = []
    parser = expat.ParserCreate()
    depth = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if name in _SAMPLES:
            rows.append([attributes.get(short) for short in _ATTRIBUTES.values()])
            lines.append(parser.CurrentLineNumber)
            depths.append(depth)
            depth += 1

    def end(name: str) -> None:
        nonlocal depth
        depth -= name in _SAMPLES

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    try:
        with opened(path) as file:
            parser.ParseFile(file)
    except (OSError, EOFError) as error:
        unreadable(path, error)
    except expat.ExpatError as error:
        raise ConfigError(
            f"{path}:{error.lineno}: expected XML to its end, got: {expat.ErrorString(error.code)}"
        ) from None
    if not rows:
        raise ConfigError(f"{path}: expected elements httpSample or sample, got none")
    columns: dict[str, Any] = {
        name: pa.array(values, pa.string()) for name, values in zip(_ATTRIBUTES, zip(*rows, strict=True), strict=True)
    }
    return _samples(Columns(path, columns, lambda row: lines[row]), np.array(depths) > 0)


def _samples(columns: Columns, part: Any) -> Samples:
    columns.refuse_none()
    start_ns, resolution_s = columns.instants("timeStamp")
    label, labels = coded(columns.text("label"))
    count = len(columns)
    # A transaction of no samples has no thread in some versions, nor has a file where threadName is switched off.
    thread = coded(columns.text("threadName"))[0] if "threadName" in columns.by_name else np.zeros(count, np.int64)
    return Samples(
        path=columns.path,
        format="jtl",
        start_ns=start_ns,
        elapsed_s=columns.numbers("elapsed", "milliseconds of 0 or more") / 1e3,
        ok=columns.flags("success"),
        label=label,
        labels=labels,
        thread=thread,
        part=np.zeros(count, dtype=bool) if part is None else part,
        group=np.zeros(count, dtype=bool),
        scope=np.zeros(count, dtype=np.int64),
        scopes=("",),
        resolution_s=resolution_s,
    )
