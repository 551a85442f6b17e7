"""The command line: it parses, calls, prints and exits; what the commands do is elsewhere.

Exit codes of ``gate`` and ``compare``: 0 PASS, 10 BLOCK, 20 INCONCLUSIVE, 30 INVALID; 2 is a usage or configuration
error in every command.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from harness import __version__, calibrate, demo, shipped
from harness.arguments import (
    FILE_PATH,
    PolicyName,
    ScenarioName,
    policy_option,
    quiet_option,
    results_option,
    scenario_argument,
    targets_option,
)
from harness.assess import evidence_of
from harness.config import SCHEMAS, load_policy, load_scenario
from harness.errors import AuthgateError, ConfigError, RunError
from harness.lab import supervisor
from harness.lab.domain import Lab
from harness.login.once import log_in_once
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.steps import CACHES, Cache
from harness.model.target import ARMS, Arm, Targets
from harness.offline import evidence_of_two, foreign_evidence
from harness.record.folder import RunFolder
from harness.report.console import print_verdict
from harness.report.progress import progress
from harness.report.verdict_json import VERDICT_SCHEMA
from harness.report.waterfall import print_waterfall
from harness.report.words import change
from harness.report.write import write_all
from harness.run import execute

LAB_FOLDER = Path(".authgate-lab")
USAGE_ERROR = 2
CRASH = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="authgate")
def cli() -> None:
    """Does this update slow logins, and where? Answers PASS, BLOCK, INCONCLUSIVE or INVALID."""


@cli.command()
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
def gate(scenario: Scenario, targets: Targets, policy: Policy, results: Path, quiet: bool) -> int:
    """Measure baseline and candidate in interleaved blocks, and judge the update.

    SCENARIO is a shipped name (see `authgate scenarios`) or a YAML file.
    """
    return _gate(scenario, targets, policy, results, quiet).verdict.exit_code


@cli.command()
@scenario_argument
@targets_option
@results_option
@quiet_option
@click.option("--arm", "arms", type=click.Choice(ARMS), multiple=True, help="Measure this arm only.")
def run(scenario: Scenario, targets: Targets, results: Path, quiet: bool, arms: tuple[Arm, ...]) -> int:
    """Measure without judging; judge later with `authgate compare`."""
    with progress(Console(), quiet) as display:
        folder = execute(scenario, targets, Policy(), arms or ARMS, results, display, early_stop=False)
    click.echo(folder.path)
    return 0 if folder.manifest()["status"] == "complete" else CRASH


@cli.command()
@click.argument("runs", type=FILE_PATH, nargs=-1)
@click.option("--attempts", type=FILE_PATH, help="CSV of attempts: arm,block,t_intended_s,step,latency_s,ok.")
@click.option(
    "--trim-s", type=click.FloatRange(min=0), default=0.0, show_default=True, help="CSV: discard from a block."
)
@click.option("--timeout-s", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="CSV: what a failed login counts as at least.")  # fmt: skip
@click.option("--policy", type=PolicyName(), help="Policy: a shipped name or a YAML file. [default: the run's own]")
@click.option("--out", type=FILE_PATH, help="Folder for the reports. [default: the run's own; none otherwise]")
def compare(
    runs: tuple[Path, ...], attempts: Path | None, trim_s: float, timeout_s: float, policy: Policy | None,
    out: Path | None,
) -> int:  # fmt: skip
    """Judge what has been measured: a run of both arms, a run of each arm, or a CSV of attempts."""
    if (attempts is None) == (not runs) or len(runs) > 2:
        raise click.UsageError("expected one run, two runs, or --attempts FILE")
    if attempts is not None:
        evidence = foreign_evidence(attempts, policy or Policy(), trim_s, timeout_s)
    elif len(runs) == 2:
        evidence = evidence_of_two(RunFolder.open(runs[0]), RunFolder.open(runs[1]), policy)
    else:
        evidence = evidence_of(RunFolder.open(runs[0]), policy)
        out = out or runs[0]
    return _tell(evidence, out).verdict.exit_code


@cli.command()
@click.argument("run", type=FILE_PATH)
def report(run: Path) -> int:
    """Write a run's reports again, from what is there; a run that was killed gives a partial report."""
    _tell(evidence_of(RunFolder.open(run)), run)
    return 0


@cli.command("calibrate")
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="How many A/A runs.")
def calibrate_site(
    scenario: Scenario, targets: Targets, policy: Policy, results: Path, quiet: bool, repeats: int
) -> int:
    """Run the baseline against itself: this site's noise, false BLOCKs, and the smallest detectable slowdown."""
    console = Console()
    with progress(console, quiet) as display:
        found = calibrate.calibrate(
            scenario, targets, policy, repeats, results, display,
            lambda evidence: console.print(f"{evidence.run_id}: {evidence.verdict.kind.name}"),
        )  # fmt: skip
    table = Table("metric", "noise of a pair", "blocked with 80 % probability from", box=None)
    for noise in found.noise:
        unit = "relative" if noise.unit == "log_ratio" else "share"
        table.add_row(noise.metric, change(noise.pair_sd, unit), change(noise.detectable, unit))
    console.print(table)
    console.print(
        f"{found.false_blocks} of {len(found.runs)} A/A runs blocked; kept in {calibrate.save(found, results)}"
    )
    return 0


@cli.command()
@click.argument("user")
@targets_option
@click.option("--arm", type=click.Choice(ARMS), default="baseline", show_default=True)
@click.option("--scenario", type=ScenarioName(), default="morning-rush", show_default=True, help="Whose steps to take.")
@click.option("--cache", type=click.Choice(CACHES), default="cold", show_default=True)
def login(user: str, targets: Targets, arm: Arm, scenario: Scenario, cache: Cache) -> int:
    """Log USER in once and print the waterfall: each step, its server, its protocol facts, and what failed."""
    if arm not in targets.arms:
        raise ConfigError(f"targets: arms: expected {arm}, got {', '.join(targets.arms)}")
    result = log_in_once(targets, arm, scenario, user, cache)
    print_waterfall(result, targets.arms[arm], Console())
    return 0 if result.outcome.status == "ok" else CRASH


@cli.group()
def lab() -> None:
    """The embedded domain: real KDCs and directories on loopback, one of each an arm."""


_lab_folder = click.option(
    "--dir", "folder", type=FILE_PATH, default=LAB_FOLDER, show_default=True, help="The lab's folder."
)


@lab.command()
@_lab_folder
def up(folder: Path) -> int:
    """Start it; it runs until `authgate lab down`."""
    status = supervisor.up(folder)
    click.echo(f"ready; targets: {status.targets}")
    return 0


@lab.command()
@_lab_folder
def down(folder: Path) -> int:
    """End what `lab up` started in this folder, and nothing else."""
    click.echo("ended" if supervisor.down(folder) else "no lab runs here")
    return 0


@lab.command()
@_lab_folder
def status(folder: Path) -> int:
    """Say which of its processes run."""
    found = supervisor.status(folder)
    if found is None:
        click.echo("no lab runs here")
        return 0
    for name, process in found.processes.items():
        port = found.ports.get(name.replace("slapd", "ldap"))
        click.echo(
            f"{name:<18} pid {process.pid:<8} {'runs' if found.alive[name] else 'ended':<6}"
            + (f" 127.0.0.1:{port}" if port else "")
        )
    return 0


@cli.command()
@click.argument("kind", type=click.Choice([*SCHEMAS, "verdict"]))
def schema(kind: str) -> int:
    """Print the JSON Schema of a kind of file, for editors and for readers of verdict.json."""
    found = VERDICT_SCHEMA if kind == "verdict" else SCHEMAS[kind].model_json_schema()
    click.echo(json.dumps(found, indent=2))
    return 0


@cli.command()
def scenarios() -> int:
    """List the scenarios that come with authgate."""
    table = Table("name", "logins/s", "cold", "minutes", "description", box=None)
    for found in shipped.scenarios():
        cold = f"{found.population.cold_share:.0%}"
        table.add_row(found.name, f"{found.arrivals.peak:g}", cold, f"{found.duration_s / 60:g}", found.description)
    Console().print(table)
    return 0


@cli.command("demo")
@click.option("--update", type=click.Choice(sorted(demo.UPDATES)), default="uppsala-2016", show_default=True)
@results_option
@quiet_option
def demonstrate(update: str, results: Path, quiet: bool) -> int:
    """Replay an update on the embedded domain; exits 0 if the expected verdict came."""
    shown = demo.UPDATES[update]
    console = Console()
    console.print(shown.story, soft_wrap=not console.is_terminal)
    scenario = load_scenario(shipped.find("demo", shipped.SCENARIOS))
    policy = load_policy(shipped.find("quick", shipped.POLICIES))
    with Lab(hold=shown.hold, relay=True) as domain:
        evidence = _gate(scenario, Targets.model_validate(domain.targets), policy, results, quiet)
    kind = evidence.verdict.kind
    console.print(f"expected {shown.expected.name}, got {kind.name}")
    return 0 if kind is shown.expected else kind.exit_code or CRASH


def _gate(scenario: Scenario, targets: Targets, policy: Policy, results: Path, quiet: bool) -> Evidence:
    with progress(Console(), quiet) as display:
        folder = execute(scenario, targets, policy, ARMS, results, display)
    return _tell(evidence_of(folder), folder.path)


def _tell(evidence: Evidence, folder: Path | None) -> Evidence:
    """Write the reports, then print the verdict and where they lie."""
    written = None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_all(evidence, folder)
        except OSError as error:
            raise RunError(f"{folder}: expected a folder to write reports to, got: {error.strerror}") from None
        written = folder / "report.html"
    print_verdict(evidence, Console(), written)
    return evidence


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    # A CI system that cancels a job, or a terminal that closes, ends a run as Ctrl-C does: with its partial report.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    try:
        return cli.main(argv, prog_name="authgate", standalone_mode=False) or 0
    except AuthgateError as error:
        click.echo(str(error), err=True)
    except click.ClickException as error:
        error.show()
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 128 + signal.SIGINT
    return USAGE_ERROR


def run_main() -> None:
    """The console script."""
    sys.exit(main())
