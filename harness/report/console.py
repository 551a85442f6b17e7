"""The verdict on a terminal, or in a log that has no colours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.model.evidence import Evidence
from harness.model.verdict import Decision, Kind
from harness.report import rows, wire, words

FINDINGS_AT_MOST = 6
LOG_WIDTH = 140
WIDE = 100
"""From this many columns on the table has room for the change beside its bounds."""
VERDICT_STYLES = {
    Kind.PASS: "bold white on green",
    Kind.BLOCK: "bold white on red",
    Kind.INCONCLUSIVE: "bold black on yellow",
    Kind.INVALID: "bold white on magenta",
}
_DECISION_STYLES: dict[Decision, str] = {
    "pass": "green",
    "notice": "green",
    "inconclusive": "yellow",
    "likely slower": "yellow",
    "block": "bold red",
    "not judged": "dim",
}


def for_tables() -> Console:
    """Standard output in its own width; a log has none, and 80 columns would break its tables."""
    return Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else LOG_WIDTH)


def print_verdict(evidence: Evidence, console: Console, report: Path | None = None) -> None:
    """Print the verdict, the step to blame, the most severe findings, and where the report is if it was written."""
    verdict = evidence.verdict
    badge = Text(f" {rows.VERDICT_SIGNS[verdict.kind]} {verdict.kind.name} ", style=VERDICT_STYLES[verdict.kind])
    facts = f"  {rows.extent(evidence)}, exit code {verdict.exit_code}"
    console.print()
    console.print(badge + Text(words.printable(facts), style="not bold default on default"))
    _paragraph(console, verdict.sentence, "bold")
    if evidence.partial:
        _paragraph(console, f"Partial run: {evidence.partial}", "bold yellow")
    if blame := rows.blame(evidence):
        _paragraph(console, f"Step to blame: {blame}")
    if failures := rows.failures_in_a_sentence(evidence):
        _paragraph(console, f"{failures}.")
    if retries := rows.retries_in_a_sentence(evidence):
        _paragraph(console, f"{retries}.")
    for reason in verdict.reasons:
        _paragraph(console, f"· {reason}")
    findings = rows.most_severe(evidence, FINDINGS_AT_MOST)
    if findings:
        console.print(_table(findings, console.width))
        left_out = len(verdict.findings) - len(findings)
        if left_out:
            _paragraph(console, f"{left_out} more in the report.", "dim")
    if changed := wire.lines(evidence):
        _paragraph(console, f"{wire.HEADING}:")
        for line in changed:
            _paragraph(console, line)
    for notice in rows.notices(evidence):
        _paragraph(console, f"Note: {notice}", "dim")
    if report is not None:
        # Not wrapped: a path broken over two lines can be neither clicked nor copied.
        console.print(Text(f"Report: {words.printable(str(report))}"), soft_wrap=True)
    console.print()


def _paragraph(console: Console, text: str, style: str = "") -> None:
    console.print(Text(words.printable(text), style=style))


def _table(findings: list[rows.Row], width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("metric", overflow="fold")
    table.add_column("baseline", justify="right", no_wrap=True)
    table.add_column("candidate", justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("change", justify="right", no_wrap=True)
    table.add_column("bounds", justify="right", no_wrap=True)
    table.add_column("margin", justify="right", no_wrap=True)
    table.add_column("decision", overflow="fold", max_width=len("inconclusive"))
    for row in findings:
        change = [row.change] if width >= WIDE else []
        cells = [row.metric, row.baseline, row.candidate, *change, row.bounds, row.margin]
        table.add_row(*map(Text, cells), Text(row.decision, style=_DECISION_STYLES[row.decision]))
    return table
