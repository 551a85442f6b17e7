"""Every input damaged, again and again, and one oracle for all of them.

No traceback, no signal, under 1 GiB and 20 s of processor time, an exit code of the documented ones, no escape
sequence in what is said, and never a PASS from a run's folder that is not as the run left it.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MEMORY_B = 1 << 30
PROCESSOR_S = 20
HANGS_S = 180.0
"""Of the clock: only what waits for ever reaches it."""
SAID_AT_MOST_B = 1 << 20
CODES = {0, 2, 10, 20, 30}
EXTREMES: tuple[Any, ...] = (
    0, -1, 1, 2, 7, 1e-9, 1e9, 1e308, -1e308, float("nan"), float("inf"), 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**300,
    -(10**300), 99_999_999, None, True, "", " ", "\x1b[31m", "x" * 100_000, "a" * 226, "0x10", "1e999", "nan", "~",
    "1970-04-01", "2255-01-01T00:00:00Z", [], {}, [[]], [{}], {"": None}, "[red]", "\u202e", "é" * 200, "../../etc",
)  # fmt: skip
TOKENS = (
    b"0", b"-1", b"1e308", b"nan", b"inf", b"99999999999999999999", b"1" * 300, b"1e-9", b"", b"\x00", b"\xff\xfe",
    b"\x1b[31m", b'"', b",", b"\n", b"\r", b"{", b"[" * 2000, b"9" * 5000, b"7776000000", b"9007199254740993000",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command on damaged files in its folder; ``sealed``: what it reads was a run's, and may not pass."""

    kind: str
    argv: Sequence[str]
    sealed: bool = False


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


# What is damaged


def flipped(rng: random.Random, data: bytes) -> bytes:
    """A bit or a few of them."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def rearranged(rng: random.Random, data: bytes) -> bytes:
    """A stretch cut off, left out, repeated, zeroed or put elsewhere."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if rng.random() < 0.5:
        end = min(end, start + rng.choice((1, 4, 64, 1000)))
    stretch = data[start:end]
    match rng.randrange(6):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + data[end:]
        case 2:
            return data[:end] + stretch + data[end:]
        case 3:
            return data[:start] + bytes(len(stretch)) + data[end:]
        case 4:
            return stretch + data[:start] + data[end:]
        case _:
            return data[end:]


def with_tokens(rng: random.Random, data: bytes) -> bytes:
    """Fields of lines replaced by others that no field should hold."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 20))):
        place = rng.randrange(len(lines))
        cells = lines[place].split(rng.choice((b",", b":", b" ", b"\t", b'"')))
        cells[rng.randrange(len(cells))] = rng.choice(TOKENS)
        lines[place] = rng.choice((b",", b":", b" ", b"\t", b'"')).join(cells)
    return b"\n".join(lines)


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes, damaged in one way of several."""
    return rng.choice((flipped, rearranged, with_tokens))(rng, data)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield (*at, key)
        yield from places(below, (*at, key))


def with_extremes(rng: random.Random, document: Any) -> Any:
    """A document with some of its values dropped, exchanged, or replaced by extremes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = list(places(document))
        if not found:
            break
        path = rng.choice(found)
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        match rng.randrange(8):
            case 0:
                del holder[path[-1]]
            case 1 if isinstance(holder, dict):
                holder[rng.choice(("x", "name", 5, "\x1b[31m"))] = rng.choice(EXTREMES)
            case _:
                holder[path[-1]] = rng.choice(EXTREMES)
    return document


# The inputs, made once, and the cases


SMALL = {"blocks": {"length_s": 15, "trim_s": 4, "pairs": 2}}


class Inputs:
    """Files that are right, in a folder that is copied for each case."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def make(self) -> None:
        """Write them all."""
        import numpy as np

        from harness.record.calibration import save
        from tests.helpers.calibrations import CALIBRATION
        from tests.helpers.documents import POLICY, SCENARIO, TARGETS
        from tests.helpers.foreign_files import WRITERS, Row
        from tests.helpers.stored import POLICY as STORED
        from tests.helpers.stored import stored_run

        whole = self.home
        (whole / "s.yaml").write_text(yaml.safe_dump({**yaml.safe_load(SCENARIO), **SMALL}))
        both = yaml.safe_load(TARGETS)
        both["arms"]["candidate"] = both["arms"]["baseline"]
        (whole / "t.yaml").write_text(yaml.safe_dump(both))
        (whole / "p.yaml").write_text(POLICY)
        (whole / "stored.yaml").write_text(yaml.safe_dump(STORED.model_dump(mode="json")))
        save(CALIBRATION, whole / "c.json")
        rng = np.random.default_rng(3)
        rows = ["arm,block,t_intended_s,step,latency_s,ok"]
        for block, letter in enumerate("ABBAABABBABAAB"):
            arm = {"A": "baseline", "B": "candidate"}[letter]
            for at in np.sort(rng.uniform(0, 15, 30)):
                rows.append(f"{arm},{block},{block * 15 + at:.6f},login,{0.2 + rng.exponential(0.05):.6f},1")
        (whole / "a.csv").write_text("\n".join(rows) + "\n")
        for arm in ("before", "after"):
            samples = [Row(float(at), float(rng.uniform(80, 400))) for at in np.sort(rng.uniform(0, 200, 300))]
            for name, write in WRITERS.items():
                (whole / f"{arm}.{name}").write_text(write(samples))
        for name, finished in (("run", True), ("killed", False)):
            made = stored_run(whole / "made", finished=finished)
            made.path.rename(whole / name)
        traffic = Path(__file__).parents[1] / "data" / "ad-logins.tsv"
        (whole / "traffic.tsv").write_bytes(traffic.read_bytes())
        self._make_others()

    def _make_others(self) -> None:
        """A run that was counted and whose journals are still there, and one of an older version."""
        from dataclasses import asdict, replace

        from harness.record.completeness import KEY, written_of
        from harness.record.folder import UNCOUNTED, RunFolder
        from harness.run.assess import Ending

        counted = RunFolder(Path(shutil.copytree(self.home / "killed", self.home / "counted")))
        written = written_of(counted.manifest())
        assert written is not None
        ending = asdict(Ending(complete=True, pairs=6))
        counted.update_manifest(status="complete", ending=ending, **{KEY: replace(written, whole=True).document})
        older = shutil.copytree(self.home / "run", self.home / "older")
        manifest = json.loads((older / "manifest.json").read_text())
        kept = {key: value for key, value in manifest.items() if key not in (KEY, "digest")}
        (older / "manifest.json").write_text(json.dumps({**kept, "format": UNCOUNTED}))


Maker = Callable[[random.Random, Path, Path], Case]


def _document(name: str, argvs: Sequence[Sequence[str]]) -> Maker:
    """A YAML or JSON file that is damaged as a document or as text."""

    def make(rng: random.Random, home: Path, here: Path) -> Case:
        text = (home / name).read_bytes()
        as_json = name.endswith(".json")
        if rng.random() < 0.6:
            document = with_extremes(rng, json.loads(text) if as_json else yaml.safe_load(text))
            if as_json and isinstance(document, dict) and rng.random() < 0.7:
                from harness.record.completeness import document_digest

                document["digest"] = document_digest(document)  # as by somebody who knows how
            text = (json.dumps(document) if as_json else yaml.safe_dump(document, allow_unicode=True)).encode(
                errors="replace"
            )
        else:
            text = damaged(rng, text)
        (here / name).write_bytes(text)
        return Case(name, rng.choice(argvs))

    return make


def _text(names: Sequence[str], argv: Callable[[random.Random, str], Sequence[str]]) -> Maker:
    """A file of rows that is damaged as text."""

    def make(rng: random.Random, home: Path, here: Path) -> Case:
        name = rng.choice(names)
        (here / name).write_bytes(damaged(rng, (home / name).read_bytes()))
        return Case(name, argv(rng, name))

    return make


def _folder(name: str, sealed: bool) -> Maker:
    """A run's folder of which one file is damaged, lost or exchanged."""

    def make(rng: random.Random, home: Path, here: Path) -> Case:
        # By a policy of its own it is judged without reports, whose figures take longer than all else.
        verbs = [["compare", name, "--policy", "stored.yaml"]] * 16 + [["compare", name], ["report", name]]
        verbs += [["trend", name], ["plan", "s.yaml", "--noise", name]]
        shutil.copytree(home / name, here / name, dirs_exist_ok=True)
        files = sorted(path for path in (here / name).iterdir() if path.is_file())
        path = rng.choice(files)
        was = path.read_bytes()
        match rng.randrange(10):
            case 0:
                path.unlink()
            case 1:
                path.write_bytes(rng.choice(files).read_bytes())
            case 2 if path.suffix == ".json":
                path.write_text(json.dumps(with_extremes(rng, json.loads(was))))
            case _:
                path.write_bytes(damaged(rng, was))
        argv = rng.choice(verbs)
        differs = argv[0] == "compare" and (not path.exists() or not _same(path, was))
        return Case(name, argv, sealed and differs)

    return make


def _same(path: Path, was: bytes) -> bool:
    """Whether a file says what it said: a manifest may be laid out otherwise."""
    now = path.read_bytes()
    if path.name != "manifest.json":
        return now == was
    try:
        return bool(json.loads(now) == json.loads(was))
    except (ValueError, RecursionError):
        return False


def _cells(rng: random.Random, home: Path, here: Path) -> Case:
    """A run with cells that can't be: of an older version, whose tables nobody counted, or counted again since."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    of = rng.choice(("older", "run"))
    shutil.copytree(home / of, here / of, dirs_exist_ok=True)
    path = here / of / rng.choice(("attempts.parquet", "health.parquet"))
    table = pq.read_table(path)
    name = rng.choice(table.schema.names)
    at = table.schema.get_field_index(name)
    rows = table[name].to_pylist()
    for _ in range(rng.choice((1, 3, len(rows)))):
        rows[rng.randrange(len(rows))] = rng.choice((None, 0, -1, 2**31 - 1, -(2**31), 2**62, "", "zoe", 1.5, []))
    try:
        column = pa.array(rows, table.schema.field(name).type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        column = pa.nulls(len(rows), rng.choice((pa.int64(), pa.string(), pa.float64())))
    pq.write_table(table.set_column(at, name, column), path)
    if of == "run":
        _count_again(path)
    # A user's name or a code that is another can't be told from what was measured.
    return Case("cells", ["compare", of, "--policy", "stored.yaml"], sealed=of == "older")


def _count_again(path: Path) -> None:
    from harness.record.completeness import KEY, written_of
    from harness.record.folder import RunFolder

    folder = RunFolder(path.parent)
    written = written_of(folder.manifest())
    assert written is not None
    folder.update_manifest(**{KEY: written.with_file(path).document})


def _files_of_tools(rng: random.Random, name: str) -> Sequence[str]:
    kind = name.partition(".")[2]
    cut = rng.choice(([], [], ["--block-s", rng.choice(("1e-9", "1e-300", "0.5", "1e300"))], ["--trim-s", "1e18"]))
    return ["compare", "--before", f"before.{kind}", "--after", f"after.{kind}", "--policy", "quick", *cut]


_TOOLS = [f"{arm}.{kind}" for arm in ("before", "after") for kind in ("jtl", "xml", "k6-csv", "k6-json", "locust-csv")]
_GATE = ["gate", "s.yaml", "--targets", "t.yaml", "--policy", "p.yaml"]
_PLAN = ["plan", "s.yaml", "--policy", "p.yaml", "--noise", "c.json"]
KINDS: Mapping[str, Maker] = {
    "scenario": _document("s.yaml", (_GATE, _PLAN, [*_GATE, "--soak", "0.5"])),
    "targets": _document("t.yaml", (_GATE,)),
    "policy": _document("p.yaml", (_GATE, _PLAN)),
    "calibration": _document("c.json", (_PLAN, [*_GATE, "--calibration", "c.json"])),
    "csv": _text(["a.csv"], lambda rng, name: ["compare", "--attempts", name, "--policy", "quick"]),
    "tools": _text(_TOOLS, _files_of_tools),
    "traffic": _text(["traffic.tsv"], lambda rng, name: ["import", "traffic", name]),
    "run": _folder("run", sealed=True),
    "counted": _folder("counted", sealed=True),
    "killed": _folder("killed", sealed=True),
    "older": _folder("older", sealed=True),
    "cells": _cells,
}


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
    if outcome.code not in CODES:
        return f"exit code {outcome.code}"
    if outcome.memory_b > MEMORY_B:
        return f"{outcome.memory_b / 1e9:.2f} GB of memory"
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
    (folder / ".case").write_text(json.dumps([case.kind, list(case.argv), case.sealed]))
