"""``authgate import``: scenarios from what other tools have recorded."""

from __future__ import annotations

import re
from pathlib import Path

import click

from harness.cli.options import FILE_PATH, Finite
from harness.importers.traffic.learn import learn
from harness.importers.traffic.scenario import scenario_yaml
from harness.importers.traffic.summary import read_summary
from harness.model.base import NAME

APART_S = 30.0


@click.group("import")
def command() -> None:
    """Print a scenario made from what another tool has recorded."""


@command.command("traffic")
@click.argument("summary", type=FILE_PATH)
@click.option("--name", help="Name of the scenario: a-z, 0-9 and hyphens. [default: the file's]")
@click.option(
    "--apart-s",
    type=Finite(min=0, min_open=True),
    default=APART_S,
    show_default=True,
    help="Packets of one client that are further apart than this, in s, belong to different logins.",
)
def traffic(summary: Path, name: str | None, apart_s: float) -> int:
    """Learn a scenario from captured traffic.

    Its arrivals, cold share and steps are read from SUMMARY, a capture summarised by Samba's traffic_summary.pl.

    tshark -r FILE -T pdml | traffic_summary.pl > SUMMARY; authgate import traffic SUMMARY > scenario.yaml
    """
    if name is not None and not re.fullmatch(NAME, name):
        raise click.BadParameter(f"expected a-z, 0-9 and hyphens, got {name!r}", param_hint="--name")
    own = re.sub(r"[^a-z0-9]+", "-", summary.name.partition(".")[0].lower()).strip("-")
    learned = learn(read_summary(summary), apart_s)
    click.echo(scenario_yaml(learned, name or own or "traffic", str(summary), apart_s), nl=False)
    return 0
