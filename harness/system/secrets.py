"""What keeps a secret in the processes that need it: environments without it, and no core dumps."""

from __future__ import annotations

import os
import resource
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def environment_without(names: Collection[str]) -> dict[str, str]:
    """This process's environment for a child that does not need the variables of these names."""
    return {name: value for name, value in os.environ.items() if name not in names}


def no_core_dumps() -> None:
    """Let no core of this process, or of a child that does not ask for one, hold what is in its memory.

    The limit stops files; where cores are piped to a program, which the limit does not stop, the filter leaves every
    mapping out (core(5)).
    """
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    with suppress(OSError):  # a kernel without it, or a /proc that is not there
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")
