"""The commands of the documentation, run as a reader would: page by page, against a real embedded domain."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.lab.domain import Lab
from harness.system.process import free_ports
from tests.helpers import pages
from tests.helpers.collector import Collector, collector
from tests.helpers.pages import ROOT, Command, commands, fences, name_of

pytestmark = pytest.mark.integration

PATIENCE_S = 240.0
"""Only a command that hangs takes so long."""
COLUMNS = "120"
AD, SSO = "--kind ad", "--single-sign-on"
"""What a command has in it that needs the AD lab."""
PAIRS, LENGTH_S, RATE = 16, 15, 8
"""Of what other tools are said to have measured: pairs of blocks in turns, and logins a second."""
JTL = "timeStamp,elapsed,label,responseCode,threadName,success"


def runnable(page: Path) -> list[Command]:
    """The commands of a page that are not marked as not run, in order."""
    blocks = (fence for fence in fences(page) if fence.kind in pages.COMMANDS)
    return [command for fence in blocks for command in commands(fence) if not command.not_run]


PAGES = [page for page in pages.pages() if runnable(page)]


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Iterator[Lab]:
    """The servers of ``my.yaml``."""
    with Lab() as running:
        yield running


@pytest.fixture
def its() -> Iterator[Collector]:
    """What takes the telemetry that a page sends."""
    with collector() as found:
        yield found


@pytest.fixture
def reader(
    lab: Lab, session_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, its: Collector
) -> Iterator[Path]:
    """The folder of somebody who reads a page, with the files that the pages take for granted."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, module in (("authgate", "harness"), ("locust", "locust")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (bin_folder / name).chmod(stat.S_IRWXU)
    for name, value in {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(session_cache),
        "COLUMNS": COLUMNS,
        "OTEL_EXPORTER_OTLP_ENDPOINT": its.url,
    }.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "reader"
    folder.mkdir()
    lab.write_targets(folder / "my.yaml")
    write_broken(folder)
    write_foreign(folder)
    shutil.copy(ROOT / "tests" / "data" / "ad-logins.tsv", folder / "monday.tsv")
    for fence in (fence for page in pages.pages() for fence in fences(page) if fence.kind == "yaml"):
        if fence.words[-1].endswith(".yaml"):
            (folder / fence.words[-1]).write_text(fence.text, encoding="utf-8")
    yield folder
    if (folder / ".authgate-lab").exists():
        said("authgate lab down", folder)


def write_broken(folder: Path) -> None:
    """``broken.yaml``: the lab's targets, but nobody listens at the candidate's directory."""
    found = yaml.safe_load((folder / "my.yaml").read_text(encoding="utf-8"))
    (port,) = free_ports(1)
    found["arms"]["candidate"]["directory"]["uri"] = f"ldap://127.0.0.1:{port}"
    (folder / "broken.yaml").write_text(yaml.safe_dump(found), encoding="utf-8")


def write_foreign(folder: Path) -> None:
    """What other tools measured: ``old.jtl`` and ``new.jtl``, twice as slow; ``attempts.csv``, equal arms."""
    files: dict[str, list[str]] = {"old.jtl": [JTL], "new.jtl": [JTL]}
    attempts = ["arm,block,t_intended_s,step,latency_s,ok"]
    draw = random.Random(5)
    for block in range(2 * PAIRS):
        arm, file, factor = (("baseline", "old.jtl", 1), ("candidate", "new.jtl", 2))[block % 2]
        for number in range(LENGTH_S * RATE):
            at_s = block * LENGTH_S + number / RATE
            took_s = 0.1 * draw.lognormvariate(0, 0.2)
            began_ms = 1_750_000_000_000 + round(at_s * 1000)
            files[file].append(f"{began_ms},{took_s * factor * 1000:.0f},login,200,Clinicians 1-{number},true")
            attempts.append(f"{arm},{block},{at_s:.3f},login,{took_s:.3f},true")
            attempts.append(f"{arm},{block},{at_s:.3f},bind,{took_s / 2:.3f},true")
    for name, lines in {**files, "attempts.csv": attempts}.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def said(command: str, folder: Path) -> tuple[int, str]:
    """Run a command in the folder as a shell does; its exit code and all that it printed."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_tells_its_reader_to_run_runs_and_prints_what_it_says(
    page: Path, reader: Path, request: pytest.FixtureRequest
) -> None:
    if any(AD in command.text for command in runnable(page)):
        request.getfixturevalue("require_ad_lab")
    if any(SSO in command.text for command in runnable(page)):
        request.getfixturevalue("require_sso")
    for command in runnable(page):
        status, printed = said(command.text, reader)
        assert status == command.status, f"{command.where}: {command.text}\n{printed}"
        if command.printed is not None:
            assert pages.prints(command.printed, printed), f"{command.where}: {command.text}\n{printed}"
