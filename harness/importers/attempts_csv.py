"""Attempts that something else measured, from CSV: ``arm,block,t_intended_s,step,latency_s,ok`` and ``login``.

A row a step and one row with step ``login`` for the whole. Blocks are numbered in order of time; two neighbouring ones,
one of each arm, are a pair.

1. With the column ``login`` a step belongs to the login of its arm and name; both have one block and intended time.
2. Without it, to the login of the same arm, block and intended time, wherever in the file that is.
3. Where several logins have those in common (two within a microsecond, or a clock with milliseconds), their rows stand
   in order: a login's own row begins it, or ends it, as in the rest of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from harness.errors import ConfigError
from harness.importers.columns import DAY_S, Columns, read_csv
from harness.importers.copies import refuse_copies, refuse_repeated
from harness.importers.foreign import Foreign, How, Sent
from harness.importers.samples import coded
from harness.model.attempt import STATUSES, AttemptTable, Flags, Floats, Ints, StepColumns
from harness.model.comparison import Design
from harness.model.plan import NS
from harness.model.steps import LOGIN
from harness.model.target import ARMS
from harness.stats.arrivals import Arrivals
from harness.system.text import SHOWN_OF_LINE, clipped, csv_header, line_not_utf8

COLUMNS = ("arm", "block", "t_intended_s", "step", "latency_s", "ok")
LOGIN_ID = "login"
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")
_OK, _ERROR = STATUSES.index("ok"), STATUSES.index("error")
_BLOCKS_BELOW = 1e15
_SINCE_START_S = 5e9
"""Epoch seconds are seconds from a start too; what is further off is no time."""
_TICKS_NS = (NS, 1_000_000, 1_000)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The file's rows; ``block`` counts from 0, ``intended`` is in seconds, ``step`` indexes ``names``."""

    columns: Columns
    arm: Ints
    block: Ints
    intended: Floats
    step: Ints
    names: tuple[str, ...]

    @property
    def whole(self) -> Flags:
        """Which rows are whole logins."""
        return np.asarray(self.step == self.names.index(LOGIN))


def read_attempts(path: Path, trim_s: float, timeout_s: float) -> Foreign:
    """The attempts of a CSV file; raises ConfigError with file and line."""
    columns = _read(path)
    arm = columns.coded("arm", ARMS)
    named = columns.numbers("block", "a whole number of 0 or more", most=_BLOCKS_BELOW, whole=True)
    numbers, block = np.unique(named, return_inverse=True)
    intended = columns.numbers(
        "t_intended_s", "seconds from the run's start", least=-_SINCE_START_S, most=_SINCE_START_S
    )
    latency = columns.numbers("latency_s", "seconds of 0 or more", most=DAY_S)
    ok = columns.lower("ok").coded("ok", (*_TRUE, *_FALSE)) < len(_TRUE)
    status = np.where(ok, _OK, _ERROR).astype(np.int8)
    step, names = coded(columns.text("step"))
    if LOGIN not in names:
        raise ConfigError(f"{path}:1: step: expected a row with step login for each login, got none")
    rows = _Rows(columns, arm, block, intended, step, names)
    owner = _by_name(rows) if LOGIN_ID in columns.by_name else _by_place(rows)
    (logins,) = np.nonzero(rows.whole)
    place = np.empty(int(owner.max()) + 1, dtype=np.int64)
    place[owner[logins]] = np.arange(len(logins))
    steps = {}
    for index, name in enumerate(names):
        (of_step,) = np.nonzero(step == index)
        if name != LOGIN:
            steps[name] = StepColumns(place[owner[of_step]], latency[of_step], status[of_step])
    pair_of, pairs, how, block_s = _pairs(columns, numbers, logins, arm[logins], block[logins], intended[logins])
    starts = _starts(block[logins], intended[logins])
    table = AttemptTable(
        arm=arm[logins].astype(np.int8),
        block=block[logins],
        pair=pair_of[block[logins]],
        offset_s=intended[logins] - starts[block[logins]],
        intended_s=intended[logins],
        cohort=np.zeros(len(logins), dtype=np.int8),
        status=status[logins],
        response_s=latency[logins],
        service_s=latency[logins],
        steps=steps,
    )
    sent = tuple(_sent(columns, table, logins, code) for code in range(len(ARMS)))
    times = [latency[arm_sent.row] for arm_sent in sent]
    for arm_sent, elapsed_s in zip(sent, times, strict=True):
        refuse_repeated(str(path), arm_sent.arrivals.start, elapsed_s)
    refuse_copies(str(path), (sent[0].arrivals.start, times[0]), (sent[1].arrivals.start, times[1]))
    design = Design(block_s, trim_s, pairs, timeout_s, how != "one after the other")
    return Foreign(table, design, tuple(range(pairs)), tuple(steps), how, (sent[0], sent[1]))


def _read(path: Path) -> Columns:
    header, _ = csv_header(path)
    if sorted(name for name in header if name != LOGIN_ID) != sorted(COLUMNS) or header.count(LOGIN_ID) > 1:
        if line_not_utf8(path) == 1:
            raise ConfigError(f"{path}:1: expected text in UTF-8")
        raise ConfigError(
            f"{path}:1: expected columns {','.join(COLUMNS)} (and {LOGIN_ID}), got "
            f"{clipped(','.join(header), SHOWN_OF_LINE) or 'none'}"
        )
    columns = read_csv(path, COLUMNS, (LOGIN_ID,))
    if len(columns) == 0:
        raise ConfigError(f"{path}:1: expected attempts, got none")
    return columns


def _by_name(rows: _Rows) -> Ints:
    """The login of each row by its name (rule 1)."""
    columns = rows.columns
    names = columns.text(LOGIN_ID)
    columns.refuse(np.asarray(pc.equal(names, "").to_numpy(zero_copy_only=False)), LOGIN_ID, "a login's name or number")
    name = coded(names)[0]
    owner: Ints = np.unique(name * len(ARMS) + rows.arm, return_inverse=True)[1]
    _refuse_repeated(rows, owner)
    (logins,) = np.nonzero(rows.whole)
    mine = np.full(int(owner.max()) + 1, -1, dtype=np.int64)
    mine[owner[logins]] = logins
    of = mine[owner]
    columns.refuse(of < 0, LOGIN_ID, "a row with step login of the same arm and login")
    columns.refuse(rows.block != rows.block[of], "block", "that of its login's own row")
    columns.refuse(rows.intended != rows.intended[of], "t_intended_s", "that of its login's own row")
    return owner


def _by_place(rows: _Rows) -> Ints:
    """The login of each row by arm, block and intended time, and where those are several's by order (rules 2, 3)."""
    order = np.lexsort((rows.intended, rows.block, rows.arm))
    keys = np.stack([rows.arm[order].astype(np.float64), rows.block[order], rows.intended[order]])
    instant = np.empty(len(order), dtype=np.int64)
    instant[order] = np.concatenate([[0], np.cumsum((keys[:, 1:] != keys[:, :-1]).any(axis=0))])
    whole = rows.whole
    count = np.bincount(instant[whole], minlength=int(instant.max()) + 1)
    lacking = count[instant] == 0
    if lacking.any():
        line = rows.columns.line_of(int(np.argmax(lacking)))
        raise ConfigError(
            f"{rows.columns.path}:{line}: step: expected a row with step login of the same arm, block and t_intended_s"
        )
    (shared,) = np.nonzero(count[instant] > 1)
    owner = instant
    if len(shared):
        shared = shared[np.lexsort((shared, instant[shared]))]
        mine = whole[shared].astype(np.int64)
        begun = np.cumsum(mine) if _begins_with_login(instant, whole) else np.cumsum(mine) - mine
        owner = instant.copy()
        owner[shared] = int(instant.max()) + 1 + begun
        first = np.concatenate([[True], instant[shared][1:] != instant[shared][:-1]])
        last = np.concatenate([first[1:], [True]])
        stray = (first if _begins_with_login(instant, whole) else last) & ~whole[shared]
        if stray.any():
            _refuse_order(rows, int(shared[int(np.argmax(stray))]))
        owner = np.unique(owner, return_inverse=True)[1]
    _refuse_repeated(rows, owner)
    return owner


def _begins_with_login(instant: Ints, whole: Flags) -> bool:
    """Whether a login's own row comes before its steps, as it does in most of the file."""
    together = instant[1:] == instant[:-1]
    return int((together & whole[:-1] & ~whole[1:]).sum()) > int((together & ~whole[:-1] & whole[1:]).sum())


def _refuse_repeated(rows: _Rows, owner: Ints) -> None:
    """Raise ConfigError where a login has a step twice."""
    order = np.lexsort((np.arange(len(owner)), rows.step, owner))
    same = (owner[order][1:] == owner[order][:-1]) & (rows.step[order][1:] == rows.step[order][:-1])
    if same.any():
        _refuse_order(rows, int(order[1:][same].min()))


def _refuse_order(rows: _Rows, row: int) -> None:
    name = clipped(rows.names[int(rows.step[row])])
    raise ConfigError(
        f"{rows.columns.path}:{rows.columns.line_of(row)}: {name}: expected one row of a step for each login; two "
        "logins of one arm, block and t_intended_s are told apart by a column login, or else each has its row login "
        "before or after all its steps"
    )


def _starts(block: Ints, intended: Floats) -> Floats:
    starts = np.full(int(block.max()) + 1, np.inf)
    np.minimum.at(starts, block, intended)
    return starts


def _pairs(
    columns: Columns, names: Floats, rows: Ints, arm: Ints, block: Ints, intended: Floats
) -> tuple[Ints, int, How, float]:
    """Each block's pair (−1 for none), how many pairs have both arms, how arms were loaded, the block's length (s).

    ``names`` are the blocks' numbers in the file, ``rows`` the logins' rows in it.
    """
    present = np.zeros((int(block.max()) + 1, 2), dtype=bool)
    present[block, arm] = True
    pair_of = np.full(len(present), -1, dtype=np.int64)
    numbers = np.flatnonzero(present.any(axis=1))
    starts = _starts(block, intended)
    spans = np.diff(starts[numbers])
    block_s = float(np.median(spans)) if len(spans) else float(np.ptp(intended))
    if len(spans) and not (spans > 0).all():
        late = numbers[int(np.argmax(spans <= 0)) + 1]
        line = columns.line_of(int(rows[int(np.argmax(block == late))]))
        raise ConfigError(
            f"{columns.path}:{line}: block: expected blocks numbered in order of time, got an earlier start of "
            f"{names[late]:.0f}"
        )
    if not present.any(axis=0).all():
        raise ConfigError(f"{columns.path}: arm: expected logins of both arms, got {ARMS[int(arm[0])]} alone")
    if present[numbers].all():  # both arms at once: a block is a pair
        pair_of[numbers] = np.arange(len(numbers))
        return pair_of, len(numbers), "at once", block_s
    mine = [numbers[present[numbers, code]] for code in (0, 1)]
    count = min(len(mine[0]), len(mine[1]))
    for blocks in mine:
        pair_of[blocks[:count]] = np.arange(count)
    order = np.sort(np.concatenate([blocks[:count] for blocks in mine]))
    interleaved = bool((pair_of[order] == np.repeat(np.arange(count), 2)).all())
    return pair_of, count, "in turns" if interleaved else "one after the other", block_s


def _sent(columns: Columns, table: AttemptTable, logins: Ints, code: int) -> Sent:
    (mine,) = np.nonzero(table.arm == code)
    start = np.rint(table.intended_s[mine] * NS).astype(np.int64)
    order = np.argsort(start, kind="stable")
    start, mine = start[order], mine[order]
    arrivals = Arrivals(
        start=start,
        elapsed=np.rint(table.service_s[mine] * NS).astype(np.int64),
        follows=np.diff(table.block[mine]) == 0,
        resolution=next((tick for tick in _TICKS_NS if not (start % tick).any()), 1),
    )
    return Sent(arrivals, logins[mine], lambda row: f"{columns.path}:{columns.line_of(row)}")
