"""A run's folder: ``results/<run_id>/`` with manifest, inputs, attempts and health (see results/README.md)."""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import RunError
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Arm, Targets
from harness.record.journal import JournalReader, joined
from harness.record.schema import ATTEMPTS, HEALTH, as_now
from harness.system.files import whole, write_whole

FORMAT = 1
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
        except OSError as error:
            raise RunError(f"{folder.path}: expected a folder to write results to, got: {error.strerror}") from None
        folder.write_manifest(
            {
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
        )
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run's folder; raises RunError where it isn't one."""
        folder = cls(path)
        where = path / "manifest.json"
        found = folder.manifest()
        if found.get("format") != FORMAT:
            raise RunError(f"{where}: expected format {FORMAT}, got another version's")
        for key in ("created", "status"):
            if not isinstance(found.get(key), str):
                raise RunError(f"{where}: {key}: expected what a run writes there, got something else or nothing")
        for key, read in (
            ("scenario", folder.scenario),
            ("targets", folder.targets),
            ("policy", folder.policy),
            ("arms", folder.arms),
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
        """Replace the manifest as a whole."""
        write_whole(self.path / "manifest.json", f"{json.dumps(manifest, indent=2, ensure_ascii=False)}\n")

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

    def journal(self, kind: str, arm: str) -> Path:
        """Where a worker writes ``attempts`` or ``health`` while the run goes on."""
        return self.path / f"{kind}-{arm}.arrows"

    def attempts(self) -> Any:
        """Every attempt that is on disk, as an Arrow table of ATTEMPTS in order of ``seq``."""
        return self._table("attempts", ATTEMPTS).sort_by("seq")

    def health(self) -> Any:
        """The generator's health, as an Arrow table of HEALTH in order of time."""
        return self._table("health", HEALTH).sort_by("t")

    def finish(self) -> None:
        """Turn the journals into Parquet; they go only when their Parquet file is whole."""
        for kind, table in (("attempts", self.attempts()), ("health", self.health())):
            with whole(self.path / f"{kind}.parquet") as path:
                pq.write_table(table, path, compression="zstd")
            for journal in self._journals(kind):
                journal.unlink()

    def _table(self, kind: str, schema: Any) -> Any:
        file = self.path / f"{kind}.parquet"
        if file.exists():
            try:
                return as_now(pq.read_table(file)).cast(schema)
            except (pa.ArrowException, ValueError, OSError) as error:
                raise RunError(f"{file}: expected a Parquet file of {kind}, got: {error}") from None
        return joined((as_now(batch) for path in self._journals(kind) for batch in JournalReader(path).each()), schema)

    def _journals(self, kind: str) -> list[Path]:
        return sorted(self.path.glob(f"{kind}-*.arrows"))


def _authentications(scenario: Scenario) -> str:
    """The scenario's authentication, or each of its cohorts'."""
    return " and ".join(dict.fromkeys(str(scenario.mix[name].authentication) for name in scenario.expected))
