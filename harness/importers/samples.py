"""Samples of another tool, one a row, and which of them are logins, which steps of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.errors import ConfigError, one_line
from harness.importers.columns import Flags
from harness.model.attempt import STATUSES, Codes, Floats, Ints, StepColumns
from harness.model.plan import NS
from harness.model.steps import LOGIN

STEPS_AT_MOST = 100
_OK, _ERROR = STATUSES.index("ok"), STATUSES.index("error")


@dataclass(frozen=True, slots=True)
class Samples:
    """What one file holds, a sample a row, in columns of one length.

    ``start_ns`` is in ns since 1970 and exact to ``resolution_s``; ``elapsed_s`` in seconds; ``label`` indexes
    ``labels``. ``thread`` numbers the tool's thread or virtual user, 0 for all where the file doesn't say. ``part``
    marks samples that are part of another one in the file, and ``group`` those that only sum others up (a k6 group),
    whose success is that of the samples within; ``scope`` indexes ``scopes``, the groups a sample is in (``::a::b``).
    """

    path: Path
    format: str
    start_ns: Ints
    elapsed_s: Floats
    ok: Flags
    label: Ints
    labels: tuple[str, ...]
    thread: Ints
    part: Flags
    group: Flags
    scope: Ints
    scopes: tuple[str, ...]
    resolution_s: float

    def named(self, name: str) -> Flags:
        """Which samples have this label, whatever its case."""
        codes = [code for code, label in enumerate(self.labels) if label.lower() == name.lower()]
        return np.isin(self.label, codes)

    def inside(self, group: str) -> Flags:
        """Which samples are in a group of this name, whatever its case and however deep."""
        codes = [code for code, scope in enumerate(self.scopes) if group.lower() in scope.lower().split("::")]
        return np.isin(self.scope, codes)


@dataclass(frozen=True, slots=True)
class OneArm:
    """One file's logins in order of their start (ns since 1970), and their steps; as in AttemptTable otherwise."""

    start_ns: Ints
    elapsed_s: Floats
    status: Codes
    steps: dict[str, StepColumns]


def coded(column: Any) -> tuple[Ints, tuple[str, ...]]:
    """A text column as numbers from 0, and the texts they stand for in order of appearance."""
    found = pc.dictionary_encode(column)
    return found.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(found.dictionary.to_pylist())


def login_label(files: Sequence[Samples], wanted: str | None) -> str | None:
    """The label of whole logins in every file, None where each sample is a login of its own; raises ConfigError.

    ``wanted`` is the user's choice; without it ``login`` counts where any file has it.
    """
    label = wanted or LOGIN
    has = [bool(samples.named(label).any()) for samples in files]
    if all(has):
        return label
    if wanted is None and not any(has):
        return None
    lacking = files[has.index(False)]
    known = one_line(", ".join(lacking.labels[:10]))
    raise ConfigError(f"{lacking.path}: label: expected samples of {one_line(label)} in both files, got {known}")


def one_arm(samples: Samples, label: str | None) -> OneArm:
    """A file's logins and steps; raises ConfigError where it has none, or too many labels to be steps.

    With a ``label`` the samples of that label are logins, and another one is a step of the last login that began
    before it on its thread, if it lies within a login; the rest (a log-out, say) is left out. Without, each sample
    that is no part of another is a login of its own, and its label the login's only step.
    """
    if label is None:
        whole = ~samples.part & ~samples.group
        steps = whole
    else:
        whole = samples.named(label)
        steps = ~samples.group
        if (whole & samples.group).any():
            whole &= samples.group
            steps &= samples.inside(label)
        steps &= ~whole
    (rows,) = np.nonzero(whole)
    if not len(rows):
        raise ConfigError(f"{samples.path}: expected samples of logins, got none")
    rows = rows[np.argsort(samples.start_ns[rows], kind="stable")]
    ok = samples.ok[rows].copy()
    (of_step,) = np.nonzero(steps)
    if label is None:
        place = np.empty(len(samples.ok), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        owner = place[of_step]
    else:
        owner, within = _owners(samples, rows, of_step)
        owner, of_step = owner[within], of_step[within]
        summed_up = samples.group[rows]
        failing = np.unique(owner[~samples.ok[of_step]])
        ok[failing[summed_up[failing]]] = False
    found = np.unique(samples.label[of_step])
    if len(found) > STEPS_AT_MOST:
        raise ConfigError(
            f"{samples.path}: label: expected at most {STEPS_AT_MOST} different labels, got {len(found):,}: give "
            "requests that differ only in an id or a user one name (in k6 the tag name)"
        )
    columns = {}
    for code in found:
        mine = samples.label[of_step] == code
        at = of_step[mine]
        columns[_step_name(samples.labels[int(code)])] = StepColumns(
            owner[mine], samples.elapsed_s[at], _status(samples.ok[at])
        )
    return OneArm(samples.start_ns[rows], samples.elapsed_s[rows], _status(ok), columns)


def _step_name(label: str) -> str:
    """``login`` is the name of the whole, so that a request of that name needs another as a step."""
    return f"{LOGIN} (request)" if label.lower() == LOGIN else one_line(label)


def _status(ok: Flags) -> Codes:
    return np.where(ok, _OK, _ERROR).astype(np.int8)


def _owners(samples: Samples, logins: Ints, steps: Ints) -> tuple[Ints, Flags]:
    """For each step the login (by its place in ``logins``) that it belongs to, and whether it lies within any."""
    start_s = (samples.start_ns - samples.start_ns.min()) / NS
    slack = samples.resolution_s
    # Threads are laid end to end, so that one sorted search serves them all.
    lane = float(np.max(start_s + samples.elapsed_s)) + 4 * slack
    start_s = start_s + samples.thread * lane
    end_s = start_s + samples.elapsed_s
    order = np.argsort(start_s[logins], kind="stable")
    begins, ends = start_s[logins][order], np.maximum.accumulate(end_s[logins][order])
    at = np.searchsorted(begins, start_s[steps] + slack, side="right") - 1
    within = (at >= 0) & (ends[at] + slack >= end_s[steps])
    return order[at], within
