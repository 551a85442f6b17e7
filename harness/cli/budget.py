"""``--budget`` and ``--continue`` of ``authgate gate``: what fits, what it will tell, and how a run goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import FILE_PATH
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.model.policy import Policy
    from harness.model.scenario import Scenario
    from harness.model.target import Targets
    from harness.run.request import RunRequest
    from harness.studies.budget import Budget

_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
LISTED_AT_MOST = 8


class Duration(click.ParamType[float]):
    """A length of time with its unit, in seconds: 90s, 10m, 1h."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h)", str(value).strip())
        if found is None:
            self.fail(f"expected a time such as 90s, 10m or 1h, got {value!r}", param, ctx)
        return float(found[1]) * _UNITS_S[found[2]]


_OPTIONS = (
    click.option(
        "--budget", type=Duration(), metavar="TIME",
        help="Measure for so long at most, as 10m, and say beforehand what that will tell.",
    ),
    click.option(
        "--continue", "earlier", type=FILE_PATH, metavar="RUN",
        help="Add pairs to a run that was INCONCLUSIVE, in place of SCENARIO; all of them are judged together.",
    ),
)  # fmt: skip


def budget_options(command: Callable[..., int]) -> Callable[..., int]:
    """The options, for a command that takes ``scenario``, which may be None where a run is continued."""

    @wraps(command)
    def checked(scenario: Scenario | None, earlier: Path | None, **others: Any) -> int:
        if (scenario is None) == (earlier is None):
            raise click.UsageError("expected a SCENARIO, or --continue RUN in its place, got both or neither")
        if earlier is not None and others["soak"] is not None:
            raise click.UsageError("expected --continue without --soak: a soak is measured in one piece")
        return command(scenario=scenario, earlier=earlier, **others)

    for option in reversed(_OPTIONS):
        checked = option(checked)
    return checked


def within(request: RunRequest, seconds: float, noise: Path | None, aside: bool = False) -> RunRequest:
    """The request, ended by its budget; what it will tell is printed, ``aside`` to standard error."""
    from dataclasses import replace

    from harness.studies.budget import budget_of, stop_after

    found = budget_of(request.scenario, request.targets, request.policy, seconds)
    tell(request.scenario, request.policy, found, noise, aside)
    if not found.cuts:
        return request
    stop = stop_after(request.scenario, request.policy, found.pairs)
    return replace(request, stop=stop, marks={**request.marks, "budget_s": seconds})


def tell(scenario: Scenario, policy: Policy, budget: Budget, calibration: Path | None, aside: bool = False) -> None:
    """Print what a budget allows, ``aside`` to standard error."""
    for line in _told(scenario, policy, budget, calibration):
        click.echo(line, err=aside)


def _told(scenario: Scenario, policy: Policy, budget: Budget, calibration: Path | None) -> Iterator[str]:
    """Pairs, what they can detect, and the chance that equal arms pass."""
    from harness.report.words import change, printable
    from harness.run.assess import design_of
    from harness.run.request import least_pairs
    from harness.stats.prospects import prospects
    from harness.studies.planning import read_noise

    design = design_of(scenario)
    yield (
        f"Budget {_span(budget.seconds)}: {budget.pairs} of the plan's {budget.planned} pairs of {design.pair_s:g} s"
    )
    if (needed := least_pairs(scenario, policy)) > budget.pairs:
        yield (
            f"  A PASS needs {needed} pairs by policy {policy.name} ({needed * design.pair_s / 60:.0f} min): "
            "within this budget the run can BLOCK, or be continued."
        )
    if calibration is None:
        yield "  What it will detect is not known: authgate calibrate measures this site's noise."
        return
    found = prospects(read_noise(calibration), design, policy, budget.pairs)
    yield f"  Equal arms pass with a chance of about {found.passes:.0%}".replace("%", " %") + "."
    yield "  A slowdown is blocked with 80 % probability from:"
    shown = sorted(found.metrics, key=lambda one: (one.noise.metric.step != "login", one.detectable))
    for one in shown[:LISTED_AT_MOST]:
        relative = one.noise.metric.unit == "log_ratio"
        known = math.isfinite(one.detectable)
        size = math.expm1(one.detectable) if relative and known else one.detectable
        says = change(size, "relative" if relative else "share") if known else "not judged within it"
        yield f"    {printable(one.noise.metric.label)}: {says}"


def _span(length_s: float) -> str:
    return f"{length_s:g} s" if length_s < 120 else f"{length_s / 60:.4g} min"


def continued(
    earlier: Path,
    targets: Targets,
    policy: Policy | None,
    seconds: float | None,
    results: Path | None,
    aside: bool = False,
) -> RunRequest:
    """The request that continues a run, by its own policy and beside it; raises ConfigError where it can't be.

    ``policy`` and ``results`` are what was asked for, if anything was; how it goes on is said ``aside`` or not.
    """
    import time
    from dataclasses import replace

    from harness.model.plan import make_plan
    from harness.model.verdict import Kind
    from harness.record.calibration import site_of
    from harness.record.folder import RunFolder
    from harness.run.assess import Assessor
    from harness.run.continued import MARK, Together, continuing
    from harness.run.evidence import evidence_of
    from harness.run.request import RunRequest
    from harness.studies.budget import budget_of

    folder = RunFolder.open(earlier)
    verdict = evidence_of(folder).verdict
    if verdict.kind is not Kind.INCONCLUSIVE:
        raise ConfigError(f"{earlier}: expected a run that was INCONCLUSIVE, got {verdict.kind.name}")
    if policy is not None and policy.digest != folder.policy().digest:
        raise ConfigError(f"{earlier}: expected its own policy {folder.policy().name}, got {policy.name}")
    before = folder.targets().arms
    other = [arm for arm, target in targets.arms.items() if arm not in before or before[arm].digest != target.digest]
    if other:
        raise ConfigError(f"{targets.place(f'arms.{other[0]}')}: expected the servers of {earlier}, got others")
    beside = folder.path.parent
    if results is not None and results.resolve() != beside.resolve():
        raise ConfigError(f"--results: expected the folder of {earlier}, got {results}")
    at_most = None
    if seconds is not None:
        at_most = budget_of(folder.scenario(), targets, folder.policy(), seconds).pairs
    scenario, found = continuing(folder, at_most)
    site = site_of(folder.manifest())
    together = Together(found, scenario, folder.policy(), site, beside, time.time())
    assessor = Assessor(scenario, folder.policy(), make_plan(scenario))

    def enough(attempts: Any, health: Any) -> bool:
        return together.enough(assessor, attempts)

    spent = f"a further {found.share:g} of the error" if found.spent else "looks that its plan had left"
    click.echo(f"Continuing {folder.run_id}: up to {scenario.blocks.pairs} pairs more, by {spent}", err=aside)
    request = RunRequest(scenario, targets, folder.policy(), beside, early_stop=False, site=site, stop=enough)
    return replace(request, marks={MARK: found.mark})
