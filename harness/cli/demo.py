"""``authgate demo``: an update of the catalogue replayed on its lab, or equal arms in the same run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import quiet_option, results_option, verdict_format_option, workers_option
from harness.cli.updates import replayed
from harness.config import shipped
from harness.config.load import load_update

DEMONSTRATED = "uppsala-2016"
NONE = "none"


@click.command("demo")
@click.option(
    "--update",
    default=DEMONSTRATED,
    show_default=True,
    help=f"A name of the catalogue (authgate updates list), or {NONE}: the run of {DEMONSTRATED} on equal arms.",
)
@results_option
@quiet_option
@workers_option
@verdict_format_option
def command(update: str, results: Path, quiet: bool, workers: int | None, written: str) -> int:
    """Replay an update on its lab; exits 0 if the verdict is as expected."""
    from harness.updates.replay import without_fault  # it brings all that measures and judges

    name = DEMONSTRATED if update == NONE else update
    found = load_update(shipped.find(name, shipped.UPDATES))
    chosen = without_fault(found) if update == NONE else found
    click.echo(f"{chosen.title}. {chosen.mechanism if update != NONE else ''}".rstrip(), err=written == "json")
    return replayed(chosen, results, quiet, workers, written=written)
