"""``authgate trend``: runs of one scenario, side by side."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import FILE_PATH, format_option
from harness.model.metric import QUANTILES
from harness.record.folder import RunFolder
from harness.report.listings import trend_document
from harness.report.words import printable, seconds, share
from harness.studies.trend import trend


@click.command("trend")
@click.argument("runs", type=FILE_PATH, nargs=-1, required=True)
@format_option
def command(runs: tuple[Path, ...], written: str) -> int:
    """Show how long logins took in runs of one scenario, in order of time; nothing is judged."""
    points = trend([RunFolder.open(run) for run in runs])
    if written == "json":
        click.echo(trend_document(points).model_dump_json(indent=2))
        return 0
    table = Table("started", "arm", "login", *QUANTILES, "failed", "verdict", box=None)
    for point in points:
        times = (seconds(value) for value in point.quantiles_s)
        table.add_row(
            Text(printable(point.started)), point.arm, point.cohort, *times, share(point.failed), point.verdict or "–"
        )
    Console().print(table)
    return 0
