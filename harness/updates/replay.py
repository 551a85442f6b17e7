"""A catalogued update, replayed: its lab is started with the fault on the candidate, and the gate judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.config import shipped
from harness.config.load import load_policy, load_scenario
from harness.errors import ConfigError, one_line
from harness.lab import changes as embedded
from harness.lab.ad import changes as ad
from harness.lab.ad.domain import AdLab
from harness.lab.base import CredentialKind
from harness.lab.domain import Lab
from harness.lab.relays import faulty_services
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.model.progress import Display
from harness.model.scenario import Scenario
from harness.model.shown import Shown
from harness.model.steps import STEPS
from harness.model.target import Targets
from harness.model.update import Expected, Update
from harness.model.verdict import Kind
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of
from harness.run.execute import execute
from harness.run.request import RunRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate answered, compared with what it has to answer."""

    verdict: str
    step: str | None
    """The step to blame: of the added time, or where there is none, of the added failures."""
    load_s: float
    """Seconds of load until the verdict."""
    as_expected: bool


def replay(update: Update, results: Path, display: Display = lambda _: None, workers: int | None = None) -> Evidence:
    """The evidence of one run of the update; raises LabError, ConfigError or RunError."""
    scenario, policy = scenario_of(update), policy_of(update)
    with lab_of(update, scenario) as lab:
        targets = Targets.model_validate(lab.targets)
        request = RunRequest(scenario, targets, policy, results, marks={"update": update.name}, workers=workers)
        folder = execute(request, display)
    return evidence_of(RunFolder.open(folder.path))


def without_fault(update: Update) -> Update:
    """The same run on equal arms, behind the same relays: the gate has to pass it."""
    fault = update.fault
    behind = (*fault.behind_relay, *faulty_services(fault.relay))
    unchanged = fault.model_copy(update={"changes": (), "relay": (), "behind_relay": behind})
    expected = Expected(verdict="PASS", by="every metric within its margin")
    title = f"no update: the run of {update.name} on equal arms"
    return update.model_copy(
        update={"name": f"equal-{update.name}", "title": title, "fault": unchanged, "expected": expected}
    )


def outcome_of(update: Update, evidence: Evidence) -> Outcome:
    """Whether the gate gave the expected verdict and blamed a right step."""
    verdict = evidence.verdict
    step = blamed_step(evidence)
    right = not update.expected.steps or step in update.expected.steps
    kind = verdict.kind.name
    return Outcome(kind, step, verdict.load_s, kind == update.expected.verdict and right)


def blamed_step(evidence: Evidence) -> str | None:
    """The step that the verdict blames; failures, which add no time, are blamed on the step that fails most.

    A run that was stopped for its denials is too short for intervals: there the candidate's failures are counted.
    """
    verdict, failures = evidence.verdict, evidence.failures
    by_failures = any(finding.statistic == "failure_rate" for finding in verdict.findings[:1])
    if failures is not None and failures.shown and (verdict.blamed_step is None or by_failures):
        worst = max(failures.parts, key=lambda part: part.added)
        if worst.cause is not None and worst.cause.step:
            return worst.cause.step
    if verdict.kind is Kind.BLOCK and verdict.blamed_step is None and failures is None:
        return _most_failed(evidence.shown)
    return verdict.blamed_step


def _most_failed(shown: Shown) -> str | None:
    failed = {step: count for (arm, step), count in shown.failed_steps.items() if arm == "candidate"}
    worst = max(failed, key=lambda step: failed[step], default=None)
    return worst if worst is not None and failed[worst] else None


def scenario_of(update: Update) -> Scenario:
    """The scenario of the update's smallest run; raises ConfigError."""
    run = update.run
    document: dict[str, Any] = load_scenario(shipped.find(run.scenario, shipped.SCENARIOS)).model_dump()
    document |= {"name": update.name, "description": update.title, "headroom": None, "blocks": run.blocks}
    if run.rate is not None:
        document["arrivals"] = {"curve": "constant", "rate": run.rate}
    if run.steps:
        document["steps"] = run.steps
    if run.timeout_s is not None:
        document |= {"timeout_s": run.timeout_s, "step_timeout_s": min(run.timeout_s, document["step_timeout_s"])}
    population = {"users": run.users, "cold_share": run.cold_share}
    document["population"] |= {name: value for name, value in population.items() if value is not None}
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("run", *problem["loc"]))
        raise ConfigError(f"update {update.name}: {where}: {one_line(problem['msg'])}") from None


def policy_of(update: Update) -> Policy:
    """The policy of the update's smallest run; raises ConfigError."""
    return load_policy(shipped.find(update.run.policy, shipped.POLICIES))


def lab_of(update: Update, scenario: Scenario) -> Lab | AdLab:
    """The lab that models the update, not yet started; raises LabError for a change that it doesn't know."""
    fault = update.fault
    # Keys rather than passwords where possible: deriving keys needs the KDC, which may be the faulty server.
    by_password = scenario.authentication == "password" or any(STEPS[step].password for step in scenario.step_order)
    credentials: CredentialKind = "csv" if by_password else "keytab"
    if fault.lab == "ad":
        return AdLab(
            changes=[ad.parse_change(name) for name in fault.changes],
            common=[ad.parse_change(name) for name in fault.common],
            faults=fault.relay,
            common_faults=fault.common_relay,
            behind_relay=fault.behind_relay,
            credentials=credentials,
        )
    return Lab(
        changes=[embedded.parse_change(name) for name in fault.changes],
        common=[embedded.parse_change(name) for name in fault.common],
        faults=fault.relay,
        common_faults=fault.common_relay,
        credentials=credentials,
    )
