"""verdict.json: the verdict for machines, in a schema that only grows while ``schema_version`` stays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from harness.model.evidence import Evidence
from harness.model.metric import Metric, Stage, Statistic
from harness.model.site import UNCALIBRATED, Spread
from harness.model.subject import ChangeUnit, SubjectKind, kind_of
from harness.model.verdict import Decision, Finding
from harness.report import rows, words
from harness.report.document import Document
from harness.report.failures_json import FailuresDocument, failures_document
from harness.report.retries_json import RetriesDocument
from harness.report.servers import ServerTimesDocument, servers_document
from harness.report.soak_json import SoakDocument, soak_document
from harness.report.wire import DifferenceDocument, documents


class FindingDocument(Document):
    """The decision on one thing that was judged, with its evidence."""

    label: str
    """What it is about, for readers; it may be reworded at any time."""
    subject: SubjectKind
    """``metric``: a difference between the arms; ``leak``: the growth of the candidate's median with its age;
    ``budget``: the candidate's p95 against the policy's limit; ``outage``; ``soak``: a trend of a soak; ``wire``: a
    difference between single logins; ``drift``: the sum of a metric's changes since a pinned release."""
    key: str | None
    """The metric's own name, by which calibrations know it: cohort/step/statistic/stage. Null for other subjects."""
    cohort: str
    """Whose logins: ``cold``, ``warm``, or another name of the scenario's; ``all`` for all together."""
    step: str
    """The step, or ``login`` for the whole login."""
    statistic: Statistic | None
    """The figure of the logins; null for what single logins show."""
    stage: Stage
    """``headroom`` for the pairs above the expected peak."""
    unit: ChangeUnit
    """The unit of estimate, low, high, margin and detectable: 0.1 is +10 % of the baseline where it is ``relative``,
    and +10 % a minute where it is ``per_minute``."""
    estimate: float | None
    """The candidate's difference from the baseline."""
    low: float | None
    """The lower bound, of the BLOCK rule; null where there is none."""
    high: float | None
    """The upper bound, of the PASS rule; null where there is none."""
    margin: float | None
    """What the policy allows."""
    decision: Decision
    """What the gate made of it."""
    baseline: float | None
    """The baseline's level: seconds, or a share where the unit is ``share``."""
    candidate: float | None
    """The candidate's level, likewise."""
    detectable: float | None
    """The difference that this run would have blocked with a probability of 80 %."""
    note: str
    """Anything else that a reader should know about this finding; often empty."""


class PartDocument(Document):
    """What one step adds, in seconds, and its share of the whole, each with a 95 % interval."""

    step: str
    added_s: float
    low_s: float
    high_s: float
    share: float | None
    """Null where the whole is not shown to differ from zero."""
    share_low: float | None
    share_high: float | None


class AnatomyDocument(Document):
    """Which steps make up the change at one quantile of the login; the parts add up to it."""

    cohort: str
    quantile: str
    added_s: float
    low_s: float
    high_s: float
    parts: tuple[PartDocument, ...]


class SpreadDocument(Document):
    """A standard deviation in ln-units, or as a difference of shares, that no number of pairs averages out."""

    sd: float
    freedom: int
    """Degrees of freedom of the estimate."""
    upper: float
    """Its upper 95 % confidence limit."""


class PeriodicDocument(Document):
    """Both arms were slower every so often, as beside a job on a host that they share; of the changes of times it is
    taken out."""

    period_s: float
    """Or a whole fraction of it."""
    explained: float
    """Its share of the variance between blocks."""


class CalibrationDocument(Document):
    """What was known of the site from its A/A runs; the spreads are by the metric's key."""

    source: str
    """The calibration's file."""
    measured: str
    """When its last run began, ISO 8601."""
    runs: int
    deployments: dict[str, SpreadDocument]
    """How two deployments of the same bits differ; without it that is taken as 0."""
    levels: dict[str, SpreadDocument]
    """How the baseline's level differs from run to run; without it no change between two runs blocks."""
    warnings: tuple[str, ...]
    refusal: str
    """Why nothing may be judged by this calibration; empty where it may."""


class VerdictDocument(Document):
    """The verdict of one run; a number that is infinite or not known is null."""

    schema_version: Literal[3]
    """Rises when a field changes its meaning or goes."""
    run_id: str
    """The run's folder name."""
    title: str
    """The run's title."""
    started: str
    """When the run began, ISO 8601."""
    verdict: Literal["PASS", "BLOCK", "INCONCLUSIVE", "INVALID"]
    """Only PASS deploys."""
    exit_code: Literal[0, 10, 20, 30]
    """The exit code of ``authgate gate`` and ``authgate compare``."""
    sentence: str
    """The verdict in one sentence."""
    reasons: tuple[str, ...]
    """Why, in sentences."""
    notices: tuple[str, ...]
    """What a reader must know to interpret the figures correctly."""
    blamed_step: str | None
    """The step in which the slowdown lies, where there is one."""
    partial: str
    """Why the run is partial; empty where it is whole."""
    policy: str | None
    """The name of the policy that judged."""
    pairs_used: int
    """Pairs of blocks that the verdict rests on; of a soak, its blocks."""
    load_seconds: float | None
    """Seconds of load on both arms together, up to the verdict."""
    environment: str | None
    """``lab`` for servers set up for tests, whose numbers are not a hospital's."""
    scenario_digest: str | None
    """SHA-256 of the scenario; runs with different ones are never compared."""
    findings: tuple[FindingDocument, ...]
    """One for everything that was judged, the most severe first."""
    anatomy: tuple[AnatomyDocument, ...]
    """Which step the change at each quantile of the login comes from."""
    calibration: CalibrationDocument | None
    """Null where the site was not calibrated: then the spread between deployments is taken as 0."""
    failures: FailuresDocument | None
    """Which failures the change comes from; null where no login failed, or there are too few pairs."""
    retries: RetriesDocument | None
    """How often logins were tried again; null where none was, or there are too few pairs."""
    servers: tuple[ServerTimesDocument, ...]
    """Which server answered, for each step of which an arm had several."""
    periodic: PeriodicDocument | None
    """Null where no periodic interference was found."""
    soak: SoakDocument | None
    """Null where two arms were compared."""
    protocol: tuple[DifferenceDocument, ...] | None
    """How single logins on the arms differ, the most severe first; null where none were recorded on both."""


VERDICT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **VerdictDocument.model_json_schema(mode="serialization"),
}
"""JSON Schema (draft 2020-12) of verdict.json."""


def verdict_document(evidence: Evidence) -> dict[str, Any]:
    """The document of verdict.json, as values that ``json.dumps`` takes with ``allow_nan=False``."""
    verdict = evidence.verdict
    document = VerdictDocument(
        schema_version=3,
        run_id=words.printable(evidence.run_id),
        title=words.printable(evidence.title),
        started=words.printable(evidence.started),
        verdict=verdict.kind.name,
        exit_code=verdict.kind.value,
        sentence=words.printable(verdict.sentence),
        reasons=tuple(words.printable(reason) for reason in verdict.reasons),
        notices=rows.notices(evidence),
        blamed_step=verdict.blamed_step,
        partial=words.printable(evidence.partial),
        policy=_policy(evidence),
        pairs_used=verdict.pairs_used,
        load_seconds=_finite(verdict.load_s),
        environment=evidence.manifest_text("environment"),
        scenario_digest=evidence.manifest_text("scenario_digest"),
        findings=tuple(_finding(finding) for finding in verdict.findings),
        anatomy=tuple(AnatomyDocument.model_validate(asdict(found)) for found in evidence.anatomy),
        calibration=_calibration(evidence),
        failures=None if evidence.failures is None else failures_document(evidence.failures),
        retries=None if evidence.retries is None else RetriesDocument.model_validate(asdict(evidence.retries)),
        servers=servers_document(evidence),
        periodic=_periodic(evidence),
        soak=None if evidence.soak is None else soak_document(evidence.soak),
        protocol=documents(evidence),
    )
    return document.model_dump(mode="json")


def _periodic(evidence: Evidence) -> PeriodicDocument | None:
    found = None if evidence.comparison is None else evidence.comparison.periodic
    return None if found is None else PeriodicDocument.model_validate(asdict(found))


def _calibration(evidence: Evidence) -> CalibrationDocument | None:
    site = UNCALIBRATED if evidence.comparison is None else evidence.comparison.site
    if site == UNCALIBRATED:
        return None
    return CalibrationDocument(
        source=words.printable(site.source),
        measured=words.printable(site.measured),
        runs=site.runs,
        deployments=_spreads(site.deployments),
        levels=_spreads(site.levels),
        warnings=tuple(words.printable(text) for text in site.warnings),
        refusal=words.printable(site.refusal),
    )


def _spreads(by_metric: Mapping[Metric, Spread]) -> dict[str, SpreadDocument]:
    return {metric.key: SpreadDocument.model_validate(asdict(spread)) for metric, spread in by_metric.items()}


def _policy(evidence: Evidence) -> str | None:
    found = evidence.manifest.get("policy")
    return words.printable(str(found["name"])) if isinstance(found, dict) and "name" in found else None


def _finding(finding: Finding) -> FindingDocument:
    return FindingDocument(
        label=words.printable(finding.label),
        subject=kind_of(finding.subject),
        key=words.printable(finding.subject.key) if isinstance(finding.subject, Metric) else None,
        cohort=words.printable(finding.cohort),
        step=words.printable(finding.step),
        statistic=finding.statistic,
        stage=finding.stage,
        unit=finding.unit,
        estimate=_finite(finding.estimate),
        low=_finite(finding.low),
        high=_finite(finding.high),
        margin=_finite(finding.margin),
        decision=finding.decision,
        baseline=_finite(finding.baseline),
        candidate=_finite(finding.candidate),
        detectable=_finite(finding.detectable),
        note=words.printable(finding.note),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
