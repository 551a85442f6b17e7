"""``authgate updates``: the catalogue of updates that slowed or broke logins, and its replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from harness.cli.options import (
    format_option,
    lang_option,
    quiet_option,
    results_option,
    verdict_format_option,
    workers_option,
    written_option,
)
from harness.config import shipped
from harness.config.load import load_update
from harness.model.exit_codes import CRASH
from harness.model.fault import Fault
from harness.model.update import Update
from harness.model.verdict import Kind
from harness.report.progress import progress


class UpdateName(click.ParamType[Update]):
    """A catalogued update's name, or a YAML file."""

    name = "update"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Update:
        return value if isinstance(value, Update) else load_update(shipped.find(value, shipped.UPDATES))


@click.group("updates")
def command() -> None:
    """Updates that slowed or broke logins elsewhere: what is known about them, and their replay on a lab."""


@command.command("list")
@format_option
def list_updates(written: str) -> int:
    """List the catalogue."""
    if written == "json":
        from harness.report.listings import updates_document

        click.echo(updates_document(shipped.updates()).model_dump_json(indent=2))
        return 0
    table = Table(Column("name", no_wrap=True), "lab", "signature", "expected", "title", box=None)
    for found in shipped.updates():
        signature = ", ".join(found.signature)
        table.add_row(found.name, found.fault.lab, signature, found.expected.verdict, found.title)
    Console().print(table)
    return 0


@command.command()
@click.argument("update", type=UpdateName())
@written_option("Print it for reading, or as JSON (authgate schema update).")
def show(update: Update, written: str) -> int:
    """Show what the catalogue says about UPDATE.

    Its sources, mechanism, fault and run, and the verdict that is expected.
    """
    if written == "json":
        click.echo(update.model_dump_json(indent=2))
        return 0
    console = Console(highlight=False)
    console.print(Text(update.title, style="bold"))
    known = [*update.ids, *([update.when.isoformat()] if update.when else [])]
    if known:
        console.print(Text(", ".join(known), style="dim"))
    for source in update.sources:
        console.print(Text(f"{source.standing}: ", style="bold") + Text(source.text, style="not bold"))
        if source.url is not None:
            console.print(Text(f"    {source.url}"), soft_wrap=True)  # broken over two lines it couldn't be followed
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in _rows(update):
        grid.add_row(name, Text(text))
    console.print(grid)
    return 0


@command.command("run")
@click.argument("update", type=UpdateName())
@results_option
@quiet_option
@lang_option
@workers_option
@verdict_format_option
def run_update(update: Update, results: Path, quiet: bool, lang: str, workers: int | None, written: str) -> int:
    """Replay UPDATE on its lab.

    Exits 0 if the verdict and the blamed step are as expected.
    """
    return replayed(update, results, quiet, workers, lang, written)


def replayed(
    update: Update,
    results: Path,
    quiet: bool,
    workers: int | None = None,
    lang: str = "en",
    written: str = "table",
) -> int:
    """Replay the update, report its verdict and whether it is the expected one; the exit code."""
    # Here, since to list the catalogue takes nothing of what replays it.
    from harness.cli.tell import tell
    from harness.updates.replay import outcome_of, replay
    from harness.webui.live import also_live

    console = Console(stderr=written == "json")
    with progress(console, quiet) as shown, also_live(shown) as display:
        evidence = replay(update, results, display, workers)
    tell(evidence, results / evidence.run_id, lang, written)
    outcome = outcome_of(update, evidence)
    got = outcome.verdict + (f" at {outcome.step}" if outcome.step else "")
    console.print(f"expected {_expected(update)}, got {got} after {outcome.load_s:.0f} s of load")
    return 0 if outcome.as_expected else Kind[outcome.verdict].exit_code or CRASH


def _rows(update: Update) -> list[tuple[str, str]]:
    from harness.updates.replay import scenario_of

    fault, expected, scenario = update.fault, update.expected, scenario_of(update)
    rows = [("mechanism", update.mechanism), ("lab", fault.lab)]
    rows += [("on both arms", change) for change in fault.common]
    rows += [("on both arms", in_words(wire)) for wire in fault.common_relay]
    rows += [("candidate", change) for change in fault.changes]
    rows += [("candidate", in_words(wire)) for wire in fault.relay]
    rows += [("why these values", fault.why), ("signature", ", ".join(update.signature))]
    rows += [("expected", f"{_expected(update)}, by {expected.by}")]
    rate, blocks = scenario.arrivals.peak, scenario.blocks
    each = f"{blocks.per_pair} + {blocks.per_pair} " if blocks.per_pair > 1 else ""
    sizes = f"{blocks.pairs} pairs of {each}blocks of {blocks.length_s:g} s, {scenario.duration_s:g} s of load at most"
    rows += [("run", f"{update.run.scenario} at {rate:g} logins/s, {sizes}, policy {update.run.policy}")]
    rows += [("", f"steps {', '.join(scenario.steps)}")]
    return rows


def _expected(update: Update) -> str:
    steps = update.expected.steps
    return update.expected.verdict + (f" at {' or '.join(steps)}" if steps else "")


def in_words(fault: Fault) -> str:
    """A fault on the wire as the catalogue writes it, defaults left out."""
    values = fault.model_dump(exclude={"kind", "at"}, exclude_defaults=True)
    settings = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"{fault.kind} at {fault.at}" + (f": {settings}" if settings else "")
