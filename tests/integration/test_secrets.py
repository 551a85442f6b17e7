"""No password and no key is in what a run leaves, prints, or shows of its processes (CONTRIBUTING, rule 7)."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import krb5
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from harness.cli.main import main
from harness.lab import hospital, pki, store
from harness.lab.domain import Lab
from harness.record.journal import JournalReader, joined
from harness.record.schema import ATTEMPTS, HEALTH, attempts_batch
from harness.system.files import write_whole
from harness.system.process import environment
from tests.helpers.journals import attempt, written

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("require_domain")]

PATIENCE_S = 60.0
"""An upper bound on what takes some seconds; only a hang reaches it."""
DENIED = "clin00002"
"""The account whose password in the CSV is the canary, and wrong."""
STEPS = {
    "key": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"],
    "password": ["kdc_as", "ldap_connect", "ldap_simple_bind", "ldap_own_entry", "ldap_groups"],
    "smart-card": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"],
}


class Secrets:
    """What must not be found, in every form in which it could stand somewhere."""

    def __init__(self, passwords: list[str], keys: list[bytes]) -> None:
        self._needles = {form for word in passwords for form in _forms(word.encode())}
        self._needles |= {form for key in keys for form in _forms(key)}

    def within(self, data: bytes) -> bool:
        return any(needle in data for needle in self._needles)

    def files(self, folder: Path) -> list[Path]:
        """The files of a folder that hold one, also where Parquet or Arrow has compressed or cut it."""
        return [path for path in sorted(folder.rglob("*")) if path.is_file() and self.within(_text_of(path))]


def _forms(secret: bytes) -> set[bytes]:
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret)[2:-1].encode()}
    # Base64 of something that holds it: at each of three alignments, without the characters that neighbours decide.
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret)
        first = -(-before * 8 // 6)
        last = (before + len(secret)) * 8 // 6
        forms |= {whole[first:last], whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def _text_of(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".parquet":
        data += _cells(pq.read_table(path))
    if path.suffix == ".arrows":
        schema = HEALTH if path.name.startswith("health") else ATTEMPTS
        data += _cells(joined(JournalReader(path, schema).each(), schema))
    return data


def _cells(table: pa.Table) -> bytes:
    return json.dumps([table.to_pylist(), str(table.schema.metadata)], default=repr).encode()


@pytest.fixture
def canary() -> str:
    return "Kanarie-" + secrets.token_hex(12)


@pytest.fixture
def known(lab: Lab, canary: str) -> Secrets:
    arm = lab.arms["baseline"]
    password = (arm.folder / store.CLINICIANS_CSV).read_text().splitlines()[0].split(",")[1]
    context = krb5.init_context()
    entries = [
        entry
        for name in ("clinicians.keytab", "services.keytab")
        for entry in krb5.kt_resolve(context, f"FILE:{arm.folder / name}".encode())
    ]
    keys = {entry.key.data for entry in entries}
    assert len(keys) == 2 * (1 + 3)  # Two enctypes of all clinicians' one password, and of each service.
    card = (arm.folder / pki.CARDS / f"{DENIED}.pem").read_text()
    # Of 48 bytes each; the first hold the modulus, which is in the certificate too, and the last may be short.
    lines = card[card.index("-----BEGIN PRIVATE KEY") :].splitlines()[9:-2]
    return Secrets([password, canary], sorted(keys) + [base64.b64decode(line) for line in lines])


@pytest.fixture
def targets(lab: Lab, canary: str, tmp_path: Path) -> Path:
    """The lab's targets, with a CSV in which one account has the canary for a password."""
    folder = tmp_path / "private"
    folder.mkdir()
    lines = (lab.arms["baseline"].folder / store.CLINICIANS_CSV).read_text().splitlines()[:5]
    lines = [f"{DENIED},{canary}" if line.startswith(DENIED) else line for line in lines]
    write_whole(folder / "accounts.csv", "\n".join(lines) + "\n", private=True)
    written = json.loads(json.dumps(lab.targets))
    for target in written["arms"].values():
        cards = {**target["credentials"]["smart_cards"], "folder": str(_cards(lab, folder / target["realm"]))}
        target["credentials"] = {"csv": "accounts.csv", "smart_cards": cards}
    write_whole(folder / "targets.yaml", yaml.safe_dump(written), private=True)
    return folder / "targets.yaml"


def _cards(lab: Lab, folder: Path) -> Path:
    """A folder of five cards, of which the denied account's is another's."""
    if not folder.exists():
        folder.mkdir()
        for name in hospital.CLINICIANS[:5]:
            card = lab.arms["baseline"].folder / pki.CARDS / f"{'clin00009' if name == DENIED else name}.pem"
            shutil.copy(card, folder / f"{name}.pem")
    return folder


def command(*arguments: object) -> list[str]:
    run = "from harness.cli.main import run_main; run_main()"
    return [sys.executable, "-c", run, *(str(argument) for argument in arguments)]


def authgate(*arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        command(*arguments), env=environment(COLUMNS="300"), capture_output=True, text=True, timeout=PATIENCE_S
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def in_process(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """As ``authgate`` the function, without the 2 s that a new process takes to import what it needs."""
    for name in ("KRB5_CONFIG", "KRB5CCNAME", "KRB5_TRACE"):
        monkeypatch.setenv(name, os.devnull)  # The command sets them for its process, which here is the tests'.
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)

    def call(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        return code, "".join(capfd.readouterr())

    return call


class Watcher:
    """Reads the command lines and environments of a process and all its descendants, as `ps` would, until they end."""

    def __init__(self, known: Secrets, pid: int) -> None:
        self.seen: set[int] = set()
        self.guilty: set[str] = set()
        self._known = known
        self._root = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            family = [self._root]
            for pid in family:
                try:
                    for name in ("cmdline", "environ"):
                        if self._known.within(Path(f"/proc/{pid}/{name}").read_bytes()):
                            self.guilty.add(f"{name} of {pid}")
                    for task in Path(f"/proc/{pid}/task").iterdir():
                        family += [int(child) for child in (task / "children").read_text().split()]
                except OSError:  # It ended as we looked.
                    continue
                self.seen.add(pid)


@pytest.mark.parametrize("authentication", ["key", "password", "smart-card"])
def test_a_run_keeps_its_secrets(
    known: Secrets, targets: Path, canary: str, tmp_path: Path, authentication: str
) -> None:
    scenario = {
        "name": "secretive",
        "steps": STEPS[authentication],
        "population": {"users": 5},
        "arrivals": {"curve": "constant", "rate": 30},
        "authentication": authentication,
        "seats": 20,
        "blocks": {"length_s": 0.12, "trim_s": 0.02, "pairs": 13},
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    left = tmp_path / "tmp"
    left.mkdir()
    with (tmp_path / "printed").open("wb") as printed:
        run = subprocess.Popen(
            command("run", tmp_path / "scenario.yaml", "--targets", targets, "--results", tmp_path / "results"),
            env=environment(TMPDIR=str(left), COLUMNS="300"),
            stdout=printed,
            stderr=printed,
        )
        try:
            with Watcher(known, run.pid) as watcher:
                code = run.wait(PATIENCE_S)
        finally:
            run.kill()
            run.wait()
    said = (tmp_path / "printed").read_text()
    assert code == 0, said
    assert len(watcher.seen) >= 4  # The command, the master, and a worker an arm.
    assert watcher.guilty == set()

    (folder,) = (tmp_path / "results").iterdir()
    attempts = pq.read_table(folder / "attempts.parquet").to_pylist()
    assert {a["status"] for a in attempts if a["user"] == DENIED} == {"denied", "withheld"}
    assert {a["status"] for a in attempts if a["user"] != DENIED} == {"ok"}
    _, judged = authgate("compare", folder)  # For the reports.
    assert (folder / "report.html").exists(), judged

    assert not known.within((said + judged).encode())
    assert known.files(folder) == []
    assert list(left.iterdir()) == []
    cards = {f"{user}.pem" for user in hospital.CLINICIANS[:5]}
    assert {path.name for path in known.files(tmp_path)} == {"accounts.csv"} | cards


def test_a_run_that_cannot_begin_keeps_its_secrets(known: Secrets, targets: Path, canary: str, tmp_path: Path) -> None:
    """The canary is the first account's password: every arm is denied, and the run given up."""
    accounts = targets.with_name("accounts.csv")
    write_whole(accounts, f"{DENIED},{canary}\n", private=True)
    scenario = {
        "name": "denied",
        "steps": STEPS["key"],
        "population": {"users": 1},
        "arrivals": {"curve": "constant", "rate": 5},
        "blocks": {"length_s": 0.2, "trim_s": 0.05, "pairs": 13},
    }
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    results = tmp_path / "results"
    code, said = authgate("run", tmp_path / "scenario.yaml", "--targets", targets, "--results", results)
    assert code == 2
    assert "KDC_ERR_PREAUTH_FAILED" in said
    assert "Traceback" not in said
    assert not known.within(said.encode())
    assert known.files(results) == []


def test_a_login_that_fails_keeps_its_secrets(known: Secrets, targets: Path) -> None:
    code, said = authgate("login", DENIED, "--targets", targets)
    assert (code, "KDC_ERR_PREAUTH_FAILED" in said) == (1, True)
    assert not known.within(said.encode())


def test_a_file_with_a_mistake_in_it_is_not_quoted(
    known: Secrets, targets: Path, canary: str, in_process: Callable[..., tuple[int, str]]
) -> None:
    accounts = targets.with_name("accounts.csv")
    for line in (f"{DENIED},{canary},x", f"{canary}", f"{DENIED};{canary}"):
        write_whole(accounts, f"{line}\n", private=True)
        code, said = in_process("login", DENIED, "--targets", targets)
        assert code == 2
        assert f"{accounts}:1: expected user,password" in said
        assert not known.within(said.encode())


def test_a_password_in_the_targets_is_not_quoted(
    known: Secrets, targets: Path, canary: str, in_process: Callable[..., tuple[int, str]]
) -> None:
    named = yaml.safe_load(targets.read_text())
    for mistake in (canary, {"csv": "accounts.csv", "password": canary}, {"csv": [canary]}):
        for target in named["arms"].values():
            target["credentials"] = mistake
        write_whole(targets, yaml.safe_dump(named), private=True)
        code, said = in_process("login", DENIED, "--targets", targets)
        assert code == 2
        assert "credentials" in said
        assert not known.within(said.encode())


def test_a_secret_that_was_there_would_be_found(tmp_path: Path, canary: str) -> None:
    """The search itself: in compressed cells, in a journal, and in base64 of something around it."""
    key = bytes(range(200, 232))
    known = Secrets([canary], [key])
    hidden = pa.table({"code": ["fine"] * 500 + [f"bad {canary} here"], "key": [""] * 500 + [key.hex()]})
    pq.write_table(hidden.select(["code"]), tmp_path / "a.parquet", compression="zstd")
    pq.write_table(hidden.select(["key"]), tmp_path / "b.parquet", compression="zstd")
    written(tmp_path / "attempts-c.arrows", [attempts_batch([attempt(user=canary)])])
    for before in range(3):
        (tmp_path / f"d{before}").write_bytes(base64.b64encode(b"x" * before + key + b"y"))
    (tmp_path / "e").write_text(f"{key!r}")
    (tmp_path / "innocent").write_bytes(base64.b64encode(bytes(1000)))
    names = [path.name for path in known.files(tmp_path)]
    assert names == ["a.parquet", "attempts-c.arrows", "b.parquet", "d0", "d1", "d2", "e"]

    child = subprocess.Popen(["sleep", "60"], env=environment(PASSWORD=canary))
    try:
        with Watcher(known, child.pid) as watcher:
            deadline = time.monotonic() + PATIENCE_S
            while not watcher.guilty and time.monotonic() < deadline:
                time.sleep(0.05)
    finally:
        child.kill()
        child.wait()
    assert watcher.guilty == {f"environ of {child.pid}"}
