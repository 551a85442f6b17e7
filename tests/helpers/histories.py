"""Results of months: judged runs of one workload, a release further each time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.model.target import Targets
from harness.record.folder import RunFolder
from harness.report.verdict_json import verdict_document
from harness.run.evidence import evidence_of
from tests.helpers.stored import TARGETS, stored_run

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def released(number: int) -> Targets:
    """Targets whose candidate is the release behind the baseline's."""
    document = TARGETS.model_dump(mode="json")
    for arm, release in (("baseline", number), ("candidate", number + 1)):
        document["arms"][arm]["release"] = f"2026.{release:02d}"
    return Targets.model_validate(document)


def judged(results: Path, number: int, slower: float = 1.03) -> RunFolder:
    """The run of a fortnight, with its verdict."""
    folder = stored_run(results, slower=slower, targets=released(number))
    folder.update_manifest(created=(FIRST + timedelta(days=14 * number)).isoformat(timespec="seconds"))
    (folder.path / "verdict.json").write_text(json.dumps(verdict_document(evidence_of(folder))))
    return folder
