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


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run without its attempts: what they have to be like, and all else that a StoredRun has."""

    folder: RunFolder
    manifest: Mapping[str, Any]
    scenario: Scenario
    plan: Plan
    ending: Ending
    written: Written | None
    health: Any
    protocol: Mapping[Arm, ArmProtocol]
    faults: tuple[str, ...]
    of_protocol: tuple[str, ...]
    workers: int

    @property
    def all_faults(self) -> tuple[str, ...]:
        """What is wrong, where nothing is wrong with the attempts."""
        return tuple(dict.fromkeys((*self.faults, *self.of_protocol)))

    def with_attempts(self) -> StoredRun:
        """The run with its attempts, all in memory and checked."""
        table, said = _part(self.folder, "attempts", self.written)
        audited = AttemptAudit(self.scenario, self.plan).of(table)
        done = Assessor(self.scenario, self.folder.policy(), self.plan).complete_pairs(audited.table)
        faults = (*self.faults, *said, *audited.faults, *cut(self, len(done)), *self.of_protocol)
        return StoredRun(
            folder=self.folder,
            manifest=self.manifest,
            scenario=self.scenario,
            plan=self.plan,
            ending=self.ending,
            attempts=audited.table.sort_by("seq"),
            health=self.health,
            protocol=self.protocol,
            faults=tuple(dict.fromkeys(faults)),
            workers=self.workers,
        )


def read_run(folder: RunFolder) -> StoredRun:
    """Read a run's folder, and check all of it; raises RunError where its manifest is no run's."""
    return open_run(folder).with_attempts()


def open_run(folder: RunFolder) -> OpenedRun:
    """Read and check everything but the attempts; raises RunError where its manifest is no run's."""
    manifest, scenario, arms = folder.manifest(), folder.scenario(), folder.arms()
    plan, ending, written = make_plan(scenario, arms), ending_of(manifest), written_of(manifest)
    table, said = _part(folder, "health", written)
    health = audit_health(table, plan, arms, folder.workers())
    shown, of_protocol = _protocol(folder, arms, written, ending)
    return OpenedRun(
        folder=folder,
        manifest=manifest,
        scenario=scenario,
        plan=plan,
        ending=ending,
        written=written,
        health=health.table.sort_by("t"),
        protocol=shown,
        faults=(*_of_manifest(manifest, plan, written, ending), *said, *health.faults),
        of_protocol=of_protocol,
        workers=folder.workers(),
    )


def _part(folder: RunFolder, kind: str, written: Written | None) -> tuple[Any, tuple[str, ...]]:
    """Attempts or health as far as they can be read, and what is missing or damaged."""
    try:
        part = folder.read(kind)
        table, said = part.table, part.faults
    except RunError as error:
        table, said = SCHEMAS[kind].empty_table(), (str(error).replace(f"{folder.path}/", ""),)
    if written is not None and not said:
        said = tuple(uncounted(kind, by_arm(table), written))
    return table, said


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


def cut(run: OpenedRun, whole_pairs: int) -> Iterator[str]:
    """Whether a run that came to its end has fewer complete pairs than it ended with."""
    planned, ending = run.scenario.blocks.pairs, run.ending
    expected = planned if ending.pairs is None else ending.pairs
    if ending.complete and (whole_pairs < expected or expected > planned):
        yield f"attempts: {whole_pairs:,} pairs are there whole, the run ended with {expected:,} of {planned:,}"


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
