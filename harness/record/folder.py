"""A run's folder: ``results/<run_id>/`` with manifest, inputs, attempts and health (see results/README.md)."""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.errors import RunError, one_line
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.shard import WORKERS_AT_MOST
from harness.model.target import ARMS, Arm, Targets
from harness.record.completeness import KEY, Written, disagreement, document_digest, written_of
from harness.record.journal import JournalReader, joined
from harness.record.parquet import schema_for, write_attempts
from harness.record.schema import ATTEMPTS, HEALTH, as_now
from harness.system.files import whole, write_whole

FORMAT = 2
UNCOUNTED = 1
"""The format of runs that did not write down what they measured."""
SCHEMAS = {"attempts": ATTEMPTS, "health": HEALTH}
_VERSIONS_OF = ("authgate", "locust", "gevent", "krb5", "gssapi", "ldap3", "numpy", "scipy", "pyarrow")


class RunFolder:
    """The files of one run, written atomically where they are not journals."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @classmethod
    def create(
        cls, results: Path, scenario: Scenario, targets: Targets, policy: Policy, arms: Sequence[Arm]
    ) -> RunFolder:
        """A new run's folder with its inputs and manifest; raises RunError where it can't be written."""
        now = datetime.now(UTC)
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{scenario.name}-{secrets.token_hex(3)}"
        folder = cls(results / run_id)
        try:
            folder.path.mkdir(parents=True)
            folder.write_manifest(_first_manifest(run_id, now, scenario, targets, policy, arms))
        except OSError as error:
            with suppress(OSError):
                folder.path.rmdir()
            raise RunError(f"{folder.path}: expected a folder to write results to, got: {error.strerror}") from None
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run's folder; raises RunError where it isn't one."""
        folder = cls(path)
        where = path / "manifest.json"
        found = folder.manifest()
        if found.get("format") not in (UNCOUNTED, FORMAT):
            raise RunError(f"{where}: expected format {UNCOUNTED} or {FORMAT}, got another version's")
        for key in ("created", "status"):
            if not isinstance(found.get(key), str):
                raise RunError(f"{where}: {key}: expected what a run writes there, got something else or nothing")
        for key, read in (
            ("scenario", folder.scenario),
            ("targets", folder.targets),
            ("policy", folder.policy),
            ("arms", folder.arms),
            ("workers", folder.workers),
        ):
            try:
                if not read():
                    raise ValueError(key)
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{where}: {key}: expected what a run writes there, got something else or nothing"
                ) from None
        return folder

    def manifest(self) -> dict[str, Any]:
        """The manifest; raises RunError where there is none or it isn't JSON."""
        path = self.path / "manifest.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RunError(f"{path}: expected a run's manifest, got: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise RunError(f"{path}: expected JSON") from None
        if not isinstance(found, dict):
            raise RunError(f"{path}: expected a JSON object")
        return found

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Replace the manifest as a whole; it ends with a digest of its own."""
        document = {key: value for key, value in manifest.items() if key != "digest"}
        document = json.loads(json.dumps(document))  # as it will be read, tuples as lists
        document["digest"] = document_digest(document)
        write_whole(self.path / "manifest.json", f"{json.dumps(document, indent=2, ensure_ascii=False)}\n")

    def update_manifest(self, **changes: object) -> None:
        """Set some of the manifest's keys."""
        self.write_manifest({**self.manifest(), **changes})

    def created(self) -> datetime:
        """When the run began; raises RunError where the manifest holds no time."""
        found = str(self.manifest()["created"])
        try:
            return datetime.fromisoformat(found).astimezone(UTC)
        except ValueError:
            raise RunError(f"{self.path / 'manifest.json'}: created: expected an ISO 8601 time, got {found}") from None

    def scenario(self) -> Scenario:
        """The scenario that was run."""
        return Scenario.model_validate(self.manifest()["scenario"])

    def targets(self) -> Targets:
        """The targets that were run against."""
        return Targets.model_validate(self.manifest()["targets"])

    def policy(self) -> Policy:
        """The policy that judged the run."""
        return Policy.model_validate(self.manifest()["policy"])

    def arms(self) -> tuple[Arm, ...]:
        """The arms that were run, in the order of ARMS."""
        return tuple(arm for arm in ARMS if arm in self.manifest()["arms"])

    def workers(self) -> int:
        """How many workers each arm had; raises ValueError where the manifest says something else."""
        found = self.manifest().get("workers", 1)
        if type(found) is not int or not 1 <= found <= WORKERS_AT_MOST:
            raise ValueError("workers")
        return found

    def shares(self) -> dict[Arm, tuple[int, ...]]:
        """How many logins each worker of an arm has to send, as the run planned it; raises ValueError."""
        found = self.manifest().get("shares")
        if not isinstance(found, dict):
            raise ValueError("shares")
        return {arm: tuple(map(int, found[arm])) for arm in self.arms()}

    def journal(self, kind: str, arm: str, worker: int = 0) -> Path:
        """Where the ``worker``-th (from 0) of an arm writes ``attempts`` or ``health`` while the run goes on."""
        return self.path / f"{kind}-{arm}-{worker}.arrows"

    def attempts(self) -> Any:
        """Every attempt that is on disk, as an Arrow table of ATTEMPTS in order of ``seq``; raises RunError."""
        return self.read("attempts").table.sort_by("seq")

    def health(self) -> Any:
        """The generator's health, as an Arrow table of HEALTH in order of time; raises RunError."""
        return self.read("health").table.sort_by("t")

    def read(self, kind: str) -> Part:
        """``attempts`` or ``health``, as far as it can be read; raises RunError for a file that is none of these.

        While a run has not counted them, and where its Parquet file is not yet counted, the journals are read. A
        Parquet file that is not the one that was counted is not read at all.
        """
        manifest, finished = self.manifest(), self.path / f"{kind}.parquet"
        written, uncounted = written_of(manifest), manifest.get("format") == UNCOUNTED
        if uncounted and finished.exists():
            return Part(_read_parquet(finished, kind), ())
        counted = written is not None and finished.name in written.files
        if counted and written is not None:
            fault = disagreement(finished, written)
            if fault is not None:
                return Part(SCHEMAS[kind].empty_table(), (fault,))
            return Part(_read_parquet(finished, kind), written.damaged)
        readers = [JournalReader(path, SCHEMAS[kind], framed=not uncounted) for path in self._journals(kind)]
        if not readers and finished.exists():
            return Part(_read_parquet(finished, kind), (f"{finished.name}: the manifest says nothing of it",))
        table = joined((batch for reader in readers for batch in reader.each()), SCHEMAS[kind])
        return Part(table, tuple(lost for reader in readers for lost in reader.damage))

    def finish(self, **changes: object) -> None:
        """Count what the journals hold, and turn them into Parquet; each goes only when all is whole and counted.

        ``changes`` are keys of the manifest that are set with the counts: how the run ended. Raises OSError.
        """
        parts = {kind: self.read(kind) for kind in SCHEMAS}
        before = written_of(self.manifest()) or Written("", {})
        written = replace(
            before,
            attempts=by_arm(parts["attempts"].table),
            health=by_arm(parts["health"].table),
            whole=True,
            damaged=tuple(dict.fromkeys(lost for part in parts.values() for lost in part.faults)),
        )
        self.update_manifest(**changes, **{KEY: written.document})
        for kind, part in parts.items():
            path = self.path / f"{kind}.parquet"
            with whole(path) as unfinished:
                rows = part.table.sort_by(_ORDER[kind])
                if kind == "attempts":
                    write_attempts(iter([rows]), unfinished, schema_for(rows))
                else:
                    pq.write_table(rows, unfinished, compression="zstd")
            written = written.with_file(path)
        self.update_manifest(**{KEY: written.document})
        for kind in SCHEMAS:
            for journal in self._journals(kind):
                journal.unlink()

    def _journals(self, kind: str) -> list[Path]:
        return sorted(self.path.glob(f"{kind}-*.arrows"))


_ORDER = {"attempts": "seq", "health": "t"}


@dataclass(frozen=True, slots=True)
class Part:
    """What could be read of a run's attempts or health, and what of it is damaged or missing, in words."""

    table: Any
    faults: tuple[str, ...]


def by_arm(table: Any) -> dict[Arm, int]:
    """How many rows of a table each arm has; a row of no known arm is none's."""
    counted = pc.value_counts(table["arm"].combine_chunks()).to_pylist() if len(table) else []
    counts = {str(found["values"]): int(found["counts"]) for found in counted}
    return {arm: counts.get(arm, 0) for arm in ARMS if arm in counts}


def _read_parquet(path: Path, kind: str) -> Any:
    try:
        table = as_now(pq.read_table(path, page_checksum_verification=True), SCHEMAS[kind])
        table.validate(full=True)
    except (pa.ArrowException, ValueError, TypeError, OSError, MemoryError) as error:
        said = one_line(str(error).partition("\n")[0])[:200]
        raise RunError(f"{path}: expected a Parquet file of {kind}, got: {said}") from None
    return table


def _authentications(scenario: Scenario) -> str:
    """The scenario's authentication, or each of its cohorts'."""
    return " and ".join(dict.fromkeys(str(scenario.mix[name].authentication) for name in scenario.expected))


def _first_manifest(
    run_id: str, now: datetime, scenario: Scenario, targets: Targets, policy: Policy, arms: Sequence[Arm]
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "run_id": run_id,
        "created": now.isoformat(timespec="seconds"),
        "scenario": scenario.model_dump(mode="json"),
        "scenario_digest": scenario.digest,
        "seed": scenario.seed,
        "authentication": _authentications(scenario),
        "policy": policy.model_dump(mode="json"),
        # Targets hold the place of the credentials and never a secret.
        "targets": targets.model_dump(mode="json"),
        "environment": targets.environment,
        "versions": {name: version(name) for name in _VERSIONS_OF},
        "host": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
        },
        "arms": list(arms),
        "status": "running",
    }
