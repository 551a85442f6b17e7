"""A diagnosis on the console, and as JSON for CI."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.errors import one_line
from harness.model.diagnosis import LEVELS, Diagnosis, Level

_STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "problem": "bold red", "n/a": "dim"}


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print the checks, one arm after the other, and how many there are of each level."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("where", "check", ""):
        table.add_column(heading, no_wrap=True)
    table.add_column("found", overflow="fold")
    before = ("", "")
    for check in diagnosis.checks:
        remark = check.remark
        found = escape(one_line(remark.found)) + (f"\n→ {escape(one_line(remark.advice))}" if remark.advice else "")
        where = "" if check.where == before[0] else check.where
        name = "" if (check.where, check.name) == before else check.name
        table.add_row(where, name, f"[{_STYLES[remark.level]}]{remark.level}[/]", found)
        before = check.where, check.name
    console.print(table)
    counts = ", ".join(f"{sum(1 for _ in diagnosis.at(level))} {level}" for level in LEVELS)
    style = "green" if diagnosis.healthy else "bold red"
    console.print(f"[{style}]{'ready' if diagnosis.healthy else 'not ready'}[/]: {counts}")


def diagnosis_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The checks as a document: ``ready``, ``counts`` by level, and ``checks`` in order."""
    return {
        "ready": diagnosis.healthy,
        "counts": {level: sum(1 for _ in diagnosis.at(level)) for level in LEVELS},
        "checks": [
            {
                "where": check.where,
                "check": check.name,
                "level": check.remark.level,
                "found": check.remark.found,
                "advice": check.remark.advice,
            }
            for check in diagnosis.checks
        ],
    }
