"""A gate run as a user starts it: by the command line, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pyarrow as pa
import yaml

from harness.errors import RunError
from harness.record.folder import RunFolder

SCENARIO: dict[str, Any] = {
    "name": "small",
    "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"],
    "population": {"users": 100, "cold_share": 0.8},
    "arrivals": {"curve": "constant", "rate": 40},
    "timeout_s": 3,
    "step_timeout_s": 3,
    "seats": 200,
    "blocks": {"length_s": 1.2, "trim_s": 0.3, "pairs": 5},
}
"""A block is judged by 36 logins, 7 of them warm: a p50 needs 6."""
# Margins and limits wide enough for a busy machine of two cores: these tests are about verdicts, and neither about
# small effects nor about a generator that other work makes late.
WIDE = {"relative": 2.0, "floor_ms": 150}
POLICY: dict[str, Any] = {
    "name": "test",
    "margins": {
        "login": {"p50": WIDE, "p95": None, "p99": None},
        "step": {"p50": WIDE, "p95": None},
        "failure_rate": 0.2,
        "slow_rate": 0.2,
    },
    "looks": {"block_from": 3, "pass_from": 3, "pass_after_s": 0},
    "limits": {"send_lag_p99_ms": 9000, "pool_wait_p99_ms": 9000, "hub_stall_p99_ms": 9000, "generator_cpu": 1.0},
    "quick": True,
}
NO_LEAK = {"suspect_p": 0, "block_p": 0}
"""Of equal arms one run in twenty looks like a leak at first, and would measure on."""
AUTHGATE = [sys.executable, "-m", "harness"]


@dataclass
class Inputs:
    """Files of one run in a folder of its own."""

    folder: Path

    def write(self, name: str, document: object) -> Path:
        """A YAML file of this name."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    def command(self, targets: object, scenario: object = SCENARIO, policy: object = POLICY) -> list[str]:
        """The gate's command line for these inputs, with results in the folder."""
        files = [str(self.write(n, d)) for n, d in (("scenario", scenario), ("targets", targets), ("policy", policy))]
        return [
            *AUTHGATE,
            "gate",
            files[0],
            "--targets",
            files[1],
            "--policy",
            files[2],
            "--results",
            str(self.results),
        ]

    @property
    def results(self) -> Path:
        """Where the runs go."""
        return self.folder / "results"

    @property
    def run(self) -> Path:
        """The folder of the one run."""
        (folder,) = (path for path in self.results.iterdir() if path.is_dir())
        return folder

    @property
    def run_folder(self) -> RunFolder:
        """The one run."""
        return RunFolder(self.run)

    def verdict(self) -> dict[str, Any]:
        """The run's verdict.json."""
        found: dict[str, Any] = json.loads((self.run / "verdict.json").read_text(encoding="utf-8"))
        return found

    def attempts(self) -> pa.Table:
        """Every attempt that is on disk."""
        return RunFolder(self.run).attempts()


def finished(command: list[str], timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run to the end and keep what was said."""
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def unless_late(
    inputs: Inputs, command: list[str], timeout_s: float = 120, or_undecided: bool = False
) -> subprocess.CompletedProcess[str]:
    """A gate to its end; run anew, twice at most, where it says itself that this machine made its generator late.

    ``or_undecided``: and where it is INCONCLUSIVE, since other work on this machine may hide what some seconds show.
    """
    for _ in range(2):
        done = finished(command, timeout_s)
        late = done.returncode == 30 and re.search("sent late|event loop stalled|was silent", done.stdout)
        if not late and not (or_undecided and done.returncode == 20):
            return done
        shutil.rmtree(inputs.results)
    return finished(command, timeout_s)


Found = TypeVar("Found")


def of_three(folder: Path, run: Callable[[Path], Found], wanted: Callable[[Found], bool]) -> Found:
    """The first of three runs, each in a folder of its own, that is as wanted, or else the last one.

    Other work on this machine may hide what a run shows, and does so once, perhaps twice.
    """
    for turn in range(3):
        (own := folder / str(turn)).mkdir()
        found = run(own)
        if wanted(found):
            break
    return found


class Running:
    """A gate that is running, and its processes."""

    def __init__(self, command: list[str], inputs: Inputs) -> None:
        self._inputs = inputs
        # A shell in the background hands down an ignored SIGINT, and with it a gate that no Ctrl-C ends.
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            until(lambda: self.attempts_on_disk() > 60 or self.process.poll() is not None, 60, "no load flowed")
        except AssertionError:
            self.process.kill()
            raise AssertionError(f"no load flowed: {self.process.communicate()[0]}") from None
        assert self.process.poll() is None, self.end()
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def attempts_on_disk(self) -> int:
        """How many attempts the journals hold now."""
        try:
            return len(self._inputs.attempts())
        except (FileNotFoundError, ValueError, RunError):  # the folder is not there yet, or its manifest
            return 0

    def kill(self, name: str, worker: int = 0, how: signal.Signals = signal.SIGKILL) -> None:
        """Send SIGKILL, or another signal, to the ``master`` or to a worker (from 0) of an arm."""
        (victim,) = (process for process in self.family if _part(process) == (name, worker))
        victim.send_signal(how)

    def end(self) -> tuple[int, str]:
        """The exit code and all that was said."""
        said, _ = self.process.communicate(timeout=90)
        return self.process.returncode, said

    def none_left(self) -> bool:
        """Whether every process of the run has gone."""
        return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in self.family)


def _part(process: psutil.Process) -> tuple[str, int]:
    environment = process.environ()
    name = environment.get("AUTHGATE_ARM", "master" if "AUTHGATE_RUN" in environment else "")
    return name, int(environment.get("AUTHGATE_WORKER", "0"))


def until(condition: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    """Wait for a condition; AssertionError where it does not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """These processes hear nothing and say nothing meanwhile; their sockets go on accepting.

    A signal sent is not yet a process that stands: each thread goes on until it has a core and finds it there, which
    on a machine with more to do than cores takes tens of milliseconds, longer than a whole login.
    """
    try:
        for process in processes:
            with suppress(ProcessLookupError):  # a server's child that has ended since it was listed
                os.kill(process, signal.SIGSTOP)
        until(lambda: all(map(_stands, processes)), 20, "a process that was stopped went on")
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):  # it was killed meanwhile
                os.kill(process, signal.SIGCONT)


def _stands(process: int) -> bool:
    """Whether each of its threads is stopped or has ended (T, Z or X after the name; proc_pid_stat(5))."""
    states = []
    for thread in Path(f"/proc/{process}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended as we looked
            states.append(thread.read_text().rpartition(") ")[2][0])
    return set(states) <= {"T", "Z", "X"}


def commands_running() -> str:
    """Every command line of this machine, one after the other."""
    found = ""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended as we looked
            found += path.read_bytes().decode(errors="replace")
    return found


def interrupt(running: Running) -> float:
    """Send what Ctrl-C sends; the instant on the run's clock (s since boot)."""
    os.kill(running.process.pid, signal.SIGINT)
    return time.monotonic()
