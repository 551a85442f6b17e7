"""The processes of a run: one Locust master, and workers of each arm. Imports neither Locust nor gevent.

The processes are children of the caller and die with it, also when it is killed. What they measure reaches the
caller through the run's journals; only what happens (ready, go, failed) comes by the master's standard output.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from harness.config.shipped import LOCUSTFILE
from harness.load import messages
from harness.load.elsewhere import LOOPBACK, Elsewhere, Listen
from harness.model.shard import worker_name
from harness.model.target import Target, Targets
from harness.record.folder import RunFolder
from harness.system.process import Family, free_ports
from harness.system.secrets import environment_without

FINISHED_WITHIN_S = 20.0
ENDED_WITHIN_S = 1.0
"""How long the processes have to end by themselves before they are killed."""


class Fleet:
    """A started master with its workers; a context manager that leaves none of them behind."""

    def __init__(self, folder: RunFolder, workers: int = 1, elsewhere: Elsewhere | None = None) -> None:
        """``workers`` are of each arm; where they come from ``elsewhere``, none is started."""
        numbered = [(arm, index) for arm in folder.arms() for index in range(workers)]
        self._elsewhere = elsewhere
        self._log = folder.path / "locust.log"
        self._family = Family()
        at = Listen(LOOPBACK, free_ports(1)[0]) if elsewhere is None else elsewhere.listen
        # Locust's users stand for nothing here, but without one on each worker it would not begin.
        users = str(len(numbered) if elsewhere is None else elsewhere.workers)
        targets = folder.targets()
        run = {messages.RUN_VARIABLE: str(folder.path.resolve())}
        environment = {**environment_without(targets.secret_variables), **run}
        master = ["--master", "--master-bind-host", at.host, "--master-bind-port", str(at.port)]
        master += ["--expect-workers", users, "-u", users, "-r", users]
        self._master = self._start(master, {**environment, **_of_master(elsewhere, targets)}, subprocess.PIPE)
        if elsewhere is not None:
            numbered = []
        worker = ["--worker", "--master-host", at.host, "--master-port", str(at.port)]
        self._processes = {"master": self._master} | {
            worker_name(arm, index, workers): self._start(
                worker,
                {
                    **environment,
                    **_secrets(targets.arms[arm]),
                    messages.ARM_VARIABLE: arm,
                    messages.WORKER_VARIABLE: str(index),
                },
            )
            for arm, index in numbered
        }
        self._unread = b""

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """The process of the master and of each worker."""
        return {name: process.pid for name, process in self._processes.items()}

    def lost(self) -> tuple[str, ...]:
        """Which of the processes have ended although the run goes on."""
        return tuple(name for name, process in self._processes.items() if process.poll() is not None)

    def events(self, wait_s: float) -> list[dict[str, Any]]:
        """What the master has told, after waiting for up to ``wait_s`` for something new."""
        assert self._master.stdout is not None
        ready, _, _ = select.select([self._master.stdout], [], [], wait_s)
        if ready:
            data = os.read(self._master.stdout.fileno(), 1 << 16)
            if not data:
                time.sleep(wait_s)  # the master is gone, and select no longer waits
            self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines if line.startswith(b'{"event"')]

    def finish(self) -> dict[str, Any]:
        """End the load of workers elsewhere, and wait until what they measured is here; what the master says of it."""
        if self._elsewhere is None or self._master.poll() is not None:
            return {}
        self._master.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + FINISHED_WITHIN_S
        while time.monotonic() < deadline and self._master.poll() is None:
            for event in self.events(0.25):
                if event["event"] == "finished":
                    return event
        return {"lacking": ["the master"]}

    def stop(self) -> None:
        """End every process: who writes may write what it holds; who has not gone within a second is killed.

        A master writes only what workers elsewhere send it. Locust's waits a second at its end, for statistics that
        nobody reads here.
        """
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        writing = [process for process in running if process is not self._master or self._elsewhere is not None]
        deadline = time.monotonic() + ENDED_WITHIN_S
        while any(process.poll() is None for process in writing) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._family.close()

    def _start(
        self, arguments: list[str], environment: Mapping[str, str], stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *arguments]
        command += ["--headless", "--only-summary", "--loglevel", "WARNING", "--stop-timeout", "0"]
        return self._family.spawn(command, environment, self._log, stdout)


def _of_master(elsewhere: Elsewhere | None, targets: Targets) -> dict[str, str]:
    """What the environment of a master holds that listens for workers elsewhere."""
    if elsewhere is None:
        return {}
    found = {} if elsewhere.key is None else {"AUTHGATE_KEY_FILE": str(elsewhere.key.resolve())}
    if elsewhere.send_accounts:
        found |= {messages.SEND_VARIABLE: "1"}
        for target in targets.arms.values():
            found |= _secrets(target)
    return found


def _secrets(target: Target) -> dict[str, str]:
    """The variables of this process's environment that an arm's worker reads its accounts from."""
    return {name: os.environ[name] for name in target.secret_variables if name in os.environ}
