"""A gate under way on a lab, what may be done to it and to its servers, and what came of it."""

from __future__ import annotations

import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import psutil
import pyarrow.compute as pc

from harness.lab.base import BaseLab, RunningArm
from harness.model.plan import NS, make_plan
from harness.model.target import Arm
from harness.system.process import environment
from tests.helpers.running import AUTHGATE, Inputs, Running, finished, stopped, until

STANDS_S = 0.4
"""How long a slow disk stands still, and goes on."""
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
"""Requests of ioctl(2) to a file system (linux/fs.h)."""
FLUSHED_S = 1.0
"""Of a process that is killed, what it has measured in its last second may be lost."""


@dataclass(frozen=True)
class Result:
    """What came of a gate: its verdict, exit code, what was lost and what was left, and why, in its own words."""

    verdict: str
    code: int
    lost: int
    left: int
    words: tuple[str, ...]
    said: str


@dataclass
class Scene:
    """A running gate and its lab."""

    lab: BaseLab[Any]
    inputs: Inputs
    running: Running
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """What was started besides, to be ended with the scene."""

    def arm(self, name: Arm) -> RunningArm:
        """A running arm."""
        found: RunningArm = self.lab.arms[name]
        return found

    def servers(self, arm: Arm, name: str) -> list[psutil.Process]:
        """A server's processes, the first one first."""
        first = psutil.Process(self.arm(arm).processes[name].pid)
        return [first, *first.children(recursive=True)]

    def kill(self, arm: Arm, name: str) -> None:
        """SIGKILL a server with all of its processes."""
        for process in self.servers(arm, name):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_for_block(self, arm: Arm, pair: int = 2) -> None:
        """Wait until the arm's block of this pair begins: what comes before may be warm-up, and not judged."""
        folder = self.inputs.run_folder
        (block,) = (block for block in make_plan(folder.scenario()).of(arm) if block.pair == pair)
        time.sleep(max(0.0, float(folder.manifest()["origin_wall"]) + block.start / NS - time.time()))

    def freeze(self, seconds: float, *processes: psutil.Process) -> None:
        """Stop processes, and let them go on after so long."""
        with stopped(*(process.pid for process in processes)):
            time.sleep(seconds)

    def restart(self, arm: Arm, name: str, after_s: float = 1.0, change: Callable[[], None] = lambda: None) -> None:
        """Kill a server, and start it again by its own command line."""
        (first, *_) = self.servers(arm, name)
        argv, env, cwd = first.cmdline(), first.environ(), first.cwd()
        self.kill(arm, name)
        change()
        time.sleep(after_s)
        log = (self.arm(arm).folder / f"{name}.again").open("wb")
        self.started.append(subprocess.Popen(argv, env=env, cwd=cwd, stdout=log, stderr=log))

    def part(self, name: str) -> psutil.Process:
        """The ``master`` or the worker of an arm."""
        (found,) = (
            process for process in self.running.family
            if process.environ().get("AUTHGATE_ARM", "master" if "AUTHGATE_RUN" in process.environ() else "") == name
        )  # fmt: skip
        return found

    def limit_memory(self, process: psutil.Process) -> None:
        """Let a process have no more address space than it has now."""
        now = process.memory_info().vms
        resource.prlimit(process.pid, resource.RLIMIT_AS, (now, now))

    def hogs(self) -> list[psutil.Process]:
        """Two processes a core that never wait, until the scene ends."""
        made = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
        self.started += made
        return [psutil.Process(process.pid) for process in made]

    def hogs_in_blocks_of(self, arm: Arm) -> None:
        """The same, in the blocks of one arm alone."""
        hogs, folder = self.hogs(), self.inputs.run_folder
        plan, origin = make_plan(folder.scenario()), float(folder.manifest()["origin_wall"])
        for hog in hogs:
            hog.suspend()

        def toggle() -> None:
            for block in plan.of(arm):
                time.sleep(max(0.0, origin + block.start / NS - time.time()))
                for hog in hogs:
                    with suppress(psutil.NoSuchProcess):
                        hog.resume()
                time.sleep(max(0.0, origin + (block.start + block.length) / NS - time.time()))
                for hog in hogs:
                    with suppress(psutil.NoSuchProcess):
                        hog.suspend()

        threading.Thread(target=toggle, daemon=True).start()

    def close(self) -> None:
        """End what was started besides."""
        for process in self.started:
            process.kill()
            process.wait()


def expired_certificate(folder: Path, certificate: Path, key: Path, subject: str) -> None:
    """Write a certificate of the same key and name in its place, which was valid until five weeks ago."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    command = ["openssl", "req", "-x509", "-new", "-key", str(key), "-subj", subject, "-addext", names]
    env = environment(LD_PRELOAD=str(library), FAKETIME="-400d")
    made = folder / "expired.pem"
    subprocess.run([*command, "-days", "365", "-out", str(made)], env=env, check=True, capture_output=True)
    shutil.move(made, certificate)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in the folder, of this size; needs root."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def slow_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own in the folder, which stands still for half of the time; needs root and a loop device."""
    place = folder / "disk"
    place.mkdir()
    # In memory, and frozen by this process itself: it stands still for as long as is said, whatever else the machine
    # and its disk have to do.
    with NamedTemporaryFile(dir="/dev/shm") as image:
        image.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image.name], check=True)
        subprocess.run(["mount", "-o", "loop", image.name, str(place)], check=True)
    over = threading.Event()

    def hold() -> None:
        root = os.open(place, os.O_RDONLY)
        while not over.wait(STANDS_S):
            fcntl.ioctl(root, FIFREEZE, 0)
            time.sleep(STANDS_S)
            fcntl.ioctl(root, FITHAW, 0)
        os.close(root)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield place
    finally:
        over.set()
        holding.join()
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave_b: int = 0) -> None:
    """Fill a file system, all but so many bytes."""
    free = os.statvfs(disk)
    left = free.f_bavail * free.f_frsize - leave_b
    with suppress(OSError), (disk / "filler").open("wb") as file:
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 16)))
            file.flush()


def gated(
    lab: BaseLab[Any],
    inputs: Inputs,
    scenario: Mapping[str, Any],
    policy: Mapping[str, Any],
    act: Callable[[Scene], None],
    **directory: object,
) -> Result:
    """Gate the lab's arms, do this once load flows, and see what comes of it; one that was killed is reported.

    ``directory``: fields of both arms' directories to replace.
    """
    targets: Any = lab.targets
    for target in targets["arms"].values():
        target["directory"] = {**target["directory"], **directory}
    running = Running(inputs.command(targets, scenario, policy), inputs)
    scene = Scene(lab, inputs, running)
    try:
        before = _sequences(inputs)
        act(scene)
        code, said = running.end()
        left = left_behind(running)
        if code == -signal.SIGKILL:
            said += finished([*AUTHGATE, "report", str(inputs.run)]).stdout
        return _result(inputs, code, said, before, left)
    finally:
        scene.close()
        for process in running.family:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def refused(inputs: Inputs, command: Sequence[str]) -> Result:
    """A gate that does not come to load."""
    done = finished(list(command))
    return _result(inputs, done.returncode, done.stdout + done.stderr, set(), 0)


def left_behind(running: Running) -> int:
    """How many of the gate's processes are there 5 s after it has ended."""
    with suppress(AssertionError):
        until(running.none_left, 5, "")
    alive = (process for process in running.family if process.is_running())
    return sum(process.status() != psutil.STATUS_ZOMBIE for process in alive)


def _sequences(inputs: Inputs) -> set[int]:
    """The attempts that are on disk and ended more than a second before now."""
    attempts = inputs.attempts()
    if not len(attempts):
        return set()
    last = pc.max(attempts["ended"]).as_py() - round(FLUSHED_S * NS)
    return set(attempts.filter(pc.less(attempts["ended"], last))["seq"].to_pylist())


def _result(inputs: Inputs, code: int, said: str, before: set[int], left: int) -> Result:
    after: set[int] = set()
    verdict: dict[str, Any] = {}
    with suppress(Exception):  # there may be no folder any more
        after = set(inputs.attempts()["seq"].to_pylist())
    with suppress(Exception):
        verdict = inputs.verdict()
    words = (*verdict.get("reasons", ()), verdict.get("partial", ""), verdict.get("sentence", ""))
    spoken = said.strip().splitlines()
    # Where nothing could be written, the verdict is on the terminal alone, and what went wrong beside it.
    printed = re.search(r"^\W*(PASS|BLOCK|INCONCLUSIVE|INVALID)\b.*exit code", said, re.MULTILINE)
    wanted = [line for line in spoken if "expected" in line and "got" in line]
    told = tuple(word for word in words if word) or tuple(wanted or spoken[-1:])
    kind = verdict.get("verdict", printed[1] if printed else "none")
    return Result(kind, code, len(before - after), left, told, said)
