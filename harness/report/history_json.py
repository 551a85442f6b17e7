"""A site's history for machines, in a schema that only grows while ``schema_version`` stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from harness.report import words
from harness.report.document import Document
from harness.studies.history import Past, Row


class LevelDocument(Document):
    """What one run showed of one metric, by the metric's key: levels in seconds or shares, the change in ``unit``."""

    label: str
    baseline: float | None
    candidate: float | None
    change: float | None
    low: float | None
    high: float | None
    unit: str
    """``relative`` (0.1 is +10 %) or ``share``."""
    decision: str


class PastDocument(Document):
    """One run."""

    run_id: str
    path: str
    started: str
    """ISO 8601."""
    scenario: str
    hosts: tuple[str, ...]
    arms: tuple[str, ...]
    releases: tuple[str, ...]
    """What is deployed on each arm, as the targets call it."""
    policy: str
    environment: str
    status: str
    verdict: str
    """Empty where the run was not judged."""
    sentence: str
    blamed_step: str
    report: str
    """Where its report is, relative to the page; empty where there is none."""
    levels: dict[str, LevelDocument]


class ChangeDocument(Document):
    """From ``run_id`` on an arm's level of a metric is another."""

    metric: str
    label: str
    arm: str
    unit: str
    run_id: str
    started: str
    before: float
    after: float
    p_value: float


class RowDocument(Document):
    """Runs of one workload on the same servers, in order of time."""

    scenario: str
    hosts: tuple[str, ...]
    runs: tuple[PastDocument, ...]
    changes: tuple[ChangeDocument, ...]


class HistoryDocument(Document):
    """Every run that was asked for, by workload and servers, and what could not be read."""

    schema_version: Literal[1]
    rows: tuple[RowDocument, ...]
    unread: tuple[str, ...]


HISTORY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **HistoryDocument.model_json_schema(mode="serialization"),
}


def history_document(rows: Sequence[Row], unread: Sequence[str], reports: dict[str, str]) -> dict[str, Any]:
    """The document, as values that ``json.dumps`` takes; ``reports`` has the place of each run's report, by its id."""
    return HistoryDocument(
        schema_version=1,
        rows=tuple(
            RowDocument(
                scenario=row.scenario,
                hosts=tuple(map(words.printable, row.hosts)),
                runs=tuple(_past(past, reports.get(past.run_id, "")) for past in row.runs),
                changes=tuple(
                    ChangeDocument(**{**asdict(change), "started": change.started.isoformat()})
                    for change in row.changes
                ),
            )
            for row in rows
        ),
        unread=tuple(map(words.printable, unread)),
    ).model_dump(mode="json")


def _past(past: Past, report: str) -> PastDocument:
    return PastDocument(
        run_id=words.printable(past.run_id),
        path=words.printable(str(past.path)),
        started=past.started.isoformat(),
        scenario=past.scenario,
        hosts=past.hosts,
        arms=past.arms,
        releases=past.releases,
        policy=past.policy,
        environment=past.environment,
        status=words.printable(past.status),
        verdict=words.printable(past.verdict),
        sentence=words.printable(past.sentence),
        blamed_step=words.printable(past.blamed),
        report=report,
        levels={key: LevelDocument.model_validate(asdict(level)) for key, level in past.levels.items()},
    )
