"""Latencies as an HdrHistogram log, for the tools that plot and add up such logs.

The log's format is 1.3 of HdrHistogram's HistogramLogWriter; each histogram is in its V2 encoding: counts as ZigZag
LEB128 with runs of zeros, deflated, in base64 (https://github.com/HdrHistogram/HdrHistogram, EncodableHistogram and
AbstractHistogram). Values are nanoseconds with three significant digits, up to an hour.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from harness.model.attempt import Ints

_V2, _V2_COMPRESSED = 0x1C849303 | 0x10, 0x1C849304 | 0x10
DIGITS, LOWEST, HIGHEST = 3, 1, 3_600_000_000_000
_HALF_MAGNITUDE = 10
_HALF = 1 << _HALF_MAGNITUDE
"""Cells of each power of two: for three digits 2,048 in the first, and the upper half of as many in the others."""


def encoded(values: Ints) -> str:
    """A histogram of these nanoseconds, as a log's last column; what lies beyond an hour counts as an hour."""
    indices = counts_indices(np.clip(values, LOWEST, HIGHEST))
    payload = b"".join(_counts(np.bincount(indices) if len(indices) else np.zeros(1, dtype=np.int64)))
    head = struct.pack(">iiiiqqd", _V2, len(payload), 0, DIGITS, LOWEST, HIGHEST, 1.0)
    squeezed = zlib.compress(head + payload)
    return base64.b64encode(struct.pack(">ii", _V2_COMPRESSED, len(squeezed)) + squeezed).decode()


def counts_indices(values: Ints) -> Ints:
    """In which cell of a histogram each value is counted."""
    wide = values.astype(np.int64) | (2 * _HALF - 1)
    bucket = np.frexp(wide.astype(np.float64))[1].astype(np.int64) - (_HALF_MAGNITUDE + 1)
    sub = values >> bucket
    return np.asarray(((bucket + 1) << _HALF_MAGNITUDE) + (sub - _HALF), dtype=np.int64)


def _counts(counts: Ints) -> Iterator[bytes]:
    """The counts up to the last that is not zero; a run of zeros is its negative length."""
    zeros = 0
    for count in counts.tolist():
        if count == 0:
            zeros += 1
            continue
        if zeros:
            yield _zigzag(-zeros)
            zeros = 0
        yield _zigzag(count)


def _zigzag(value: int) -> bytes:
    """LEB128 of up to nine bytes, of which the ninth holds eight bits."""
    left = (value << 1) ^ (value >> 63)
    found = bytearray()
    while left >= 0x80 and len(found) < 8:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def log_lines(began: float, intervals: Iterable[tuple[str, float, float, Ints]]) -> Iterator[str]:
    """A log's lines: of each interval its tag, its start and length in seconds from ``began``, and its values."""
    yield "#[Histogram log format version 1.3]"
    yield f"#[StartTime: {began:.3f} (seconds since epoch)]"
    yield f"#[BaseTime: {began:.3f} (seconds since epoch)]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    for tag, start_s, length_s, values in intervals:
        largest_ms = float(values.max(initial=0)) / 1e6
        yield f"Tag={tag},{start_s:.3f},{length_s:.3f},{largest_ms:.3f},{encoded(values)}"
