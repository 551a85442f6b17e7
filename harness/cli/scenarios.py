"""``authgate scenarios``: what comes with authgate."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Column, Table

from harness.cli.options import format_option
from harness.config import shipped


@click.command("scenarios")
@format_option
def command(written: str) -> int:
    """List the scenarios that come with authgate."""
    if written == "json":
        from harness.report.listings import scenarios_document

        click.echo(scenarios_document(shipped.scenarios()).model_dump_json(indent=2))
        return 0
    table = Table(Column("name", no_wrap=True), "logins/s", "cold", "minutes", "description", box=None)
    for found in shipped.scenarios():
        cold = f"{sum(cohort.share or 0.0 for cohort in found.mix.values() if cohort.cache == 'cold'):.0%}"
        table.add_row(found.name, f"{found.arrivals.peak:g}", cold, f"{found.duration_s / 60:g}", found.description)
    Console().print(table)
    return 0
