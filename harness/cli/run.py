"""``authgate run``: measure without judging."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from harness.cli.metrics import also_metrics, metrics_option
from harness.cli.options import (
    elsewhere_options,
    quiet_option,
    results_option,
    scenario_argument,
    targets_option,
    workers_option,
)
from harness.cli.otlp import also_otlp, otlp_options
from harness.load.elsewhere import Elsewhere
from harness.model.endpoint import Endpoint
from harness.model.exit_codes import CRASH
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.record.folder import RunFolder
from harness.report.progress import progress
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.run.stored import ending_of
from harness.telemetry.settings import Otlp


@click.command("run")
@scenario_argument
@targets_option
@results_option
@quiet_option
@workers_option
@elsewhere_options
@click.option("--arm", "arms", type=click.Choice(ARMS), multiple=True, help="Measure this arm only. [default: both]")
@metrics_option
@otlp_options
def command(
    scenario: Scenario,
    targets: Targets,
    results: Path,
    quiet: bool,
    workers: int | None,
    elsewhere: Elsewhere | None,
    arms: tuple[Arm, ...],
    metrics: Endpoint | None,
    otlp: Otlp | None,
) -> int:
    """Measure without judging; judge later with `authgate compare`."""
    chosen = tuple(arm for arm in ARMS if arm in arms) or ARMS
    request = RunRequest(
        scenario, targets, Policy(), results, chosen, early_stop=False, workers=workers, elsewhere=elsewhere
    )
    with also_otlp(otlp) as told:
        with progress(Console(), quiet) as shown, also_metrics(shown, metrics) as display:
            folder = execute(request, told(display))
        return _told(folder)


def _told(folder: RunFolder) -> int:
    manifest = folder.manifest()
    if why := ending_of(manifest).why_partial:
        click.echo(f"stopped: {why}", err=True)
    click.echo(folder.path)
    return 0 if manifest["status"] == "complete" else CRASH
