"""``authgate history``: every run that a site keeps, and where its levels changed."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from harness.cli.options import FILE_PATH, format_option
from harness.model.verdict import Kind


class Day(click.ParamType[datetime]):
    """A day or a time in ISO 8601; without a zone it is this machine's."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except ValueError:
            self.fail(f"expected a date such as 2026-11-30, got {value!r}", param, ctx)


@click.command("history")
@click.argument("folders", type=FILE_PATH, nargs=-1)
@click.option("--scenario", help="Runs of this scenario only.")
@click.option("--target", help="Runs against servers or releases with this in their name only.")
@click.option(
    "--verdict", type=click.Choice([*Kind.__members__, "NONE"], case_sensitive=False), help="Runs with this verdict."
)
@click.option("--since", type=Day(), help="Runs that began then or later.")
@click.option("--until", type=Day(), help="Runs that began before.")
@format_option
@click.option("--out", type=FILE_PATH, help="Write the page here. [default: history.html in the first folder]")
@click.option("--no-page", is_flag=True, help="Write no page.")
def command(
    folders: tuple[Path, ...],
    scenario: str | None,
    target: str | None,
    verdict: str | None,
    since: datetime | None,
    until: datetime | None,
    written: str,
    out: Path | None,
    no_page: bool,
) -> int:
    """List every run in FOLDERS (results, unless said), show where levels changed, and write history.html.

    A folder is one run's, or one that holds runs. Nothing is judged anew; a run that nobody judged is listed without
    its levels, and authgate report judges it.
    """
    from harness.errors import ConfigError
    from harness.report.console import for_tables
    from harness.report.history import print_history, reports_from, write_page
    from harness.report.history_json import history_document
    from harness.studies.history import Wanted, read_history, rows_of

    places = folders or (Path("results"),)
    history, unread = read_history(places, Wanted(scenario, target, verdict and verdict.upper(), since, until))
    rows = rows_of(history)
    path = None if no_page else out or places[0] / "history.html"
    if path is not None:
        try:
            write_page(rows, unread, path)
        except OSError as error:
            raise ConfigError(f"{path}: expected a file to write, got: {error.strerror}") from None
    if written == "json":
        beside = places[0] if path is None else path.parent
        click.echo(json.dumps(history_document(rows, unread, reports_from(rows, beside)), indent=2))
    else:
        print_history(rows, unread, for_tables(), path)
    return 0
