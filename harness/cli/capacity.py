"""``authgate capacity``: the highest rate that each arm serves."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from harness.cli.options import (
    Finite,
    elsewhere_options,
    format_option,
    lang_option,
    policy_option,
    quiet_option,
    results_option,
    scenario_argument,
    targets_option,
    workers_option,
)
from harness.load.elsewhere import Elsewhere
from harness.model.capacity import Ladder
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.report.capacity import capacity_document, print_capacity, write_capacity
from harness.report.console import for_tables
from harness.report.language import language_of
from harness.report.progress import progress
from harness.stats.ladders import bracket
from harness.studies.capacity import SearchSettings, search

_TIMES = Finite(0.01, 100)


@click.command("capacity")
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
@workers_option
@elsewhere_options
@click.option(
    "--from",
    "lowest",
    type=_TIMES,
    default=0.5,
    show_default=True,
    help="Lowest rate to try, as a multiple of the scenario's peak rate.",
)
@click.option(
    "--to",
    "highest",
    type=_TIMES,
    default=3.0,
    show_default=True,
    help="Highest rate to try, as a multiple of the scenario's peak rate.",
)
@click.option(
    "--step",
    type=Finite(1.01, 4),
    default=1.15,
    show_default=True,
    help="Coarse sweep: the factor from one rate to the next.",
)
@click.option(
    "--ladders",
    type=click.IntRange(2, 50),
    default=5,
    show_default=True,
    help="How many fine ladders, each a run of its own, follow the coarse sweep.",
)
@click.option(
    "--rungs",
    type=click.IntRange(4, 50),
    default=12,
    show_default=True,
    help="How many rates a fine ladder tries near the capacity.",
)
@click.option(
    "--rung-s",
    type=Finite(1, 600),
    default=15.0,
    show_default=True,
    help="Seconds of load an arm on each rung, trimmed by the same part as the scenario's blocks.",
)
@click.option(
    "--within-ms",
    type=Finite(min=0, min_open=True),
    help="Limit on the login's p95, in ms. [default, and at most: the policy's budgets.login_p95_s]",
)
@click.option(
    "--peak",
    type=Finite(min=0, min_open=True),
    help="Predict response times at this rate, in logins/s. [default: the scenario's stated_peak]",
)
@format_option
@lang_option
def command(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    workers: int | None,
    elsewhere: Elsewhere | None,
    lowest: float,
    highest: float,
    step: float,
    ladders: int,
    rungs: int,
    rung_s: float,
    within_ms: float | None,
    peak: float | None,
    written: str,
    lang: str,
) -> int:
    """Find the highest rate that each arm serves within its budget, and judge whether the update costs capacity.

    A coarse sweep of rising rates finds roughly where each arm fails; fine ladders then try rates close to that point.
    The servers are overloaded on purpose.
    """
    within_s = None if within_ms is None else within_ms / 1e3
    settings = SearchSettings(lowest, highest, step, ladders, rungs, rung_s, within_s, peak, workers, elsewhere)
    console = Console(stderr=True) if written == "json" else for_tables()
    with progress(console, quiet) as display:
        found = search(scenario, targets, policy, settings, results, display, lambda ladder: _tell(ladder, console))
    report = None
    try:
        report = write_capacity(found, results, language_of(lang))
    except OSError as error:
        click.echo(f"{results}: expected a folder to write reports to, got: {error.strerror}", err=True)
    finally:
        if written == "json":
            click.echo(json.dumps(capacity_document(found), indent=2, allow_nan=False))
        else:
            print_capacity(found, console, report)
    return found.verdict.kind.exit_code


def _tell(ladder: Ladder, console: Console) -> None:
    parts = []
    for arm, rungs in ladder.rungs.items():
        sustained, failed = bracket(rungs)
        failing = f"failed at {failed:.3g}" if failed < float("inf") else "never failed"
        parts.append(f"{arm} sustained {sustained:.3g} logins/s, {failing}")
    console.print(f"{ladder.run_id}: {'; '.join(parts)}", soft_wrap=True)
