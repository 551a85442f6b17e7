"""``authgate capacity``: it parses, calls, prints and exits."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from harness.cli.options import Finite, policy_option, quiet_option, results_option, scenario_argument, targets_option
from harness.model.capacity import Ladder
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.report.capacity import print_capacity, write_capacity
from harness.report.console import for_tables
from harness.report.progress import progress
from harness.stats.ladders import bracket
from harness.studies.capacity import Climb, search

_TIMES = Finite(0.01, 100)


@click.command("capacity")
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
@click.option("--from", "lowest", type=_TIMES, default=0.5, show_default=True, help="Lowest rung, × the peak rate.")
@click.option("--to", "highest", type=_TIMES, default=3.0, show_default=True, help="Highest rung, × the peak rate.")
@click.option("--step", type=Finite(1.01, 4), default=1.15, show_default=True, help="Of the scout's rungs.")
@click.option("--ladders", type=click.IntRange(2, 50), default=5, show_default=True, help="After the scout's.")
@click.option("--rungs", type=click.IntRange(4, 50), default=12, show_default=True, help="Near the capacity, a ladder.")
@click.option("--within-ms", type=Finite(min=0, min_open=True), help="p95 to keep, if below the policy's.")
@click.option("--peak", type=Finite(min=0, min_open=True), help="The hospital's peak, logins/s, to foretell.")
def command(
    scenario: Scenario, targets: Targets, policy: Policy, results: Path, quiet: bool, lowest: float, highest: float,
    step: float, ladders: int, rungs: int, within_ms: float | None, peak: float | None,
) -> int:  # fmt: skip
    """The highest rate that each arm serves within its budget, and whether the update costs capacity.

    A first ladder of rising rates looks where the arms fail, the others look closely there. It overloads the servers.
    """
    climb = Climb(lowest, highest, step, ladders, rungs, None if within_ms is None else within_ms / 1e3, peak)
    console = for_tables()
    with progress(console, quiet) as display:
        found = search(scenario, targets, policy, climb, results, display, lambda ladder: _tell(ladder, console))
    report = None
    try:
        report = write_capacity(found, results)
    except OSError as error:
        click.echo(f"{results}: expected a folder to write reports to, got: {error.strerror}", err=True)
    finally:
        print_capacity(found, console, report)
    return found.verdict.kind.exit_code


def _tell(ladder: Ladder, console: Console) -> None:
    parts = []
    for arm, rungs in ladder.rungs.items():
        held, failed = bracket(rungs)
        parts.append(f"{arm} held {held:.3g} logins/s, failed {failed:.3g}" if failed < float("inf") else
                     f"{arm} held {held:.3g} logins/s, never failed")  # fmt: skip
    console.print(f"{ladder.run_id}: {'; '.join(parts)}", soft_wrap=True)
