"""What several commands take: scenario, targets, policy, the folder for results."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.config import shipped
from harness.config.load import load_policy, load_scenario, load_targets
from harness.load.elsewhere import Elsewhere, Listen
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.shard import WORKERS_AT_MOST
from harness.model.target import Targets


class ScenarioName(click.ParamType[Scenario]):
    """A shipped scenario's name, or a YAML file."""

    name = "scenario"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Scenario:
        return value if isinstance(value, Scenario) else load_scenario(shipped.find(value, shipped.SCENARIOS))


class PolicyName(click.ParamType[Policy]):
    """A shipped policy's name, or a YAML file."""

    name = "policy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Policy:
        return value if isinstance(value, Policy) else load_policy(shipped.find(value, shipped.POLICIES))


class TargetsFile(click.ParamType[Targets]):
    """A YAML file of targets."""

    name = "targets"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Targets:
        return value if isinstance(value, Targets) else load_targets(Path(value))


class Finite(click.FloatRange):
    """A number within its range; NaN is in none, though each comparison with it lets it through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not math.isfinite(click.FLOAT.convert(value, param, ctx)):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return super().convert(value, param, ctx)


FILE_PATH = click.Path(path_type=Path)
scenario_argument = click.argument("scenario", type=ScenarioName())
targets_option = click.option(
    "--targets",
    type=TargetsFile(),
    required=True,
    help="YAML file that says where each arm's servers and credentials are.",
)
policy_option = click.option(
    "--policy",
    type=PolicyName(),
    default="default",
    show_default=True,
    help="What the gate allows: the name of a shipped policy, or a YAML file.",
)
results_option = click.option(
    "--results", type=FILE_PATH, default="results", show_default=True, help="Folder that runs are kept in."
)
calibration_option = click.option(
    "--calibration",
    type=FILE_PATH,
    help="A file written by authgate calibrate. [default: the one among the results for this scenario and policy; for "
    "a stored run, the one it was judged by; for another tool's files, none]",
)
LANGUAGES = ("en", "sv")
"""Those of harness.report.language, which takes longer to import than a command to be read."""
lang_option = click.option(
    "--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the HTML page."
)


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_AT_MOST),
    help="Worker processes of each arm, between which its logins are shared out. [default: as many as the rate takes "
    "and the cores carry]",
)
_ELSEWHERE = (
    click.option(
        "--listen",
        metavar="HOST:PORT",
        help="Wait here for workers on other machines (authgate worker), and start none.",
    ),
    click.option(
        "--expect-workers", type=click.IntRange(1, 2 * WORKERS_AT_MOST), help="How many they are, of all arms together."
    ),
    click.option(
        "--key", type=FILE_PATH, help="The file of the secret that encrypts what is said between them (mode 0600)."
    ),
    click.option("--send-accounts", is_flag=True, help="Send them the credentials, encrypted."),
)


def elsewhere_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of workers on other machines, handed to the command as one ``elsewhere``; None without them."""

    @wraps(command)
    def with_elsewhere(
        listen: str | None, expect_workers: int | None, key: Path | None, send_accounts: bool, **others: Any
    ) -> int:
        if (listen is None) != (expect_workers is None):
            raise click.UsageError("expected --listen HOST:PORT and --expect-workers K together, got one of them")
        if listen is None or expect_workers is None:
            if key is not None or send_accounts:
                raise click.UsageError("expected --listen HOST:PORT together with --key and --send-accounts, got none")
            return command(elsewhere=None, **others)
        if others.get("workers") is not None:
            raise click.UsageError("expected --workers (here) or --listen (elsewhere), got both")
        found = Elsewhere(Listen.of(listen, "--listen"), expect_workers, key, send_accounts)
        if key is not None:
            from harness.load.wire import Keys

            Keys.read(key)
        return command(elsewhere=found, **others)

    for option in reversed(_ELSEWHERE):
        with_elsewhere = option(with_elsewhere)
    return with_elsewhere


def written_option(help_text: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """``--format``: how what a command tells is printed."""
    kinds = click.Choice(("table", "json"))
    return click.option("--format", "written", type=kinds, default="table", show_default=True, help=help_text)


format_option = written_option("Print a table, or JSON (authgate schema COMMAND).")
verdict_format_option = written_option(
    "Print the verdict as a table, or as verdict.json has it (authgate schema verdict)."
)
"""Progress goes to standard error where the verdict is JSON."""
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress, only the verdict.")
