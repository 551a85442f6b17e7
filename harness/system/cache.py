"""The user's cache folder: nothing is written outside it and the checkout."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.errors import LabError
from harness.system.process import Identity


def cache_home() -> Path:
    """The folder of everything that outlives a process: ``$XDG_CACHE_HOME/authgate`` or ``~/.cache/authgate``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve() / "authgate"


def private_folder(path: Path) -> Path:
    """The folder, made if need be, for its owner alone; raises LabError where it can't be."""
    try:
        for each in (path.parent, path):
            each.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"{path}: expected a writable folder (set XDG_CACHE_HOME), got: {error.strerror}") from None
    return path


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder that goes with this process, or with the next one's where this one is killed."""
    within = private_folder(cache_home() / "scratch")
    remove_stale(within)
    return tempfile.TemporaryDirectory(prefix=owner(), dir=within)


def owner() -> str:
    """How the name of a folder begins that belongs to this process."""
    mine = Identity.of(os.getpid())
    return f"{_pid_namespace()}-{mine.pid}-{mine.started}-"


def remove_stale(within: Path) -> None:
    """Remove the folders whose owner is dead, as far as this process can tell.

    The owner is in the folder's name, so that there is no moment at which a folder has none. Pids mean something in
    their own namespace only: another container's folders in a shared cache are left alone.
    """
    for folder in within.iterdir():
        with suppress(ValueError):
            namespace, pid, started, _ = folder.name.split("-")
            if int(namespace) == _pid_namespace() and not Identity(int(pid), int(started)).alive:
                shutil.rmtree(folder, ignore_errors=True)


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
