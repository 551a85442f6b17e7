"""What commands print as tables, for machines: one document a command, in schemas that only grow.

A number that is infinite or not known is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from harness.model.diagnosis import Level
from harness.report import words
from harness.report.document import Document

if TYPE_CHECKING:
    from harness.login.path import LoginResult
    from harness.model.diagnosis import Diagnosis
    from harness.model.policy import Policy
    from harness.model.scenario import Scenario
    from harness.model.update import Update
    from harness.studies.planning import Need
    from harness.studies.trend import Point


class ScenarioRow(Document):
    """A shipped scenario."""

    name: str
    logins_per_s: float
    cold_share: float
    minutes: float
    description: str


class UpdateRow(Document):
    """An entry of the catalogue."""

    name: str
    lab: str
    signature: tuple[str, ...]
    expected: str
    title: str


class PlanRow(Document):
    """What one metric needs: ``pair_sd`` and ``margin`` in ln-units or shares, and pairs and minutes of a run."""

    metric: str
    label: str
    unit: Literal["log_ratio", "share"]
    pair_sd: float
    margin: float
    pairs_to_pass: float | None
    """Null for longer than any practical run."""
    pairs_to_block: float | None
    minutes_to_pass: float | None
    minutes_to_block: float | None


class TrendRow(Document):
    """One arm's logins of a cohort in one run, in seconds."""

    started: str
    run_id: str
    arm: str
    cohort: str
    p50_s: float
    p95_s: float
    p99_s: float
    failed: float
    verdict: str


class CheckRow(Document):
    """One thing that the doctor looked at."""

    where: str
    check: str
    level: Level
    found: str
    advice: str


class StepRow(Document):
    """One step of a single login: when it began, what the servers and what this client took, in ms."""

    step: str
    start_ms: float
    server_ms: float
    client_ms: float
    server: str
    status: str
    code: str


class LabRow(Document):
    """One process of a lab."""

    name: str
    pid: int
    runs: bool
    address: str
    port: int | None


class ScenariosDocument(Document):
    """``authgate scenarios``."""

    scenarios: tuple[ScenarioRow, ...]


class UpdatesDocument(Document):
    """``authgate updates list``."""

    updates: tuple[UpdateRow, ...]


class PlanDocument(Document):
    """``authgate plan``: the metric that needs most to pass comes first."""

    slowdown: float
    metrics: tuple[PlanRow, ...]


class TrendDocument(Document):
    """``authgate trend``."""

    points: tuple[TrendRow, ...]


class DoctorDocument(Document):
    """``authgate doctor``."""

    ready: bool
    counts: dict[Level, int]
    checks: tuple[CheckRow, ...]


class LoginDocument(Document):
    """``authgate login``."""

    status: str
    code: str
    groups: int
    steps: tuple[StepRow, ...]


class LabDocument(Document):
    """``authgate lab status``; no process where no lab runs."""

    processes: tuple[LabRow, ...]


DOCUMENTS: Mapping[str, type[Document]] = {
    "scenarios": ScenariosDocument,
    "updates": UpdatesDocument,
    "plan": PlanDocument,
    "trend": TrendDocument,
    "doctor": DoctorDocument,
    "login": LoginDocument,
    "lab": LabDocument,
}
"""By the command that prints it with --format json."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a command's document."""
    own = DOCUMENTS[name].model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own}


def scenarios_document(found: Iterable[Scenario]) -> ScenariosDocument:
    """The shipped scenarios."""
    return ScenariosDocument(
        scenarios=tuple(
            ScenarioRow(
                name=one.name,
                logins_per_s=one.arrivals.peak,
                cold_share=sum(cohort.share or 0.0 for cohort in one.mix.values() if cohort.cache == "cold"),
                minutes=one.duration_s / 60,
                description=one.description,
            )
            for one in found
        )
    )


def updates_document(found: Iterable[Update]) -> UpdatesDocument:
    """The catalogue."""
    return UpdatesDocument(
        updates=tuple(
            UpdateRow(
                name=one.name, lab=one.fault.lab, signature=tuple(one.signature), expected=one.expected.verdict,
                title=one.title,
            )
            for one in found
        )
    )  # fmt: skip


def plan_document(found: Sequence[Need], scenario: Scenario, policy: Policy, slowdown: float) -> PlanDocument:
    """What each metric needs."""
    pair_min = scenario.duration_s / scenario.blocks.pairs / 60

    def minutes(pairs: float, least: float = 0.0) -> float | None:
        return _finite(max((pairs + policy.discard_pairs) * pair_min, least))

    return PlanDocument(
        slowdown=slowdown,
        metrics=tuple(
            PlanRow(
                metric=need.noise.metric.key,
                label=need.noise.metric.label,
                unit=need.noise.metric.unit,
                pair_sd=need.noise.pair_sd,
                margin=need.noise.margin,
                pairs_to_pass=_finite(need.to_pass),
                pairs_to_block=_finite(need.to_block),
                minutes_to_pass=minutes(need.to_pass, policy.looks.pass_after_s / 60),
                minutes_to_block=minutes(need.to_block),
            )
            for need in found
        ),
    )


def trend_document(points: Iterable[Point]) -> TrendDocument:
    """Runs of one scenario."""
    return TrendDocument(
        points=tuple(
            TrendRow(
                started=words.printable(one.started), run_id=words.printable(one.run_id), arm=one.arm,
                cohort=one.cohort, p50_s=one.quantiles_s[0], p95_s=one.quantiles_s[1], p99_s=one.quantiles_s[2],
                failed=one.failed, verdict=one.verdict,
            )
            for one in points
        )
    )  # fmt: skip


def doctor_document(found: Diagnosis) -> DoctorDocument:
    """What the doctor found."""
    from harness.report.diagnosis import diagnosis_json

    return DoctorDocument.model_validate(diagnosis_json(found))


def login_document(found: LoginResult) -> LoginDocument:
    """A single login."""
    began = found.steps[0].started if found.steps else 0
    return LoginDocument(
        status=found.outcome.status,
        code=found.outcome.code,
        groups=len(found.groups),
        steps=tuple(
            StepRow(
                step=step.step, start_ms=(step.started - began) / 1e6, server_ms=step.service / 1e6,
                client_ms=step.own / 1e6, server=step.server, status=step.outcome.status, code=step.outcome.code,
            )
            for step in found.steps
        ),
    )  # fmt: skip


def lab_document(rows: Iterable[LabRow]) -> LabDocument:
    """A lab's processes."""
    return LabDocument(processes=tuple(rows))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
