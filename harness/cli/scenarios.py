"""``authgate scenarios``: what comes with authgate."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from harness.config import shipped


@click.command("scenarios")
def command() -> int:
    """List the scenarios that come with authgate."""
    table = Table("name", "logins/s", "cold", "minutes", "description", box=None)
    for found in shipped.scenarios():
        cold = f"{sum(cohort.share or 0.0 for cohort in found.mix.values() if cohort.cache == 'cold'):.0%}"
        table.add_row(found.name, f"{found.arrivals.peak:g}", cold, f"{found.duration_s / 60:g}", found.description)
    Console().print(table)
    return 0
