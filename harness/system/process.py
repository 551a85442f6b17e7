"""Processes on loopback that end with the one that started them.

1. Each is forked with PR_SET_PDEATHSIG (prctl(2)), so that a SIGKILL of its parent is its own end too.
2. That signal comes when the *thread* that forked dies, so a family forks from a thread of its own.
3. A process is known by its pid and start time, and signalled by a pidfd: a pid in its second life is never hit.
"""

from __future__ import annotations

import ctypes
import os
import random
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import harness
from harness.errors import RunError
from harness.model.exit_codes import CRASH

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # Loaded before any fork: the child may do no more than call it.

SERVER_PORTS = 20_000, 32_000
TRIED_PORTS = 200
_OPEN_FILES = 8192
"""slapd sizes its tables by the limit on open files, which in a container may be a thousand million."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for good: ``started`` is its start in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Identity:
        """The process that has this pid now; raises ProcessLookupError where none has."""
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(pid)
        return cls(pid, started)

    @property
    def alive(self) -> bool:
        """Whether it still runs; a zombie doesn't."""
        return _started(self.pid) == self.started

    def end(self, grace_s: float) -> None:
        """Ask it to end, kill it ``grace_s`` seconds later, and return when it is gone; a dead one is left alone."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if not self.alive:
                return
            gone = select.poll()
            gone.register(fd, select.POLLIN)
            with suppress(ProcessLookupError):  # it has just ended by itself
                signal.pidfd_send_signal(fd, signal.SIGTERM)
                if not gone.poll(grace_s * 1000):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    gone.poll()
        finally:
            os.close(fd)


def _started(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # The command's name before it may hold anything, brackets too.
    return None if fields[0] in "ZX" else int(fields[19])


class Family:
    """Children that die with this process, at ``close``, or when nothing refers to their family any more."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "lab-family")
        self._children: list[subprocess.Popen[bytes]] = []

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str], log: Path | None, stdout: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``argv``; what it says goes to ``log`` except where ``stdout`` is subprocess.PIPE. Raises OSError.

        Without a log it goes where this process's own goes.
        """
        with nullcontext(None) if log is None else log.open("ab") as said:
            child = self._thread.submit(_fork, argv, env, said, stdout).result()
        self._children.append(child)
        return child

    def end(self, child: subprocess.Popen[bytes]) -> None:
        """End one child; what it leaves is thrown away with its folder, so there is nothing to ask it for."""
        self._children.remove(child)
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()

    def close(self) -> None:
        """End every child and wait until they are gone."""
        for child in list(self._children):
            self.end(child)
        self._thread.shutdown()


def _fork(
    argv: Sequence[str], env: Mapping[str, str], said: IO[bytes] | None, stdout: int | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=said if stdout is None else stdout,
        stderr=said,
        umask=0o077,
        start_new_session=True,  # A Ctrl-C at the terminal is for the parent: it decides when the servers end.
        preexec_fn=_die_with(os.getpid()),
    )


def open_files() -> int:
    """How many files a child of a family may have open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)


def _die_with(parent: int) -> Callable[[], None]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = open_files()

    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # It died between the fork and the line above, and nobody will tell.
            os._exit(CRASH)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))

    return in_child


def environment(**more: str) -> dict[str, str]:
    """What a server's environment holds: nothing of a shell's that could change its behaviour, and ``more``."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", **more}


def module_command(module: str) -> tuple[list[str], dict[str, str]]:
    """The command and environment that run a module of this very checkout, whatever the current folder holds."""
    root = str(Path(harness.__file__).parent.parent)
    return [sys.executable, "-P", "-m", module], environment(PYTHONPATH=root)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free now for TCP and UDP alike; nothing keeps them so.

    Drawn from below those that Linux gives to outgoing connections (32768 and up, ip(7)): a login under load would take
    one of them sooner than the server that it was found for.
    """
    with ExitStack() as stack:
        ports: list[int] = []
        for port in random.SystemRandom().sample(range(*SERVER_PORTS), k=TRIED_PORTS):
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise RunError(f"127.0.0.1: expected {count} free ports among {TRIED_PORTS} tried, got {len(ports)}")


def listens(pid: int, port: int) -> bool:
    """Whether this very process listens on 127.0.0.1:``port`` (TCP); another's server there doesn't count."""
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == loopback and row[3] == "0A"}
    if not sockets:
        return False
    try:
        return any(str(fd.readlink()) in sockets for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # It ended, or closed one of its files, as we looked.
        return False
