"""Every input damaged, again and again, and one oracle for all of them.

No traceback, no signal, under 1 GiB and 20 s of processor time, an exit code of the documented ones, no escape
sequence and no password in what is said, and never a PASS from a run's folder that is not as the run left it.

A case is known by its seed and number. Each runs in a process of its own, forked from one that has imported everything.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.helpers.damaged_inputs import KINDS, SECRET, Case, Inputs

MEMORY_B = 1 << 30
PROCESSOR_S = 20
HANGS_S = 180.0
"""Of the clock: only what waits for ever reaches it."""
SAID_AT_MOST_B = 1 << 20
CODES = {0, 2, 10, 20, 30}
FAILED = 1
"""What a login that failed ends with, and an exception that nobody caught."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended."""

    code: int
    signal: int
    memory_b: int
    said: bytes
    hung: bool = False


@dataclass
class Counts:
    """How many cases of each kind there were, with which exit codes, and what went wrong."""

    cases: Counter[str] = field(default_factory=Counter)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


# The oracle


def wrong(case: Case, outcome: Outcome) -> str:
    """What the outcome breaks of what holds for every case; empty where nothing."""
    if outcome.hung:
        return f"it had not ended after {HANGS_S:.0f} s"
    if outcome.signal:
        slow = " (its processor time was over)" if outcome.signal in (signal.SIGXCPU, signal.SIGKILL) else ""
        return f"signal {outcome.signal}{slow}"
    if b"Traceback (most recent call last)" in outcome.said:
        return "a traceback: " + outcome.said.decode(errors="replace").rstrip().rpartition("\n")[2][:200]
    if outcome.code not in CODES and not (outcome.code == FAILED and case.may_fail):
        return f"exit code {outcome.code}"
    if outcome.memory_b > MEMORY_B:
        return f"{outcome.memory_b / 1e9:.2f} GB of memory"
    if SECRET in outcome.said:
        return "a password in what was said"
    if b"\x1b" in outcome.said:
        return "an escape sequence in what was said"
    if len(outcome.said) >= SAID_AT_MOST_B:
        return "a megabyte of words"
    if case.sealed and outcome.code == 0:
        return "a PASS from a run that is not as it was left"
    return ""


def import_everything() -> None:
    """What the commands import, once: each case is a fork of this process."""
    from harness.cli.main import COMMANDS

    for module, _ in COMMANDS.values():
        importlib.import_module(f"harness.cli.{module}")
    for module in ("scipy.stats", "scipy.special", "scipy.optimize", "pyarrow.parquet", "pyarrow.compute"):
        importlib.import_module(module)


def run_case(case: Case, here: Path) -> Outcome:
    """Run a case in a process of its own."""
    said = here / ".said"
    pid = os.fork()
    if pid == 0:
        _child(case, here, said)
    fd = os.pidfd_open(pid)
    ready, _, _ = select.select([fd], [], [], HANGS_S)
    os.close(fd)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    text = said.read_bytes()[:SAID_AT_MOST_B] if said.exists() else b""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    return Outcome(code, number, usage.ru_maxrss * 1024, text, hung=not ready)


def _child(case: Case, here: Path, said: Path) -> None:
    code = 1
    try:
        os.chdir(here)
        words = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor in (1, 2):
            os.dup2(words, descriptor)
        sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S + 2))
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + 3 * MEMORY_B,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _send_nothing()
        from harness.cli.main import main

        code = main(list(case.argv))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _send_nothing() -> None:
    """Let no name be asked for, and no run begin: what is refused before is the subject."""
    from harness.errors import RunError
    from harness.record.folder import RunFolder

    asked = socket.getaddrinfo

    def numbers_alone(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        return asked(host, port, *args, **{**more, "flags": socket.AI_NUMERICHOST})

    def no_run(*_: object, **__: object) -> RunFolder:
        raise RunError("no run begins here")

    socket.getaddrinfo = numbers_alone
    RunFolder.create = no_run  # type: ignore[method-assign]


def made_apart(make: Callable[[], None]) -> None:
    """Do something in a process of its own, so that its threads are not there to be forked."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            make()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError("the inputs could not be made")


def cases(seed: int, kinds: Sequence[str], numbers: Iterator[int], keep: Path | None = None) -> Counts:
    """Run the cases of these numbers; each is of the next kind."""
    import_everything()
    counts = Counts()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made) / "home"
        home.mkdir()
        made_apart(Inputs(home).make)
        for number in numbers:
            kind = kinds[number % len(kinds)]
            here = Path(made) / "case"
            shutil.rmtree(here, ignore_errors=True)
            here.mkdir()
            for path in home.iterdir():
                if path.is_file():
                    (here / path.name).symlink_to(path)
            case = _made(kind, seed, number, home, here)
            outcome = run_case(case, here)
            counts.cases[kind] += 1
            counts.codes[kind, outcome.code] += 1
            if said := wrong(case, outcome):
                counts.wrong.append(f"--seed {seed} --case {number} ({kind}: {' '.join(case.argv)}): {said}")
                if keep is not None:
                    shutil.copytree(here, keep / f"{kind}-{seed}-{number}", symlinks=False, dirs_exist_ok=True)
    return counts


def _made(kind: str, seed: int, number: int, home: Path, here: Path) -> Case:
    """The case of a number: its file takes the place of a link to the right one."""
    rng = random.Random(f"{seed} {number}")
    apart = here / ".made"
    apart.mkdir()
    if kind == "cells":
        made_apart(lambda: _write_case(KINDS[kind](rng, home, apart), apart))
    else:
        _write_case(KINDS[kind](rng, home, apart), apart)
    case = Case(*json.loads((apart / ".case").read_text()))
    for path in apart.iterdir():
        (here / path.name).unlink(missing_ok=True)
        path.rename(here / path.name)
    apart.rmdir()
    return case


def _write_case(case: Case, folder: Path) -> None:
    (folder / ".case").write_text(json.dumps([case.kind, list(case.argv), case.sealed, case.may_fail]))
