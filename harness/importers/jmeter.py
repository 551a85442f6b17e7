"""JMeter's result files (JTL), CSV and XML.

Sources: the JMeter user manual, "Listeners" (CSV columns ``timeStamp,elapsed,label,…,threadName,…,success``, XML
attributes ``ts``, ``t``, ``lb``, ``s``, ``tn``; times in ms), and bin/jmeter.properties, which ships with
``sampleresult.timestamp.start=true``: a time stamp is a sample's start. A Transaction Controller's row says in its
message how many samples it sums up; its end is its start, its time and its idle time (``IdleTime``, ``it``), which its
time leaves out (TransactionController.java, SampleResult.java). In ``mode=Statistical`` a row is the sum of
``SampleCount`` (``sc``) samples ("Remote Testing", "Sender mode").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import ConfigError
from harness.importers.columns import Columns, read_csv
from harness.importers.samples import Samples, coded
from harness.model.attempt import Ints
from harness.system.text import opened, unreadable

_NEEDED = ("timeStamp", "elapsed", "label", "success")
_WISHED = ("threadName", "Hostname", "responseMessage", "IdleTime", "SampleCount")
_ATTRIBUTES = {"timeStamp": "ts", "elapsed": "t", "label": "lb", "success": "s", "threadName": "tn", "Hostname": "hn",
               "responseMessage": "rm", "IdleTime": "it", "SampleCount": "sc"}  # fmt: skip
_SAMPLES = ("httpSample", "sample")
_TRANSACTION = r"^Number of samples in transaction : (?P<held>\d{1,9})"
_MS = "milliseconds of 0 or more"
_SAMPLE_COUNTS = 1e9


def read_jtl(path: Path) -> Samples:
    """The samples of a CSV with a header; raises ConfigError with file, line and column."""
    return _samples(read_csv(path, _NEEDED, _WISHED), None)


def read_jtl_xml(path: Path) -> Samples:
    """The samples of an XML file, those within others too; raises ConfigError with file, line and attribute."""
    rows: list[list[str | None]] = []
    lines: list[int] = []
    around: list[int] = []
    open_rows = [-1]
    parser = expat.ParserCreate()

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name in _SAMPLES:
            around.append(open_rows[-1])
            open_rows.append(len(rows))
            rows.append([attributes.get(short) for short in _ATTRIBUTES.values()])
            lines.append(parser.CurrentLineNumber)

    def end(name: str) -> None:
        if name in _SAMPLES:
            open_rows.pop()

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
    # What no row has was switched off in the file.
    columns = {name: column for name, column in columns.items() if name in _NEEDED or column.null_count < len(column)}
    return _samples(Columns(path, columns, lambda row: lines[row]), np.array(around))


def _samples(columns: Columns, within: Ints | None) -> Samples:
    columns.refuse_none()
    _refuse_sums(columns)
    start_ns, resolution_s = columns.instants("timeStamp")
    label, labels = coded(columns.text("label"))
    has = columns.by_name.keys()
    held = _held(columns) if "responseMessage" in has else None
    idle_s = None
    if "IdleTime" in has:
        idle_s = columns.but("IdleTime", "0").numbers("IdleTime", _MS) / 1e3
    return Samples(
        path=columns.path,
        format="jtl",
        start_ns=start_ns,
        elapsed_s=columns.numbers("elapsed", _MS) / 1e3,
        ok=columns.flags("success"),
        label=label,
        labels=labels,
        group=np.zeros(len(columns), dtype=bool) if held is None else held >= 0,
        resolution_s=resolution_s,
        line_of=columns.line_of,
        thread=_threads(columns),
        within=within,
        held=held,
        idle_s=idle_s,
    )


def _refuse_sums(columns: Columns) -> None:
    if "SampleCount" in columns.by_name:
        counts = columns.but("SampleCount", "1").numbers("SampleCount", "a count", most=_SAMPLE_COUNTS)
        columns.refuse(
            counts > 1, "SampleCount",
            "1, a sample a row (mode=Statistical writes sums of them: set mode=StrippedBatch in jmeter.properties)",
        )  # fmt: skip


def _held(columns: Columns) -> Ints:
    """How many samples each row says it sums up, −1 where it is a sample itself."""
    found = pc.struct_field(pc.extract_regex(columns.text("responseMessage"), _TRANSACTION), "held")
    return np.asarray(pc.fill_null(pc.cast(found, pa.int64()), -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _threads(columns: Columns) -> Ints | None:
    """Threads by name and, where several machines sent, by machine: each calls its threads alike."""
    if "threadName" not in columns.by_name:
        return None
    names = columns.text("threadName")
    if "Hostname" in columns.by_name:
        names = pc.binary_join_element_wise(columns.text("Hostname"), names, "\n")
    return coded(names)[0]
