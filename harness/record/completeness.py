"""What has to be in a run's folder: counts and digests that the run itself writes into its manifest, and their check.

It tells a file that was lost, cut, changed or exchanged. It is no signature: who can write the folder can write these
too, so what can't have happened is looked for besides (``harness.run.audit``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from harness.errors import RunError
from harness.model.plan import Plan
from harness.model.target import ARMS, Arm

KEY = "evidence"
"""Of the manifest."""
_UNITS = {"attempts": "logins", "health": "seconds of the generator's health"}


@dataclass(frozen=True, slots=True)
class Written:
    """What a run has written so far; ``whole`` once it has come to its end and nothing more will come.

    ``attempts`` and ``health`` count rows by arm, ``files`` holds SHA-256 digests, ``damaged`` says what was lost
    before the run could count it.
    """

    plan_digest: str
    planned: Mapping[Arm, int]
    attempts: Mapping[Arm, int] = field(default_factory=dict)
    health: Mapping[Arm, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    whole: bool = False

    @classmethod
    def by(cls, plan: Plan) -> Written:
        """Nothing yet, of this plan."""
        return cls(plan_digest(plan), planned_of(plan))

    def with_file(self, path: Path) -> Written:
        """The same with a file's digest as it is now."""
        return replace(self, files={**self.files, path.name: file_digest(path)})

    @property
    def document(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        return asdict(self)


_WRITTEN = TypeAdapter(Written)


def written_of(manifest: Mapping[str, Any]) -> Written | None:
    """What a manifest says that its run wrote; None where it says nothing. Raises RunError."""
    found = manifest.get(KEY)
    if found is None:
        return None
    try:
        return _WRITTEN.validate_python(found)
    except ValidationError:
        raise RunError(f"manifest.json: {KEY}: expected what a run writes there, got something else") from None


def planned_of(plan: Plan) -> dict[Arm, int]:
    """How many logins a plan has for each of its arms."""
    counts = {arm: sum(len(block.arrivals) for block in plan.of(arm)) for arm in ARMS}
    return {arm: count for arm, count in counts.items() if any(block.arm == arm for block in plan.blocks)}


def plan_digest(plan: Plan) -> str:
    """SHA-256 of every block and every login of a plan."""
    found = hashlib.sha256(plan.scenario_digest.encode())
    for block in plan.blocks:
        found.update(f"\n{block.index} {block.pair} {block.arm} {block.start} {block.length}".encode())
        due = block.arrivals
        found.update(f" {due.first} {' '.join(due.cohorts)}".encode())
        for column in (due.place, due.offset, due.user, due.cohort):
            found.update(np.ascontiguousarray(column, dtype="<i8").data)
    return found.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def document_digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON document without its own ``digest``."""
    own = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()


def disagreement(path: Path, written: Written) -> str | None:
    """In what a file is not what the run wrote, in words; None where it is."""
    if (expected := written.files.get(path.name)) is None:
        return f"{path.name}: the manifest says nothing of it"
    try:
        return None if file_digest(path) == expected else f"{path.name}: it is not the file that the run wrote"
    except FileNotFoundError:
        return f"{path.name}: it is missing"
    except OSError as error:
        return f"{path.name}: it can't be read: {error.strerror}"


def uncounted(kind: str, found: Mapping[Arm, int], written: Written) -> Sequence[str]:
    """Which arms have fewer rows than the run counted, or more where it was whole, in words."""
    expected: Mapping[Arm, int] = getattr(written, kind)
    said = []
    for arm in written.planned:
        have, wrote = found.get(arm, 0), expected.get(arm, 0)
        if have < wrote or (written.whole and have > wrote):
            said.append(f"{arm}: {have:,} {_UNITS[kind]} are there, the run wrote {wrote:,}")
    return said
