"""``authgate plan``: how long a run must be at a site of known noise."""

from __future__ import annotations

import math
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import FILE_PATH, Finite, format_option, policy_option, scenario_argument
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.report.listings import plan_document
from harness.report.words import change, printable
from harness.studies import planning


@click.command("plan")
@scenario_argument
@policy_option
@click.option(
    "--noise",
    type=FILE_PATH,
    required=True,
    help="A file written by authgate calibrate, or the folder of an earlier run.",
)
@click.option(
    "--slowdown", type=Finite(0, 100, min_open=True), default=0.2, show_default=True,
    help="The slowdown that is to be blocked: 0.2 is +20 %; for rates, a difference of shares.",
)  # fmt: skip
@format_option
def command(scenario: Scenario, policy: Policy, noise: Path, slowdown: float, written: str) -> int:
    """Show how long a run must be to PASS an equal update, and to BLOCK one that is slower by --slowdown.

    Both with 80 % probability. – stands for longer than any practical run, or for a slowdown within the margin. A PASS
    needs every metric, a BLOCK any one.
    """
    found = planning.needs(planning.read_noise(noise), policy, slowdown)
    if written == "json":
        click.echo(plan_document(found, scenario, policy, slowdown).model_dump_json(indent=2))
        return 0
    pair_min = scenario.duration_s / scenario.blocks.pairs / 60
    table = Table("metric", "sd of a pair", "margin", "minutes to PASS", "minutes to BLOCK", box=None)
    for need in found:
        unit = "relative" if need.noise.metric.unit == "log_ratio" else "share"
        minutes = [(pairs + policy.discard_pairs) * pair_min for pairs in (need.to_pass, need.to_block)]
        minutes[0] = max(minutes[0], policy.looks.pass_after_s / 60)
        shown = [f"{m:.0f}" if math.isfinite(m) else "–" for m in minutes]
        table.add_row(
            Text(printable(need.noise.metric.label)),
            change(need.noise.pair_sd, unit),
            change(need.noise.margin, unit),
            *shown,
        )
    Console().print(table)
    return 0
