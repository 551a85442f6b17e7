"""A lab that outlives the command that started it: ``python -m harness.lab.supervisor`` is the servers' parent.

A lab has a folder of its own, which says all there is to know of it: ``lab.json`` (its processes, by pid and start
time), ``targets.yaml``, and ``lab.lock``, held as long as the supervisor lives. Labs in two folders share nothing but
the built domain.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, get_args

from harness.errors import LabError
from harness.lab import changes, store
from harness.lab.ad import changes as ad_changes
from harness.lab.ad.domain import AdLab
from harness.lab.base import CredentialKind
from harness.lab.domain import Lab
from harness.model.exit_codes import CRASH
from harness.model.target import ARMS, Arm
from harness.system.cache import cache_home
from harness.system.files import write_whole
from harness.system.process import Identity, module_command

Kind = Literal["embedded", "ad"]
LAB_KINDS: tuple[Kind, ...] = ("embedded", "ad")

END_S = 5.0
"""How long a supervisor may take to end its servers and remove their clones before it is killed."""

STATE, TARGETS, LOCK, LOG = "lab.json", "targets.yaml", "lab.lock", "lab.log"
SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class LabStatus:
    """What a lab's folder says, and which of its processes run now (``supervisor``, ``baseline.kdc``, …)."""

    kind: str
    targets: Path
    processes: Mapping[str, Identity]
    ports: Mapping[str, int]
    """The ports by name (``baseline.kdc``, ``baseline.ldap``, …)."""
    addresses: Mapping[str, str]
    """The address of each process of the arms."""
    alive: Mapping[str, bool]

    @property
    def running(self) -> bool:
        """Whether every process of the lab runs."""
        return all(self.alive.values())


def up(
    directory: Path,
    kind: str = "embedded",
    arms: Sequence[Arm] = ARMS,
    *,
    credentials: CredentialKind = "csv",
    change: str | None = None,
    controllers: int = 1,
    single_sign_on: bool = False,
) -> LabStatus:
    """Start a lab that runs until ``down``, and return when logins succeed; raises LabError.

    ``controllers`` are those of AdLab, ``credentials`` those of both; ``change`` is the name of one of the kind's;
    ``single_sign_on`` puts an identity provider into each arm of the AD lab.
    """
    if kind not in LAB_KINDS:
        raise LabError(f"lab: expected a kind among {', '.join(LAB_KINDS)}, got {kind!r}")
    if change is not None:
        says(kind, change)
    if controllers != 1 and kind != "ad":
        raise LabError(f"lab: expected kind ad for {controllers} controllers, got {kind!r}")
    if single_sign_on and kind != "ad":
        raise LabError(f"lab: expected kind ad for single sign-on, got {kind!r}")
    command, env = module_command("harness.lab.supervisor")
    options = [str(directory.resolve()), "--kind", kind, "--credentials", credentials, "--arms", *arms]
    options += ["--change", change] if change else []
    options += ["--controllers", str(controllers)]
    options += ["--single-sign-on"] if single_sign_on else []
    env["XDG_CACHE_HOME"] = str(cache_home().parent)
    with _private_log(directory) as log:
        supervisor = subprocess.Popen(
            [*command, *options],
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # It outlives this command, its terminal, and a Ctrl-C there.
        )
    threading.Thread(target=supervisor.wait, daemon=True).start()  # Reaped, should it end before this process does.
    assert supervisor.stdout is not None
    try:
        with supervisor.stdout as stdout:
            answer = json.loads(stdout.readline() or "{}")
    except BaseException:
        supervisor.kill()
        raise
    started = status(directory)
    if answer.get("ready") and started is not None:
        return started
    supervisor.wait()
    raise LabError(answer.get("error") or f"lab: expected its supervisor to start; it says why in {directory / LOG}")


def says(kind: str, change: str) -> str:
    """What a change of this kind of lab does, in one sentence; raises LabError where there is none of the name."""
    return ad_changes.parse_change(change).says if kind == "ad" else changes.parse_change(change).says


def down(directory: Path) -> bool:
    """End the lab of this folder, and return when it is gone; False where there was none."""
    lab = status(directory)
    if lab is None:
        return False
    lab.processes[SUPERVISOR].end(END_S)
    for process in lab.processes.values():  # They die with it; this only waits until they have.
        process.end(END_S)
    with suppress(LabError), _locked(directory):  # Held again where the next lab is starting here.
        (directory / STATE).unlink(missing_ok=True)
        (directory / TARGETS).unlink(missing_ok=True)
    store.remove_stale()
    return True


def status(directory: Path) -> LabStatus | None:
    """What runs of the lab of this folder; None where there is none. Raises LabError."""
    path = directory / STATE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        pids = {str(name): (int(found["pid"]), int(found["started"])) for name, found in state["processes"].items()}
        ports = {str(name): int(port) for name, port in state["ports"].items()}
        addresses = {str(name): str(address) for name, address in state["addresses"].items()}
        kind, _ = str(state["kind"]), pids[SUPERVISOR]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LabError(f"{path}: expected a readable file, got: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        raise LabError(
            f"{path}: expected what authgate lab up writes there, got something else; delete it once no "
            "harness.lab.supervisor runs for this folder"
        ) from None
    processes = {name: Identity(*found) for name, found in pids.items()}
    alive = {name: process.alive for name, process in processes.items()}
    return LabStatus(kind, directory / TARGETS, processes, ports, addresses, alive)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    with os.fdopen(os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"lab: one runs in {directory} already; end it with: authgate lab down") from None
        yield


def _private_log(directory: Path) -> IO[bytes]:
    try:
        directory.mkdir(0o700, parents=True, exist_ok=True)
        return os.fdopen(os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
    except OSError as error:
        raise LabError(f"{directory}: expected a folder that a lab can write to, got: {error.strerror}") from None


def _supervise(directory: Path, kind: Kind, lab: Lab | AdLab) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with _locked(directory), lab:
        lab.write_targets(directory / TARGETS)
        processes = {SUPERVISOR: Identity.of(os.getpid())}
        processes |= {f"{arm}.{name}": it for arm, run in lab.arms.items() for name, it in run.processes.items()}
        state = {
            "kind": kind,
            "addresses": {
                f"{arm}.{name}": run.address_of(name) for arm, run in lab.arms.items() for name in run.processes
            },
            "processes": {name: asdict(process) for name, process in processes.items()},
            "ports": {f"{arm}.{name}": port for arm, run in lab.arms.items() for name, port in run.ports.items()},
        }
        write_whole(directory / STATE, json.dumps(state, indent=2) + "\n", private=True)
        _answer({"ready": True})  # Raises where nobody waits for it any more, and so ends the lab.
        stop.wait()


def _answer(answer: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a lab until SIGTERM; prints one JSON line, ``{"ready": true}`` or ``{"error": …}``."""
    parser = argparse.ArgumentParser(prog="python -m harness.lab.supervisor", description="the parent of a lab")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--kind", choices=LAB_KINDS, default="embedded")
    parser.add_argument("--change")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--credentials", choices=get_args(CredentialKind), default="csv")
    parser.add_argument("--controllers", type=int, default=1)
    parser.add_argument("--single-sign-on", action="store_true")
    options = parser.parse_args(argv)
    lab: Lab | AdLab
    try:
        if options.kind == "ad":
            change = ad_changes.parse_change(options.change) if options.change else None
            lab = AdLab(
                options.arms,
                change=change,
                common=[ad_changes.SINGLE_SIGN_ON] if options.single_sign_on else [],
                credentials=options.credentials,
                controllers=options.controllers,
            )
        else:
            chosen = [changes.parse_change(options.change)] if options.change else []
            lab = Lab(options.arms, changes=chosen, credentials=options.credentials)
        _supervise(options.directory, options.kind, lab)
    except LabError as error:
        _answer({"error": str(error)})
        return CRASH
    return 0


if __name__ == "__main__":
    sys.exit(main())
