"""A site's history for machines, in a schema that only grows while ``schema_version`` stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.report import words
from harness.studies.history import Past, Row


@dataclass(frozen=True, slots=True)
class HistoryDocument:
    """Every run that was asked for, by workload and servers, and what could not be read."""

    schema_version: Literal[1]
    rows: tuple[Row, ...]
    unread: tuple[str, ...]


_DOCUMENT = TypeAdapter(HistoryDocument)
HISTORY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_DOCUMENT.json_schema(mode="serialization"),
}


def history_document(rows: Sequence[Row], unread: Sequence[str], reports: Mapping[str, str]) -> dict[str, Any]:
    """The document, as values that ``json.dumps`` takes; ``reports`` has the place of each run's report, by its id."""
    told = tuple(
        replace(
            row,
            hosts=tuple(map(words.printable, row.hosts)),
            runs=tuple(_told(past, reports.get(past.run_id, "")) for past in row.runs),
        )
        for row in rows
    )
    document: dict[str, Any] = _DOCUMENT.dump_python(
        HistoryDocument(1, told, tuple(map(words.printable, unread))), mode="json"
    )
    return document


def _told(past: Past, report: str) -> Past:
    """The run with texts that a page may show."""
    return replace(
        past,
        run_id=words.printable(past.run_id),
        path=Path(words.printable(str(past.path))),
        status=words.printable(past.status),
        verdict=words.printable(past.verdict),
        sentence=words.printable(past.sentence),
        blamed_step=words.printable(past.blamed_step),
        report=report,
    )
