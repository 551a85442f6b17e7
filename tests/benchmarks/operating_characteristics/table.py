"""From outcomes to cells, and from cells to Markdown and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.benchmarks.operating_characteristics.judged import QUANTILES, Outcome, blocked, passed
from tests.benchmarks.operating_characteristics.rivals import RIVALS
from tests.benchmarks.operating_characteristics.rows import BLAMED, LAYOUTS, ROWS


@dataclass(frozen=True, slots=True)
class Cell:
    """One row under one layout: shares in percent, the median minutes of the decided runs (NaN without any)."""

    row: str
    layout: str
    runs: int
    block: float
    passed: float
    minutes: float
    blamed: float
    """Of the runs that block, the share that names the right step; NaN where no step is right, or none blocks."""
    shift: tuple[float, ...]
    sd: tuple[float, ...]
    rivals: dict[str, float]
    way_named: float = 0.0
    """Of all runs, the share in which a change of the ways that logins go was told within ten minutes."""


def cell_of(outcomes: Sequence[Outcome]) -> Cell:
    """What the runs of one row and layout come to."""
    first, decided = outcomes[0], [o for o in outcomes if blocked(o) or passed(o)]
    named = [o.blamed == BLAMED[o.row] for o in outcomes if blocked(o) and o.row in BLAMED]
    return Cell(
        row=first.row,
        layout=first.layout,
        runs=len(outcomes),
        block=_percent([blocked(o) for o in outcomes]),
        passed=_percent([passed(o) for o in outcomes]),
        minutes=float(np.median([o.minutes for o in decided])) if decided else math.nan,
        blamed=_percent(named),
        shift=tuple(100 * math.expm1(x) for x in np.mean([o.shift for o in outcomes], axis=0)),
        sd=tuple(float(x) for x in np.sqrt(np.mean(np.square([o.sd for o in outcomes]), axis=0))),
        rivals={name: _percent([o.rivals[name] for o in outcomes]) for name in RIVALS},
        way_named=_percent([o.way_named for o in outcomes]),
    )


def markdown(cells: Sequence[Cell], facts: Sequence[str]) -> str:
    """The whole report: this judge, then its rivals layout by layout."""
    layouts = [name for name in LAYOUTS if any(cell.layout == name for cell in cells)]
    lines = ["# Operating characteristics", "", *(f"- {fact}" for fact in facts), ""]
    lines += ["## This judge", "", "BLOCK / PASS % @ median minutes of the decided runs; the rest is INCONCLUSIVE.", ""]
    lines += _rows(
        ["candidate", "measured shift p50 / p95 / p99", *(LAYOUTS[name].title for name in layouts)],
        ([ROWS[row].title, _shift(mine), *(_verdicts(mine.get(name)) for name in layouts)] for row, mine in _by(cells)),
    )
    for name in layouts:
        at = [cell for cell in cells if cell.layout == name]
        if LAYOUTS[name].headroom is not None:
            continue  # rivals judge ordinary load, of which a run without headroom gives them more
        lines += ["", f"## Rivals on the same runs: {LAYOUTS[name].title}", "", "BLOCK %.", ""]
        lines += _rows(
            ["candidate", "this judge", *RIVALS],
            ([ROWS[c.row].title, _number(c.block), *(_number(x) for x in c.rivals.values())] for c in at),
        )
    lines += ["", "The rivals judge once, at the end, on the trimmed logins of all pairs but the first:", ""]
    lines += [f"- *{name}*: {what}" for name, what in RIVALS.items()]
    lines += [
        "",
        "## Noise",
        "",
        "The sd over pairs of D, in ln-units, of an equal candidate, root mean square over runs.",
        "",
    ]
    lines += _rows(
        ["design", *QUANTILES],
        ([LAYOUTS[c.layout].title, *(f"{x:.3f}" for x in c.sd)] for c in cells if c.row == "equal"),
    )
    return "\n".join(lines) + "\n"


def as_json(cells: Sequence[Cell]) -> list[dict[str, object]]:
    """The cells as plain data, None in place of NaN."""
    return [{key: _plain(value) for key, value in asdict(cell).items()} for cell in cells]


def from_json(document: Iterable[Mapping[str, Any]]) -> list[Cell]:
    """Cells that ``as_json`` made."""
    numbers = ("minutes", "blamed")
    return [
        Cell(
            **{
                **cell,
                **{name: math.nan if cell[name] is None else cell[name] for name in numbers},
                **{name: tuple(math.nan if x is None else x for x in cell[name]) for name in ("shift", "sd")},
            }
        )
        for cell in document
    ]


def merged(*parts: Iterable[Cell]) -> list[Cell]:
    """One cell of each row and layout, a later part's in place of an earlier one's, in the table's order."""
    found = {(cell.layout, cell.row): cell for part in parts for cell in part}
    layouts, rows = list(LAYOUTS), list(ROWS)
    return sorted(found.values(), key=lambda cell: (layouts.index(cell.layout), rows.index(cell.row)))


def _by(cells: Sequence[Cell]) -> list[tuple[str, dict[str, Cell]]]:
    return [(row, mine) for row in ROWS if (mine := {cell.layout: cell for cell in cells if cell.row == row})]


def _verdicts(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    at = "" if math.isnan(cell.minutes) else f" @{cell.minutes:.3g}"
    named = "" if math.isnan(cell.blamed) else f", step named {_number(cell.blamed)} %"
    way = f", way named {_number(cell.way_named)} %" if cell.way_named else ""
    return f"{_number(cell.block)} / {_number(cell.passed)}{at}{named}{way} (n={cell.runs})"


def _shift(mine: dict[str, Cell]) -> str:
    return " / ".join("–" if math.isnan(x) else f"{x:+.1f}" for x in next(iter(mine.values())).shift) + " %"


def _number(percent: float) -> str:
    return "–" if math.isnan(percent) else f"{percent:.1f}".removesuffix(".0")


def _percent(flags: Sequence[bool]) -> float:
    return 100 * sum(flags) / len(flags) if flags else math.nan


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _plain(value: object) -> object:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
