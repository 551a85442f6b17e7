"""One measurement given twice: a file and its copy, or rows that are there again."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError
from harness.model.attempt import Floats, Ints
from harness.model.plan import NS
from harness.system.text import opened, unreadable

SHARED = 0.5
"""Of the smaller arm's logins: where so many begin and last as one of the other arm, one is a copy of the other."""
REPEATED = 0.3
TIMES_CHANCE = 2.0
"""Equal starts are usual with coarse clocks; how many of them would last equally long too follows from the times."""
AT_LEAST = 10
UNLIKELY = 1e-9
_CHUNK_BYTES = 1 << 20


def refuse_one_file(before: Path, after: Path) -> None:
    """Raise ConfigError where two files hold the same bytes once unpacked."""
    if _digest(before) == _digest(after):
        raise ConfigError(f"{before} and {after}: expected a measurement of each arm, got the same one twice")


def refuse_copies(where: str, baseline: tuple[Ints, Floats], candidate: tuple[Ints, Floats]) -> None:
    """Raise ConfigError where the arms' logins (starts in ns, ascending, and times in s) are one measurement.

    They are where most begin and last alike, which chance gives but to clocks too coarse to tell, or where they last
    alike one after the other though they began at another time, which chance gives once in 1e9.
    """
    origin = min(int(baseline[0][0]), int(candidate[0][0]))
    fewer = min(len(baseline[1]), len(candidate[1]))
    both, either = (
        _common(*(_keys(*arm, origin) for arm in (baseline, candidate))),
        _common(baseline[0], candidate[0]),
    )
    shared = int(np.minimum(*both).sum())
    expected = TIMES_CHANCE * float((either[0] * either[1]).sum()) * _alike(baseline[1], candidate[1])
    if shared >= max(SHARED * fewer, expected, AT_LEAST):
        told = f"{shared:,} of {fewer:,} logins that begin and last alike on both"
    elif _same_in_order(baseline[1], candidate[1]):
        told = f"the same {fewer:,} times in the same order, begun at another time"
    else:
        return
    raise ConfigError(f"{where}: expected a measurement of each arm, got {told}")


def refuse_repeated(where: str, start: Ints, elapsed_s: Floats) -> None:
    """Raise ConfigError where an arm's logins are in the file twice, as when two listeners write to one."""
    keys = np.sort(_keys(start, elapsed_s, int(start[0])))
    repeated = int((np.diff(keys) == 0).sum())
    _, counts = np.unique(start, return_counts=True)
    expected = TIMES_CHANCE * float((counts * (counts - 1) / 2).sum()) * _alike(elapsed_s, elapsed_s)
    if repeated >= max(REPEATED * len(keys), expected, AT_LEAST):
        raise ConfigError(f"{where}: expected each login once, got {repeated:,} of {len(keys):,} again")


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, EOFError) as error:
        unreadable(path, error)
    return digest.digest()


def _keys(start: Ints, elapsed_s: Floats, origin: int) -> npt.NDArray[np.complex128]:
    """Start and time as one value each, which sorts by start."""
    found: npt.NDArray[np.complex128] = (start - origin).astype(np.float64) + 1j * np.rint(elapsed_s * NS)
    return found


def _common(first: Any, second: Any) -> tuple[Ints, Ints]:
    """How often each value that both have is in either."""
    values, counts = np.unique(first, return_counts=True)
    others, theirs = np.unique(second, return_counts=True)
    _, at, there = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return counts[at], theirs[there]


def _alike(first: Floats, second: Floats) -> float:
    """The chance that a time of one is a time of the other."""
    counts = _common(np.rint(first * NS), np.rint(second * NS))
    return float((counts[0] / len(first) * (counts[1] / len(second))).sum())


def _same_in_order(first: Floats, second: Floats) -> bool:
    if len(first) != len(second) or not np.array_equal(np.rint(first * NS), np.rint(second * NS)):
        return False
    _, place, counts = np.unique(np.rint(first * NS), return_inverse=True, return_counts=True)
    return float(np.log(counts[place] / len(first)).sum()) < math.log(UNLIKELY)
