"""``authgate calibrate``: a site's noise, and how often the gate errs there."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import (
    elsewhere_options,
    format_option,
    policy_option,
    quiet_option,
    results_option,
    scenario_argument,
    targets_option,
    workers_option,
)
from harness.load.elsewhere import Elsewhere
from harness.model.calibration import Calibration
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.site import Spread
from harness.model.target import Targets
from harness.model.verdict import Kind
from harness.record.calibration import calibration_file, save
from harness.report.progress import progress
from harness.report.words import ABSENT, change, printable
from harness.studies.calibrate import Repeats, calibrate


@click.command("calibrate")
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
@workers_option
@elsewhere_options
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True, help="How many A/A runs to make.")
@click.option(
    "--same-bits",
    is_flag=True,
    help="Both arms are deployments of the same bits: measure also how two of them differ. Needs --between.",
)
@click.option(
    "--between",
    metavar="COMMAND",
    help="Run before each repeat, without a shell: to redeploy, restart, or wait (sleep 86400).",
)
@format_option
def command(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    workers: int | None,
    elsewhere: Elsewhere | None,
    repeats: int,
    same_bits: bool,
    between: str | None,
    written: str,
) -> int:
    """Run the same bits against each other to measure this site's noise, false BLOCKs and detectable slowdown.

    Without --same-bits both arms are the baseline. The gate reads the file that is written: its bounds then include the
    spread between deployments, and it refuses to judge at a site where its A/A runs block too often.
    """
    console = Console(stderr=written == "json")
    how = Repeats.of(repeats, same_bits, between)
    with progress(console, quiet) as display:
        found = calibrate(
            scenario, targets, policy, how, results, display,
            lambda evidence: console.print(f"{evidence.run_id}: {evidence.verdict.kind.name}"), workers, elsewhere,
        )  # fmt: skip
    file = calibration_file(results, scenario.name, policy.name)
    save(found, file)
    if written == "json":
        click.echo(file.read_text(encoding="utf-8"), nl=False)
        return 0
    console.print(_noise_table(found))
    passed, blocked = (found.verdicts.get(kind.name, 0) for kind in (Kind.PASS, Kind.BLOCK))
    console.print(
        f"{blocked} of {len(found.runs)} A/A runs blocked, {passed} passed; written to {file}", soft_wrap=True
    )
    return 0


def _noise_table(found: Calibration) -> Table:
    table = Table(
        "metric",
        "sd of a pair",
        "sd between deployments (95 % limit)",
        "sd of level between runs (95 % limit)",
        "detectable with 80 % probability",
        box=None,
    )
    for noise in found.noise:
        unit = "relative" if noise.metric.unit == "log_ratio" else "share"
        spreads = (_spread(spread, unit) for spread in (noise.deployments, noise.levels))
        table.add_row(
            Text(printable(noise.metric.label)), change(noise.pair_sd, unit), *spreads, change(noise.detectable, unit)
        )
    return table


def _spread(spread: Spread | None, unit: str) -> str:
    """A standard deviation with its upper 95 % limit."""
    return ABSENT if spread is None else f"{change(spread.sd, unit)} ({change(spread.upper, unit)})"
