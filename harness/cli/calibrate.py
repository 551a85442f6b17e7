"""``authgate calibrate``: a site's noise, and how often the gate errs there."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.options import (
    policy_option,
    quiet_option,
    results_option,
    scenario_argument,
    targets_option,
)
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
@click.option("--repeats", type=click.IntRange(1, 100), default=5, show_default=True, help="How many A/A runs.")
@click.option(
    "--same-bits",
    is_flag=True,
    help="Both arms hold the same bits: run them as they are, and learn how two deployments differ. Needs --between.",
)
@click.option(
    "--between",
    metavar="COMMAND",
    help="Run before each repeat, without a shell: deploy anew, restart, or wait (sleep 86400).",
)
def command(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    repeats: int,
    same_bits: bool,
    between: str | None,
) -> int:
    """Run the same bits against each other: this site's noise, false BLOCKs, and the smallest detectable slowdown.

    Without --same-bits both arms are the baseline. The gate reads what is kept, carries the spread between deployments
    in its bounds, and refuses to judge at a site where it errs.
    """
    console = Console()
    how = Repeats.of(repeats, same_bits, between)
    with progress(console, quiet) as display:
        found = calibrate(
            scenario, targets, policy, how, results, display,
            lambda evidence: console.print(f"{evidence.run_id}: {evidence.verdict.kind.name}"),
        )  # fmt: skip
    file = calibration_file(results, scenario.name, policy.name)
    save(found, file)
    console.print(_noise_table(found))
    passed, blocked = (found.verdicts.get(kind.name, 0) for kind in (Kind.PASS, Kind.BLOCK))
    console.print(f"{blocked} of {len(found.runs)} A/A runs blocked, {passed} passed; kept in {file}", soft_wrap=True)
    return 0


def _noise_table(found: Calibration) -> Table:
    table = Table(
        "metric",
        "noise of a pair",
        "between deployments (at most)",
        "level between runs (at most)",
        "blocked with 80 % probability from",
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
