"""Which samples of another tool are logins, and which are steps of one.

1. A login is a sample or a transaction of the login's label. Where both are of that label, the transaction is the
   login and its sample a step.
2. A step is a sample that lies in a login, but not in another step. A transaction within a login is none: its samples
   are.
3. What lies in no login is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.errors import ConfigError, one_line
from harness.importers.samples import Samples
from harness.model.attempt import STATUSES, Codes, Flags, Floats, Ints, StepColumns
from harness.model.plan import NS
from harness.model.steps import LOGIN
from harness.system.text import clipped

STEPS_AT_MOST = 100
_OK, _ERROR = STATUSES.index("ok"), STATUSES.index("error")


@dataclass(frozen=True, slots=True)
class OneArm:
    """One file's logins in order of their start (ns since 1970), and their steps; as in AttemptTable otherwise.

    ``row`` is the login's row in the file, of which ``line_of`` gives the line. ``left_out`` counts samples that lie in
    no login by label, ``missing`` those that logins say they hold and the file has not.
    """

    path: Path
    start_ns: Ints
    elapsed_s: Floats
    status: Codes
    steps: dict[str, StepColumns]
    row: Ints
    thread: Ints | None
    resolution_s: float
    line_of: Callable[[int], int]
    left_out: Mapping[str, int]
    missing: int

    def part(self, first: int, end: int) -> OneArm:
        """The logins from the ``first`` on to before ``end``."""
        steps = {}
        for name, columns in self.steps.items():
            here = (columns.row >= first) & (columns.row < end)
            if here.any():
                steps[name] = StepColumns(columns.row[here] - first, columns.service_s[here], columns.status[here])
        mine = slice(first, end)
        return replace(
            self,
            start_ns=self.start_ns[mine],
            elapsed_s=self.elapsed_s[mine],
            status=self.status[mine],
            steps=steps,
            row=self.row[mine],
            thread=None if self.thread is None else self.thread[mine],
        )


def login_label(files: Sequence[Samples], wanted: str | None) -> str:
    """The label of whole logins in every file; raises ConfigError.

    ``wanted`` is the user's choice; without it ``login`` where any file has it, else the only label that there is.
    """
    label = wanted or LOGIN
    has = [bool(samples.named(label).any()) for samples in files]
    if wanted is None and not any(has):
        known = {name.lower(): name for samples in files for name in _top_labels(samples)}
        if len(known) == 1:
            return next(iter(known.values()))
    if not all(has):
        lacking = files[has.index(False)]
        other = "" if wanted else " (or the name of a whole login by --login-label)"
        raise ConfigError(
            f"{lacking.path}: label: expected samples of {clipped(label)}{other} in both files, got {lacking.counted()}"
        )
    sums = [bool((samples.named(label) & samples.group).any()) for samples in files]
    if sums[0] != sums[1 % len(sums)]:
        whole, single = (files[sums.index(kind)].path for kind in (True, False))
        raise ConfigError(
            f"{single}: label: expected {clipped(label)} to be a transaction as in {whole}, got single samples of it"
        )
    return label


def one_arm(samples: Samples, label: str) -> OneArm:
    """A file's logins and steps by rules 1 to 3; raises ConfigError where it has no login, or too many steps."""
    whole = _whole(samples, label)
    (rows,) = np.nonzero(whole)
    if not len(rows):
        raise ConfigError(f"{samples.path}: expected samples of logins, got none")
    rows = rows[np.argsort(samples.start_ns[rows], kind="stable")]
    ok = samples.ok[rows].copy()
    owner = _owners(samples, rows, label)
    (of_step,) = np.nonzero((owner >= 0) & ~samples.group)
    owner_of = owner[of_step]
    summed_up = samples.group[rows]
    failing = np.unique(owner_of[~samples.ok[of_step]])
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
        columns[_step_name(samples.labels[int(code)], label)] = StepColumns(
            owner_of[mine], samples.elapsed_s[at], _status(samples.ok[at])
        )
    alone = (owner < 0) & ~whole & ~samples.group & ~_within(samples, ~samples.group)
    left = np.bincount(samples.label[alone], minlength=len(samples.labels))
    return OneArm(
        path=samples.path,
        start_ns=samples.start_ns[rows],
        elapsed_s=samples.elapsed_s[rows],
        status=_status(ok),
        steps=columns,
        row=rows,
        thread=None if samples.thread is None else samples.thread[rows],
        resolution_s=samples.resolution_s,
        line_of=samples.line_of,
        left_out={clipped(samples.labels[code]): int(left[code]) for code in np.flatnonzero(left)},
        missing=_missing(samples, rows, owner),
    )


def _top_labels(samples: Samples) -> list[str]:
    return [samples.labels[code] for code in np.unique(samples.label[~samples.nested])]


def _whole(samples: Samples, label: str) -> Flags:
    named = samples.named(label)
    if (named & samples.group).any():
        return named & samples.group
    named &= ~_within(samples, named)
    if samples.held is None and samples.thread is not None:
        return named & ~_within_others(samples, named)
    return named


def _within(samples: Samples, others: Flags) -> Flags:
    """Which samples the file holds within any of the others, however deep."""
    found = np.zeros(len(others), dtype=bool)
    if samples.within is not None:
        around = samples.within
        while (around >= 0).any():
            found |= (around >= 0) & others[around]
            around = np.where(around >= 0, samples.within[around], -1)
    return found


def _within_others(samples: Samples, named: Flags) -> Flags:
    """Which rows lie within another of theirs on its thread, where the file doesn't say what is a transaction.

    A thread does one thing after the other, so that such a row is a part of the other. Where any two overlap and
    neither holds the other, threads of several machines go by one name, and nothing is known.
    """
    (rows,) = np.nonzero(named)
    start, end = samples.start_ns[rows], samples.start_ns[rows] + np.rint(samples.elapsed_s[rows] * NS).astype(np.int64)
    thread = np.zeros(len(rows)) if samples.thread is None else samples.thread[rows]
    # Of two that begin alike the longer holds the other; of equal ones the later in the file, as JMeter writes them.
    order = np.lexsort((-rows, -end, start, thread))
    inside, until = np.zeros(len(rows), dtype=bool), np.int64(0)
    lane = -1.0
    for place in order:
        if thread[place] != lane or start[place] >= until:
            lane, until = thread[place], end[place]
        elif end[place] <= until:
            inside[place] = True
        else:
            return np.zeros(len(samples.ok), dtype=bool)
    found = np.zeros(len(samples.ok), dtype=bool)
    found[rows[inside]] = True
    return found


def _step_name(label: str, login: str) -> str:
    """``login`` is the name of the whole, so that a request of that name needs another as a step."""
    same = label.lower() in (LOGIN, login.lower())
    return f"{one_line(label)} (request)" if same else one_line(label)


def _status(ok: Flags) -> Codes:
    return np.where(ok, _OK, _ERROR).astype(np.int8)


def _owners(samples: Samples, logins: Ints, label: str) -> Ints:
    """For each sample the place in ``logins`` of the one that it lies in, −1 for those in none, and for logins."""
    place = np.full(len(samples.ok), -1, dtype=np.int64)
    place[logins] = np.arange(len(logins))
    owner = np.full(len(samples.ok), -1, dtype=np.int64)
    candidate = place < 0
    if samples.group[logins].any() and samples.scope is not None:
        inside = [code for code, scope in enumerate(samples.scopes) if label.lower() in scope.lower().split("::")]
        candidate &= np.isin(samples.scope, inside)
    (free,) = np.nonzero(candidate & ~samples.nested)
    if len(free):
        owner[free] = _by_time(samples, logins, free)
    if samples.within is not None:
        (nested,) = np.nonzero(candidate & samples.nested)
        owner[nested] = _by_nesting(samples, samples.within, place, owner, nested)
    return owner


def _by_nesting(samples: Samples, within: Ints, place: Ints, owner: Ints, nested: Ints) -> Ints:
    """The login around each nested sample, through transactions alone: what a step holds is a part of that step."""
    around = within[nested]
    while True:
        climbing = (around >= 0) & (place[around] < 0) & samples.group[around] & (within[around] >= 0)
        if not climbing.any():
            break
        around = np.where(climbing, within[around], around)
    # A transaction beside its login in the file, not within it, has the login of its own time.
    return np.where(place[around] >= 0, place[around], np.where(samples.group[around], owner[around], -1))


def _by_time(samples: Samples, logins: Ints, rows: Ints) -> Ints:
    """For each row the last login that began before it on its thread, −1 if it doesn't lie within that."""
    slack = np.int64(samples.resolution_s * NS)
    lasts_s = samples.elapsed_s if samples.idle_s is None else samples.elapsed_s + samples.idle_s
    start = samples.start_ns - samples.start_ns.min()
    end = start + np.rint(lasts_s * NS).astype(np.int64)
    thread = np.zeros(len(start), dtype=np.int64) if samples.thread is None else samples.thread
    # Logins and rows in one order of time, thread by thread; a login stands before a row that begins with it.
    which = np.concatenate([logins, rows])
    is_row = np.arange(len(which)) >= len(logins)
    order = np.lexsort((is_row, np.where(is_row, start[which] + slack, start[which]), thread[which]))
    last = np.maximum.accumulate(np.where(is_row[order], -1, np.arange(len(order))))
    # Where threads aren't known, logins overlap: a row may lie in an earlier one than the last, to which it is given.
    ends, place = np.unique(end[which], return_inverse=True)
    rank = np.where(is_row, 0, place)
    lane = thread[which] * np.int64(len(which) + 1)
    latest = np.maximum.accumulate((lane + rank)[order]) - lane[order]
    found = np.full(len(which), -1, dtype=np.int64)
    owner = order[last]  # −1 is the last of all, whose thread is another or which is a row
    same = (last >= 0) & ~is_row[owner] & (thread[which[owner]] == thread[which[order]])
    inside = same & (ends[np.maximum(latest, 0)] + slack >= end[which[order]])
    found[order] = np.where(inside, owner, -1)
    return found[len(logins) :]


def _missing(samples: Samples, logins: Ints, owner: Ints) -> int:
    """How many samples the logins say they hold and the file doesn't show in them; raises ConfigError.

    Where the file leaves out idle times, such a login may have ended later than is known, and what is left of its steps
    is no fair choice of them.
    """
    if samples.held is None or not samples.group[logins].any():
        return 0
    steps = owner[(owner >= 0) & ~samples.group]
    shown = np.bincount(steps, minlength=len(logins))
    says = samples.held[logins]
    cut = (shown < says) & (shown > 0)
    if samples.idle_s is None and cut.any():
        first = int(np.argmax(cut))
        raise ConfigError(
            f"{samples.path}:{samples.line_of(int(logins[first]))}: IdleTime: expected how long the transaction "
            f"paused, since it has {int(says[first])} samples and its time holds {int(shown[first])}: measure with "
            "jmeter.save.saveservice.idle_time=true"
        )
    return int(np.maximum(says - shown, 0).sum()) if shown.any() else 0
