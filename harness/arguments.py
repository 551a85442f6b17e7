"""What the commands take: scenario, targets, policy, the folder for results, and files of other tools."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness import shipped
from harness.config import load_policy, load_scenario, load_targets
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.record.tools import FORMATS
from harness.record.two_files import Importing
from harness.soak import HOURS_AT_MOST, SHARE_OF_PEAK, SoakPlan


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
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


FILE_PATH = click.Path(path_type=Path)
scenario_argument = click.argument("scenario", type=ScenarioName())
targets_option = click.option(
    "--targets", type=TargetsFile(), required=True, help="Targets file (YAML): where to log in."
)
policy_option = click.option(
    "--policy", type=PolicyName(), default="default", show_default=True, help="Policy: a shipped name or a YAML file."
)
results_option = click.option(
    "--results", type=FILE_PATH, default="results", show_default=True, help="Folder for runs."
)
calibration_option = click.option(
    "--calibration",
    type=FILE_PATH,
    help="What authgate calibrate has written. [default: what lies with the results for scenario and "
    "policy; of what has been judged before, what it was judged by; none for another tool's files]",
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress; the verdict is printed all the same.")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another tool measured: a CSV of attempts, or two files of which each is an arm, and how to read them."""

    attempts: Path | None
    files: tuple[Path, Path] | None
    how: Importing


_POSITIVE = Finite(min=0, min_open=True)
_ELSEWHERE = (
    click.option("--attempts", type=FILE_PATH, help="CSV of attempts: arm,block,t_intended_s,step,latency_s,ok."),
    click.option("--before", type=FILE_PATH, help="The baseline as JMeter, k6 or Locust measured it; with --after."),
    click.option("--after", type=FILE_PATH, help="The candidate, likewise."),
    click.option(
        "--format", "written", type=click.Choice(FORMATS), default="auto", show_default=True,
        help="Of the files of --before and --after.",
    ),
    click.option("--login-label", metavar="NAME", help="What the files call a whole login. [default: login]"),
    click.option(
        "--block-s", type=_POSITIVE, default=15.0, show_default=True, help="How --before and --after are cut."
    ),
    click.option(
        "--trim-s", type=Finite(min=0), default=0.0, show_default=True,
        help="Files: discard from a block.",
    ),
    click.option(
        "--timeout-s", type=_POSITIVE, default=10.0, show_default=True,
        help="Files: what a failed login counts as at least.",
    ),
)  # fmt: skip


def elsewhere_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of what another tool measured, handed to the command as one ``elsewhere``."""

    @wraps(command)
    def with_elsewhere(
        attempts: Path | None, before: Path | None, after: Path | None, written: str, login_label: str | None,
        block_s: float, trim_s: float, timeout_s: float, **others: Any,
    ) -> int:  # fmt: skip
        if (before is None) != (after is None):
            raise click.UsageError("expected --before FILE and --after FILE, got one of them")
        files = None if before is None or after is None else (before, after)
        how = Importing(written, block_s, login_label, trim_s, timeout_s)
        return command(elsewhere=Elsewhere(attempts, files, how), **others)

    for option in reversed(_ELSEWHERE):
        with_elsewhere = option(with_elsewhere)
    return with_elsewhere


_SOAK = (
    click.option(
        "--soak", "hours", type=Finite(0, HOURS_AT_MOST, min_open=True), metavar="HOURS",
        help="Keep one arm under constant low load for so long, and judge whether its logins grow slower or fail more.",
    ),
    click.option("--arm", type=click.Choice(ARMS), help="Of a soak. [default: candidate]"),
    click.option(
        "--rate", type=Finite(0, 10_000, min_open=True),
        help=f"Of a soak, in logins a second. [default: {SHARE_OF_PEAK:.0%} of the scenario's peak]",
    ),
)  # fmt: skip


def soak_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a soak, handed to the command as one ``soak``; None where none is asked for."""

    @wraps(command)
    def with_soak(hours: float | None, arm: Arm | None, rate: float | None, **others: Any) -> int:
        if hours is None and (arm is not None or rate is not None):
            raise click.UsageError("expected --soak HOURS beside --arm and --rate, got none")
        return command(soak=None if hours is None else SoakPlan(hours, arm or "candidate", rate), **others)

    for option in reversed(_SOAK):
        with_soak = option(with_soak)
    return with_soak
