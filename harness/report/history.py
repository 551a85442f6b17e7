"""A site's history on a terminal, and as one self-contained page that filters, draws and compares."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model.verdict import Kind
from harness.report import words
from harness.report.console import VERDICT_STYLES
from harness.report.history_json import history_document
from harness.report.pages import template
from harness.studies.history import Change, Past, Row
from harness.system.files import write_whole

_SHOWN = ("login/p95/expected", "login/p50/expected")
"""Of a run's metrics a terminal shows the first of these kinds that was judged."""
SHOWN_AT_MOST = 40
"""Runs of a row on a terminal, the last ones; the page has all."""


def print_history(rows: Sequence[Row], unread: Sequence[str], console: Console, page_at: Path | None) -> None:
    """Print each row's runs and the changes of its levels, and where the page is."""
    for row in rows:
        console.print(Text(words.printable(f"{row.scenario} on {', '.join(row.hosts)}"), style="bold"))
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for title in ("started", "run", "releases", "verdict", "candidate", "changed by"):
            table.add_column(title, no_wrap=title in ("started", "verdict", "run"))
        for past in row.runs[-SHOWN_AT_MOST:]:
            table.add_row(*_cells(past))
        console.print(table)
        if len(row.runs) > SHOWN_AT_MOST:
            console.print(Text(f"… and {len(row.runs) - SHOWN_AT_MOST} earlier ones", style="dim"))
        for change in row.changes:
            console.print(Text(f"▲ {in_words(change)}" if change.after > change.before else f"▼ {in_words(change)}"))
        console.print()
    if not rows:
        console.print("no runs")
    for text in unread:
        console.print(Text(words.printable(f"not read: {text}"), style="dim"), soft_wrap=True)
    if page_at is not None:
        console.print(Text(f"Page: {words.printable(str(page_at))}"), soft_wrap=True)


def in_words(change: Change) -> str:
    """A change of level in a sentence: which arm's, from which run on, from what to what."""
    before, after = words.level(change.before, change.unit), words.level(change.after, change.unit)
    by = words.change(change.after / change.before - 1, "relative") if change.unit == "relative" else ""
    return words.printable(
        f"{change.label} of the {change.arm}: {before} → {after}{f' ({by})' if by else ''} "
        f"from {change.started:%Y-%m-%d %H:%M} on ({change.run_id})"
    )


def write_page(rows: Sequence[Row], unread: Sequence[str], path: Path) -> Path:
    """Write history.html; its path. Raises OSError."""
    document = history_document(rows, unread, reports_from(rows, path.parent))
    return write_whole(path, page(document, rows))


def reports_from(rows: Sequence[Row], folder: Path) -> dict[str, str]:
    """Where each run's report is, as a link from a page in this folder."""
    found = {}
    for past in (past for row in rows for past in row.runs if past.report):
        there = os.path.relpath(Path(past.report).resolve(), folder.resolve())
        found[past.run_id] = quote(Path(there).as_posix())
    return found


def page(document: dict[str, Any], rows: Sequence[Row]) -> str:
    """The page, with its data in it; without scripts it is still a table of runs and a list of changes."""
    return template("history.html.j2").render(
        document=document,
        data=json.dumps(document, allow_nan=False).replace("<", "\\u003c"),
        changes=[[in_words(change) for change in row.changes] for row in rows],
        style={"colour": "#1b2733", "tint": "#eef2f5"},
        verdicts=[kind.name for kind in Kind],
    )


def _cells(past: Past) -> tuple[Text | str, ...]:
    shown = next((level for end in _SHOWN for key, level in sorted(past.levels.items()) if key.endswith(end)), None)
    style = VERDICT_STYLES[Kind[past.verdict]] if past.verdict in Kind.__members__ else ""
    return (
        f"{past.started:%Y-%m-%d %H:%M}",
        Text(words.printable(past.run_id)),
        Text(words.printable(" → ".join(past.releases))),
        Text(words.printable(past.verdict or past.status), style=style),
        Text(words.ABSENT if shown is None else words.printable(f"{shown.label} {words.seconds(shown.candidate)}")),
        words.change(None if shown is None else shown.change, "relative"),
    )
