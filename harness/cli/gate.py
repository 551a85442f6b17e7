"""``authgate gate``: measure both arms, or soak one, and judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.budget import budget_options, continued, within
from harness.cli.metrics import metrics_option
from harness.cli.options import (
    Finite,
    ScenarioName,
    calibration_option,
    elsewhere_options,
    lang_option,
    policy_option,
    quiet_option,
    results_option,
    targets_option,
    verdict_format_option,
    workers_option,
)
from harness.cli.otlp import otlp_options
from harness.cli.web import gate_page, web_option
from harness.load.elsewhere import Elsewhere
from harness.model.endpoint import Endpoint
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.model.verdict import Kind
from harness.studies.soak import HOURS_AT_MOST, SHARE_OF_PEAK, SoakPlan
from harness.telemetry.settings import Otlp

if TYPE_CHECKING:
    from harness.run.request import RunRequest

_SOAK = (
    click.option(
        "--soak", "hours", type=Finite(0, HOURS_AT_MOST, min_open=True), metavar="HOURS",
        help="Keep one arm under constant low load for so long, and judge whether its logins get slower or fail more.",
    ),
    click.option("--arm", type=click.Choice(ARMS), help="With --soak: the arm to measure. [default: candidate]"),
    click.option(
        "--rate", type=Finite(0, 10_000, min_open=True),
        help=f"With --soak: logins a second. [default: {SHARE_OF_PEAK:.0%} of the scenario's peak]",
    ),
)  # fmt: skip


def _soak_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options of a soak, handed to the command as one ``soak``; None where none is asked for."""

    @wraps(command)
    def with_soak(hours: float | None, arm: Arm | None, rate: float | None, **others: Any) -> int:
        if hours is None and (arm is not None or rate is not None):
            raise click.UsageError("expected --soak HOURS together with --arm and --rate, got none")
        return command(soak=None if hours is None else SoakPlan(hours, arm or "candidate", rate), **others)

    for option in reversed(_SOAK):
        with_soak = option(with_soak)
    return with_soak


@click.command("gate")
@click.argument("scenario", type=ScenarioName(), required=False)
@targets_option
@policy_option
@results_option
@quiet_option
@calibration_option
@lang_option
@workers_option
@elsewhere_options
@web_option
@metrics_option
@otlp_options
@_soak_options
@budget_options
@verdict_format_option
def command(
    scenario: Scenario | None,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    calibration: Path | None,
    lang: str,
    workers: int | None,
    elsewhere: Elsewhere | None,
    web: Endpoint | None,
    metrics: Endpoint | None,
    otlp: Otlp | None,
    soak: SoakPlan | None,
    budget: float | None,
    earlier: Path | None,
    written: str,
) -> int:
    """Measure baseline and candidate in interleaved blocks and judge the update, or --soak one of them for hours.

    SCENARIO is a shipped name (see `authgate scenarios`) or a YAML file.
    """
    with gate_page(web, results):
        if earlier is not None:
            asked = {name for name in ("policy", "results") if _was_given(name)}
            request = continued(
                earlier,
                targets,
                policy if "policy" in asked else None,
                budget,
                results if "results" in asked else None,
                written == "json",
            )
            request = replace(request, workers=workers, elsewhere=elsewhere)
            return _measured(request, quiet, lang, metrics, otlp, written)
        assert scenario is not None  # the options see to it
        return _judged(
            scenario,
            targets,
            policy,
            results,
            quiet,
            calibration,
            lang,
            workers,
            elsewhere,
            soak,
            budget,
            metrics,
            otlp,
            written,
        )


def _was_given(name: str) -> bool:
    """Whether an option was written down, and is not a default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _measured(
    request: RunRequest, quiet: bool, lang: str, metrics: Endpoint | None, otlp: Otlp | None, written: str
) -> int:
    from harness.cli.tell import judged

    evidence = judged(request, quiet, lang, metrics, otlp, written)
    if evidence.verdict.kind is Kind.INCONCLUSIVE and evidence.soak is None:
        folder = request.results / evidence.run_id
        to_add = f"To add pairs: authgate gate --continue {folder} --targets {request.targets.source}"
        click.echo(to_add, err=written == "json")
    return evidence.verdict.exit_code


def _judged(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    results: Path,
    quiet: bool,
    calibration: Path | None,
    lang: str,
    workers: int | None,
    elsewhere: Elsewhere | None,
    soak: SoakPlan | None,
    budget: float | None,
    metrics: Endpoint | None,
    otlp: Otlp | None,
    written: str,
) -> int:
    # Before any load, but not for --help: what measures and judges takes longer to import than a command to be read.
    from harness.run.drift import check_drift
    from harness.run.request import RunRequest
    from harness.run.site import Subject, find_site

    if soak is not None:
        whole = soak.scenario(scenario)
        request = RunRequest(
            whole,
            targets,
            policy,
            results,
            (soak.arm,),
            early_stop=False,
            marks=soak.marks,
            workers=workers,
            elsewhere=elsewhere,
        )
        return _measured(request, quiet, lang, metrics, otlp, written)
    check_drift(policy, targets)
    site = find_site(Subject(datetime.now(UTC), policy, scenario, targets.arms), calibration, results)
    if site.refusal:  # no load could change it
        click.echo(f"INVALID: {site.refusal}", err=True)
        return Kind.INVALID.exit_code
    request = RunRequest(scenario, targets, policy, results, site=site, workers=workers, elsewhere=elsewhere)
    if budget is not None:
        request = within(request, budget, Path(site.source) if site.source else None, written == "json")
    return _measured(request, quiet, lang, metrics, otlp, written)
