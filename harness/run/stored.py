"""A run as it lies in its folder: what was measured, how it ended, and what of it can't be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import RunError
from harness.model.plan import Plan, make_plan
from harness.model.protocol import ArmProtocol
from harness.model.scenario import Scenario
from harness.model.target import Arm
from harness.record import protocol
from harness.record.completeness import (
    Written,
    disagreement,
    document_digest,
    plan_digest,
    uncounted,
    written_of,
)
from harness.record.folder import SCHEMAS, UNCOUNTED, RunFolder, by_arm
from harness.run.assess import KILLED, Assessor, Ending
from harness.run.audit import AttemptAudit, audit_health

OF_AN_OLDER_VERSION = "the run was made by an older authgate, which did not write down what has to be there"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What could be read of a run; ``faults`` says what is missing, damaged or can't have happened, in words.

    With any fault there is no verdict, whatever the rest shows. ``attempts`` are in order of ``seq``, ``health`` of
    time; both hold only rows that can have happened.
    """

    folder: RunFolder
    manifest: Mapping[str, Any]
    scenario: Scenario
    plan: Plan
    ending: Ending
    attempts: Any
    health: Any
    protocol: Mapping[Arm, ArmProtocol]
    faults: tuple[str, ...]
    workers: int = 1
    """Of each arm."""


def read_run(folder: RunFolder) -> StoredRun:
    """Read a run's folder, and check all of it; raises RunError where its manifest is no run's."""
    manifest, scenario, arms = folder.manifest(), folder.scenario(), folder.arms()
    plan, ending = make_plan(scenario, arms), ending_of(manifest)
    written = written_of(manifest)
    faults = [*_of_manifest(manifest, plan, written, ending)]
    tables = {}
    for kind, schema in SCHEMAS.items():
        try:
            part = folder.read(kind)
            table, said = part.table, part.faults
        except RunError as error:
            table, said = schema.empty_table(), (str(error).replace(f"{folder.path}/", ""),)
        tables[kind] = table
        faults += said
        if written is not None and not said:
            faults += uncounted(kind, by_arm(table), written)
    audited = AttemptAudit(scenario, plan).of(tables["attempts"])
    health = audit_health(tables["health"], plan, arms, folder.workers())
    faults += (*audited.faults, *health.faults, *_cut(folder, scenario, plan, audited.table, ending))
    shown, of_protocol = _protocol(folder, arms, written, ending)
    return StoredRun(
        folder=folder,
        manifest=manifest,
        scenario=scenario,
        plan=plan,
        ending=ending,
        attempts=audited.table.sort_by("seq"),
        health=health.table.sort_by("t"),
        protocol=shown,
        faults=tuple(dict.fromkeys((*faults, *of_protocol))),
        workers=folder.workers(),
    )


def ending_of(manifest: Mapping[str, Any]) -> Ending:
    """How the run of a manifest ended; raises RunError where it says so in no known way."""
    ended = manifest.get("ending")
    try:
        found = KILLED if ended is None else Ending(**{**ended, "lost": tuple(ended["lost"])})
        pairs_count = found.pairs is None or (type(found.pairs) is int and found.pairs >= 0)
        of_kinds = (type(found.complete) is bool, type(found.stopped_for_denials) is bool)
        if not (pairs_count and all(of_kinds) and type(found.interrupted) is str):
            raise TypeError("ending")
        if not all(type(name) is str for name in found.lost):
            raise TypeError("lost")
        return found
    except (KeyError, TypeError):
        raise RunError("manifest.json: ending: expected what a run writes there, got something else") from None


def _of_manifest(manifest: Mapping[str, Any], plan: Plan, written: Written | None, ending: Ending) -> Iterator[str]:
    """What the manifest itself says that can't be so."""
    if manifest["format"] == UNCOUNTED:
        yield OF_AN_OLDER_VERSION
        return
    if manifest.get("digest") != document_digest(manifest):
        yield "manifest.json: it is not as the run wrote it"
    if written is None:
        yield "manifest.json: it does not say what the run wrote"
        return
    if written.plan_digest != plan_digest(plan):
        yield "manifest.json: its scenario now gives another plan than the one that was run"
    if ending is not KILLED and not written.whole:
        yield "manifest.json: the run has an end, and what it wrote was not counted then"


def _cut(folder: RunFolder, scenario: Scenario, plan: Plan, attempts: Any, ending: Ending) -> Iterator[str]:
    """Whether a run that came to its end has fewer complete pairs than it ended with."""
    assessor = Assessor(scenario, folder.policy(), plan)
    there, planned = len(assessor.complete_pairs(attempts)), assessor.design.horizon_pairs
    expected = planned if ending.pairs is None else ending.pairs
    if ending.complete and (there < expected or expected > planned):
        yield f"attempts: {there:,} pairs are there whole, the run ended with {expected:,} of {planned:,}"


def _protocol(
    folder: RunFolder, arms: tuple[Arm, ...], written: Written | None, ending: Ending
) -> tuple[Mapping[Arm, ArmProtocol], tuple[str, ...]]:
    """What single logins showed, and in what that is not as it was written."""
    counted = written is not None and protocol.FILE in written.files
    if counted and written is not None and (fault := disagreement(folder.path / protocol.FILE, written)) is not None:
        return {}, (fault,)
    try:
        shown = protocol.read(folder)
    except RunError as error:
        return {}, (str(error).replace(f"{folder.path}/", ""),)
    if written is None or ending is KILLED:
        return shown, ()
    return shown, protocol.unknown(shown, arms)
