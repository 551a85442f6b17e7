"""``authgate login``: one login, and what each of its steps took and showed."""

from __future__ import annotations

import click
from rich.console import Console

from harness.cli.options import ScenarioName, format_option, targets_option
from harness.errors import ConfigError
from harness.login.once import log_in_once
from harness.model.exit_codes import CRASH
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.report.listings import login_document
from harness.report.waterfall import print_waterfall


@click.command("login")
@click.argument("user")
@targets_option
@click.option("--arm", type=click.Choice(ARMS), default="baseline", show_default=True, help="Arm to log in on.")
@click.option(
    "--scenario", type=ScenarioName(), default="morning-rush", show_default=True, help="Scenario whose steps are taken."
)
@click.option(
    "--cohort", "--cache", help="Cohort of the scenario: cold, warm, or a name of its own. [default: the first]"
)
@format_option
def command(user: str, targets: Targets, arm: Arm, scenario: Scenario, cohort: str | None, written: str) -> int:
    """Log USER in once, and print each step as a waterfall: its time, its server, protocol facts, and what failed."""
    if arm not in targets.arms:
        raise ConfigError(f"{targets.place('arms')}: expected {arm}, got {', '.join(targets.arms)}")
    if cohort is not None and cohort not in scenario.mix:
        raise ConfigError(f"--cohort: expected one of {', '.join(scenario.mix)}, got {cohort}")
    result = log_in_once(targets, arm, scenario, user, cohort or next(iter(scenario.mix)))
    if written == "json":
        click.echo(login_document(result).model_dump_json(indent=2))
    else:
        print_waterfall(result, Console())
    return 0 if result.outcome.status == "ok" else CRASH
