"""The run's folder of a plain Locust test: one arm, measured and not judged, as `authgate run --arm` leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import RunError
from harness.load.progress import Phase, Progress
from harness.model.plan import Plan
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import Targets
from harness.record import protocol
from harness.record.completeness import KEY, Written, planned_of, written_of
from harness.record.folder import RunFolder
from harness.run.assess import Ending


def open_plain(results: Path, scenario: Scenario, targets: Targets, plan: Plan, workers: int) -> RunFolder:
    """A new folder for a plan of one arm; raises RunError where it can't be written."""
    (arm,) = planned_of(plan)
    folder = RunFolder.create(results, scenario, targets, Policy(), (arm,))
    try:
        folder.update_manifest(workers=workers, plain={"workers": workers}, **{KEY: Written.by(plan).document})
    except OSError as error:
        raise RunError(f"{folder.path}: expected room to write, got: {error.strerror}") from None
    return folder


def finish_plain(folder: RunFolder, progress: Progress, phase: Phase, says: str, denials: bool) -> str:
    """Keep what was measured and how it ended; what the test says then, which may be that it could not be kept."""
    complete = phase == "done"
    # A lost worker is its arm's; which one it was stands in what the test says.
    lost = tuple(folder.arms()) if any(share.lost for share in progress.shares.values()) else ()
    ending = Ending(complete, "" if complete else says, denials, lost)
    try:
        if not progress.began:
            folder.update_manifest(status="failed", ending=asdict(ending))
            return says
        first = folder.manifest().get("first_logins", {}).values()
        _keep_protocol(folder, {given["arm"]: given["protocol"] for given in first if "protocol" in given})
        kept = {given["arm"]: {k: v for k, v in given.items() if k not in _OF_PLAIN} for given in first}
        missing = {share.client: share.missing for share in progress.shares.values() if share.missing}
        facts = {"workers": len(progress.shares), "seats": progress.seats, "seat_waits": progress.waited}
        folder.finish(
            status="complete" if complete else "partial",
            ending=asdict(ending),
            first_logins=kept,
            plain={**facts, "missing": missing},
        )
        lacking = progress.counted.ended - len(folder.attempts())
    except RunError as error:
        return f"{says}; {error}"
    except OSError as error:
        return f"{says}; {folder.path}: expected room to write what was measured, got: {error.strerror}"
    return f"{says}; {lacking} of them are not in {folder.path}" if lacking > 0 else says


def _keep_protocol(folder: RunFolder, shown: Mapping[str, Any]) -> None:
    protocol.save(folder, shown)
    written = written_of(folder.manifest())
    if written is not None:
        folder.update_manifest(**{KEY: written.with_file(folder.path / protocol.FILE).document})


_OF_PLAIN = ("protocol", "digest", "targets", "arrivals", "journal")
