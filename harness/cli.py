"""The command line: it parses, calls, prints and exits; what the commands do is elsewhere.

Exit codes of ``gate`` and ``compare``: 0 PASS, 10 BLOCK, 20 INCONCLUSIVE, 30 INVALID; 2 is a usage or configuration
error in every command.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.table import Table

from harness import __version__, demo, shipped
from harness.arguments import (
    FILE_PATH,
    Elsewhere,
    PolicyName,
    ScenarioName,
    calibration_option,
    elsewhere_options,
    policy_option,
    quiet_option,
    results_option,
    scenario_argument,
    soak_options,
    targets_option,
)
from harness.assess import evidence_of
from harness.calibration_commands import calibrate_site, plan_run
from harness.capacity_command import capacity
from harness.config import SCHEMAS, load_policy, load_scenario
from harness.doctor_command import doctor
from harness.errors import AuthgateError, ConfigError
from harness.import_commands import import_from
from harness.lab.commands import lab
from harness.lab.domain import Lab
from harness.login.once import log_in_once
from harness.model.comparison import QUANTILES
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS, Arm, Targets
from harness.model.verdict import Kind
from harness.offline import evidence_of_two, foreign_evidence, imported_evidence
from harness.record.folder import RunFolder
from harness.record.protocol import PROTOCOL_SCHEMA
from harness.report.console import for_tables, print_verdict
from harness.report.progress import progress
from harness.report.verdict_json import VERDICT_SCHEMA
from harness.report.waterfall import print_waterfall
from harness.report.words import seconds, share
from harness.report.write import keep_reports
from harness.run import execute
from harness.site import Subject, find_site, site_of_run
from harness.soak import SoakPlan
from harness.trend import trend
from harness.updates.commands import updates

USAGE_ERROR = 2
CRASH = 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="authgate")
def cli() -> None:
    """Does this update slow logins, and where? Answers PASS, BLOCK, INCONCLUSIVE or INVALID."""


cli.add_command(lab)
cli.add_command(calibrate_site)
cli.add_command(plan_run)
cli.add_command(capacity)
cli.add_command(import_from)
cli.add_command(doctor)
cli.add_command(updates)


@cli.command()
@scenario_argument
@targets_option
@policy_option
@results_option
@quiet_option
@calibration_option
@soak_options
def gate(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    calibration: Path | None,
    soak: SoakPlan | None,
) -> int:
    """Measure baseline and candidate in interleaved blocks, and judge the update; or --soak one of them for hours.

    SCENARIO is a shipped name (see `authgate scenarios`) or a YAML file.
    """
    if soak is not None:
        with progress(Console(), quiet) as display:
            folder = execute(
                soak.scenario(scenario), targets, policy, (soak.arm,), results, display, False, marks=soak.marks
            )
        return _tell(evidence_of(folder), folder.path).verdict.exit_code
    site = find_site(Subject(datetime.now(UTC), policy, scenario, targets.arms), calibration, results)
    if site.refusal:  # no load could change it
        click.echo(f"INVALID: {site.refusal}", err=True)
        return Kind.INVALID.exit_code
    return _gate(scenario, targets, policy, results, quiet, site).verdict.exit_code


@cli.command()
@scenario_argument
@targets_option
@results_option
@quiet_option
@click.option("--arm", "arms", type=click.Choice(ARMS), multiple=True, help="Measure this arm only.")
def run(scenario: Scenario, targets: Targets, results: Path, quiet: bool, arms: tuple[Arm, ...]) -> int:
    """Measure without judging; judge later with `authgate compare`."""
    chosen = tuple(arm for arm in ARMS if arm in arms) or ARMS
    with progress(Console(), quiet) as display:
        folder = execute(scenario, targets, Policy(), chosen, results, display, early_stop=False)
    click.echo(folder.path)
    return 0 if folder.manifest()["status"] == "complete" else CRASH


@cli.command()
@click.argument("runs", type=FILE_PATH, nargs=-1)
@elsewhere_options
@click.option("--policy", type=PolicyName(), help="A shipped name or a file. [default: the run's own, else default]")
@click.option("--out", type=FILE_PATH, help="Folder for the reports. [default: the run's own if its policy judges]")
@calibration_option
def compare(
    runs: tuple[Path, ...], elsewhere: Elsewhere, policy: Policy | None, out: Path | None, calibration: Path | None
) -> int:
    """Judge what has been measured: a run of both arms, a run of each arm, or another tool's attempts or files."""
    attempts, files, how = elsewhere.attempts, elsewhere.files, elsewhere.how
    if sum(map(bool, (runs, attempts, files))) != 1 or len(runs) > 2:
        raise click.UsageError("expected one run, two runs, or --attempts FILE, or --before FILE and --after FILE")
    if attempts is not None:
        evidence = foreign_evidence(attempts, policy or Policy(), how.trim_s, how.timeout_s, calibration)
    elif files is not None:
        evidence = imported_evidence(*files, how, policy or Policy(), calibration)
    elif len(runs) == 2:
        evidence = evidence_of_two(RunFolder.open(runs[0]), RunFolder.open(runs[1]), policy, calibration)
    else:
        folder = RunFolder.open(runs[0])
        site = None if calibration is None else site_of_run(folder, calibration, policy)
        evidence = evidence_of(folder, policy, site)
        out = out or (runs[0] if policy is None and site is None else None)  # the gate's own report stays the gate's
    return _tell(evidence, out).verdict.exit_code


@cli.command()
@click.argument("run", type=FILE_PATH)
def report(run: Path) -> int:
    """Write a run's reports again, from what is there; a run that was killed gives a partial report."""
    _tell(evidence_of(RunFolder.open(run)), run)
    return 0


@cli.command("trend")
@click.argument("runs", type=FILE_PATH, nargs=-1, required=True)
def show_trend(runs: tuple[Path, ...]) -> int:
    """Show what logins took in runs of one scenario, in order of time; nothing is judged."""
    table = Table("started", "arm", "login", *QUANTILES, "failed", "verdict", box=None)
    for point in trend([RunFolder.open(run) for run in runs]):
        times = (seconds(value) for value in point.quantiles_s)
        table.add_row(point.started, point.arm, point.cohort, *times, share(point.failed), point.verdict or "–")
    Console().print(table)
    return 0


@cli.command()
@click.argument("user")
@targets_option
@click.option("--arm", type=click.Choice(ARMS), default="baseline", show_default=True)
@click.option("--scenario", type=ScenarioName(), default="morning-rush", show_default=True, help="Whose steps to take.")
@click.option("--cohort", "--cache", help="Of the scenario's: cold or warm, or as it calls them. [default: the first]")
def login(user: str, targets: Targets, arm: Arm, scenario: Scenario, cohort: str | None) -> int:
    """Log USER in once and print the waterfall: each step, its server, its protocol facts, and what failed."""
    if arm not in targets.arms:
        raise ConfigError(f"targets: arms: expected {arm}, got {', '.join(targets.arms)}")
    if cohort is not None and cohort not in scenario.mix:
        raise ConfigError(f"--cohort: expected one of {', '.join(scenario.mix)}, got {cohort}")
    result = log_in_once(targets, arm, scenario, user, cohort or next(iter(scenario.mix)))
    print_waterfall(result, Console())
    return 0 if result.outcome.status == "ok" else CRASH


@cli.command()
@click.argument("kind", type=click.Choice([*SCHEMAS, "verdict", "protocol"]))
def schema(kind: str) -> int:
    """Print the JSON Schema of a kind of file, for editors and for readers of verdict.json and protocol.json."""
    made = {"verdict": VERDICT_SCHEMA, "protocol": PROTOCOL_SCHEMA}
    found = made[kind] if kind in made else SCHEMAS[kind].model_json_schema()
    click.echo(json.dumps(found, indent=2))
    return 0


@cli.command()
def scenarios() -> int:
    """List the scenarios that come with authgate."""
    table = Table("name", "logins/s", "cold", "minutes", "description", box=None)
    for found in shipped.scenarios():
        cold = f"{sum(cohort.share or 0.0 for cohort in found.mix.values() if cohort.cache == 'cold'):.0%}"
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


def _gate(
    scenario: Scenario, targets: Targets, policy: Policy, results: Path, quiet: bool, site: Site = UNCALIBRATED
) -> Evidence:
    with progress(Console(), quiet) as display:
        folder = execute(scenario, targets, policy, ARMS, results, display, site=site)
    return _tell(evidence_of(folder), folder.path)


def _tell(evidence: Evidence, folder: Path | None) -> Evidence:
    """Print the verdict and where its reports will lie, then write them: no full disk may cost the verdict."""
    console = for_tables()
    with contextlib.suppress(BrokenPipeError):
        print_verdict(evidence, console, None if folder is None else folder / "report.html")
    if folder is not None:
        keep_reports(evidence, folder)
    return evidence


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    # A CI system that cancels a job, or a terminal that closes, ends a run as Ctrl-C does: with its partial report.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
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
