"""The process that serves the gate's page: it starts gates as the command line does, follows runs, and lists them.

A gate that the page starts is ``authgate gate`` in a process of its own: one code path, and nothing of the page's in
the process that measures. Runs are followed by their live files, so a gate that was started elsewhere is followed too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from harness.config import shipped
from harness.config.load import load_policy, load_scenario, load_targets, load_update
from harness.errors import AuthgateError, ConfigError, RunError
from harness.load.asked import AskedError
from harness.report.language import ENGLISH, Language, language_of
from harness.run.request import RunRequest
from harness.system.cache import scratch
from harness.system.process import Family, Identity
from harness.webui.live import LIVE, WATCHED, in_language, is_alive

SAID_AT_MOST = 2000
RUNS_AT_MOST = 200
LOOKED_AT_MOST_EVERY_S = 0.5
ENDED_WITHIN_S = 30.0
"""For a gate to judge and report what it has when it is stopped with the page's own process."""
REPORTS = ("report.html", "report.png", "verdict.json", "junit.xml", "summary.md", "attempts.parquet", "health.parquet")
"""What may be downloaded of a run: not its manifest, which names the files of credentials."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a form asks for: the command line's arguments of one gate."""

    arguments: tuple[str, ...]


def wanted_of(fields: Mapping[str, str], results: Path) -> Wanted:
    """The gate that a form asks for, checked as the command line does before any load; raises AskedError."""
    spoken = ("--lang", language_of(fields.get("lang", "")).code)
    if update := fields.get("update", "").strip():
        try:
            if Path(update).name != update:
                raise ConfigError(f"update: expected a name of the catalogue, got {update}")
            load_update(shipped.find(update, shipped.UPDATES))
        except AuthgateError as error:
            raise AskedError({"update": str(error)}) from None
        return Wanted(("updates", "run", update, "--results", str(results), *spoken))
    wrong: dict[str, str] = {}
    read: dict[str, Any] = {}
    for field, load in (
        ("scenario", lambda text: load_scenario(shipped.find(text, shipped.SCENARIOS))),
        ("targets", lambda text: load_targets(Path(text))),
        ("policy", lambda text: load_policy(shipped.find(text, shipped.POLICIES))),
    ):
        text = fields.get(field, "").strip()
        try:
            if not text:
                raise ConfigError(f"{field}: expected a file, got none")
            read[field] = load(text)
        except AuthgateError as error:
            wrong[field] = str(error)
    if not wrong:
        try:
            RunRequest(read["scenario"], read["targets"], read["policy"], results).check()
        except AuthgateError as error:
            wrong["scenario" if "scenario" in str(error).split(":")[0] else "targets"] = str(error)
    if wrong:
        raise AskedError(wrong)
    scenario, targets, policy = (fields[name].strip() for name in ("scenario", "targets", "policy"))
    return Wanted(("gate", scenario, "--targets", targets, "--policy", policy, "--results", str(results), *spoken))


class GateHost:
    """Starts at most one gate at a time, and knows which run goes on in the folder of runs."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._family = Family()
        self._logs = scratch()
        self._child: Popen[bytes] | None = None
        self._started = 0
        self._looked = 0.0
        self._live: dict[str, Any] | None = None
        self._told: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {}
        """By language: the live file as it was read, and as it is told."""
        self.last = ""
        """The run that was followed last."""

    def start(self, fields: Mapping[str, str]) -> None:
        """Start the gate that a form asks for; raises AskedError, and RunError where one is under way."""
        wanted = wanted_of(fields, self.results)
        if self.busy:
            raise RunError("a gate is under way: stop it first, or wait for its end")
        self._started += 1
        self.last = ""
        log = Path(self._logs.name) / f"{self._started}.log"
        command = [sys.executable, "-m", "harness", *wanted.arguments]
        self._child = self._family.spawn(command, dict(os.environ), log)

    @property
    def busy(self) -> bool:
        """Whether a gate is starting or running, here or elsewhere with its runs in this folder."""
        return self._child_runs() or self.live() is not None

    def _child_runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def live(self) -> dict[str, Any] | None:
        """The live file of the run that goes on; None where none does."""
        if time.monotonic() - self._looked < LOOKED_AT_MOST_EVERY_S:
            return self._live
        self._looked = time.monotonic()
        found = self._find()
        if found is not None:
            self.last = str(found["run_id"])
        self._live = found
        return found

    def text(self, say: Language = ENGLISH) -> str:
        """The state of things as one line of JSON, in a page's language."""
        live = self.live()
        if live is not None:
            with suppress(OSError):
                (self.results / str(live["run_id"]) / WATCHED).touch()
        child_runs = self._child_runs()
        state = {
            "live": self._in_language(live, say),
            "starting": child_runs and live is None and not self.last,
            "ending": child_runs and live is None and bool(self.last),
            "ended": self.last if live is None and not child_runs else "",
            "failed": "" if child_runs or live is not None else self._complaint(),
        }
        return json.dumps(state)

    def stop(self, run_id: str) -> None:
        """End a run as Ctrl-C does, with its partial verdict and report; raises RunError where it doesn't go on."""
        live = self.live()
        if live is None or live["run_id"] != run_id:
            if not run_id and self._child is not None and self._child_runs():
                self._child.send_signal(signal.SIGINT)
                return
            raise RunError(f"{run_id or 'no run'}: expected a run that goes on, got one that has ended")
        _interrupt(Identity(int(live["process"]["pid"]), int(live["process"]["started"])))

    def close(self) -> None:
        """End the gate that this page has started, and wait for its report."""
        if self._child is not None and self._child_runs():
            self._child.send_signal(signal.SIGINT)
            deadline = time.monotonic() + ENDED_WITHIN_S
            while self._child_runs() and time.monotonic() < deadline:
                time.sleep(0.05)
        self._family.close()
        self._logs.cleanup()

    def runs(self, say: Language = ENGLISH) -> list[dict[str, Any]]:
        """The runs of the folder, the youngest first, each with its verdict if it has one."""
        folders = sorted((path for path in _folders(self.results)), key=lambda path: path.name, reverse=True)
        found = (_run(path) for path in folders[:RUNS_AT_MOST])
        return [{**run, "sentence": say.sentence(run["sentence"])} for run in found if run is not None]

    def _in_language(self, live: dict[str, Any] | None, say: Language) -> dict[str, Any] | None:
        if live is None:
            return None
        of, told = self._told.get(say.code, (None, None))
        if of is not live:
            self._told[say.code] = (live, told := in_language(live, say))
        return told

    def has(self, run_id: str) -> bool:
        """Whether there is a run of this name in the folder."""
        return Path(run_id).name == run_id and _run(self.results / run_id) is not None

    def _find(self) -> dict[str, Any] | None:
        newest: tuple[float, dict[str, Any]] | None = None
        for folder in _folders(self.results):
            with suppress(OSError, ValueError, TypeError):
                changed = (folder / LIVE).stat().st_mtime
                found = json.loads((folder / LIVE).read_text(encoding="utf-8"))
                if is_alive(found) and (newest is None or changed > newest[0]):
                    newest = (changed, {**found, "run_id": folder.name})
        return None if newest is None else newest[1]

    def _complaint(self) -> str:
        """What a gate said that ended before it had a run, or whose run failed; empty of any other."""
        if self._child is None or self._child.returncode in (None, 0, 10, 20, 30):
            return ""
        said = (Path(self._logs.name) / f"{self._started}.log").read_text(encoding="utf-8", errors="replace").strip()
        return said[-SAID_AT_MOST:] or f"authgate ended with exit code {self._child.returncode}"


def _interrupt(process: Identity) -> None:
    """Send SIGINT to this very process, and to no other that has its pid by now."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.alive:
            signal.pidfd_send_signal(fd, signal.SIGINT)
    finally:
        os.close(fd)


def _folders(results: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(results) if entry.is_dir()]
    except OSError:
        return []


def _run(folder: Path) -> dict[str, Any] | None:
    """What a list says of a run; None of a folder that is none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = {
            "run_id": folder.name,
            "created": str(manifest["created"]),
            "status": str(manifest["status"]),
            "scenario": str(manifest["scenario"]["name"]),
            "policy": str(manifest["policy"]["name"]),
            "arms": [str(arm) for arm in manifest["arms"]],
            "update": str(manifest.get("update", "")),
        }
    except (OSError, ValueError, LookupError, TypeError):
        return None
    found |= {"verdict": "", "sentence": "", "files": [name for name in REPORTS if (folder / name).exists()]}
    with suppress(OSError, ValueError, LookupError, TypeError):
        verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
        found |= {"verdict": str(verdict["verdict"]), "sentence": str(verdict["sentence"])}
    return found
