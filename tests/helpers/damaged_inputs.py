"""Inputs of every kind, and commands that read them damaged: what tests.helpers.fuzzing tries."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.helpers.damage import damaged, with_extremes

SECRET = b"hunter2-canary"
"""A password that no command may say."""
USER = "clin00007"
SMALL = {"blocks": {"length_s": 15, "trim_s": 4, "pairs": 2}}


@dataclass(frozen=True)
class Case:
    """A command on damaged files in its folder.

    ``sealed``: what it reads was a run's, and may not pass; ``may_fail``: it logs in, which nothing answers here.
    """

    kind: str
    argv: Sequence[str]
    sealed: bool = False
    may_fail: bool = False


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
        self._make_accounts()
        self._make_others()
        for arm, name in (("baseline", "first"), ("candidate", "second")):
            stored_run(whole / "made", arms=(arm,)).path.rename(whole / name)

    def _make_accounts(self) -> None:
        """Passwords and a keytab, and targets whose servers answer nothing: each refuses at once."""
        from tests.helpers.keytabs import KEY_BYTES, KTPASS_ORDER, Key, keytab
        from tests.helpers.stored import TARGETS

        whole = self.home
        users = [f"clin{number:05}" for number in range(1, 30)]
        written = {
            "accounts.csv": b"".join(b"%s,%s\n" % (user.encode(), SECRET) for user in users),
            "k.keytab": keytab(Key(f"{user}@CLINIC.TEST", kind, bytes(KEY_BYTES[kind]))
                               for user in users for kind in KTPASS_ORDER),
        }  # fmt: skip
        for name, content in written.items():
            (whole / name).write_bytes(content)
            (whole / name).chmod(0o600)
        document = TARGETS.model_dump(mode="json", exclude_none=True)
        for name, source in (("by-csv.yaml", {"csv": "accounts.csv"}), ("by-keytab.yaml", {"keytab": "k.keytab"})):
            arms = {arm: {**target, "credentials": source} for arm, target in document["arms"].items()}
            (whole / name).write_text(yaml.safe_dump({**document, "arms": arms}))

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
            document = json.loads(json.dumps(document)) if as_json else document  # where keys are text
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


def _accounts(name: str, targets: str) -> Maker:
    """A file of secrets that is damaged, and a login by it."""

    def make(rng: random.Random, home: Path, here: Path) -> Case:
        (here / name).write_bytes(damaged(rng, (home / name).read_bytes()))
        (here / name).chmod(0o600)
        shutil.copy(home / targets, here)  # whose paths are from where it really is
        return Case(name, ["login", USER, "--targets", targets], may_fail=True)

    return make


def _two_runs(rng: random.Random, home: Path, here: Path) -> Case:
    """A run of each arm, of which one is damaged."""
    broken, whole = rng.sample(("first", "second"), 2)
    made = _folder(broken, sealed=True)(rng, home, here)
    shutil.copytree(home / whole, here / whole, dirs_exist_ok=True)
    return Case("two runs", ["compare", "first", "second", "--policy", "stored.yaml"], made.sealed)


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
    "two runs": _two_runs,
    "passwords": _accounts("accounts.csv", "by-csv.yaml"),
    "keytab": _accounts("k.keytab", "by-keytab.yaml"),
}
