"""The wheel as a stranger has it: made from the sdist, in an empty environment, away from any checkout, not as root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.cli.main import COMMANDS
from tests.helpers.locks import ROOT, lock
from tests.helpers.running import POLICY, SCENARIO, Inputs

pytestmark = pytest.mark.integration

NOBODY = 65534
INSTALL_S, DEMO_S = 300.0, 300.0
"""Upper bounds on what takes a minute each."""
PIP = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
BUILT = ["--no-deps", "--no-build-isolation", "--check-build-dependencies"]


def said(argv: list[str], cwd: Path) -> str:
    """What a command of the build prints; it must end well."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    said([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], ROOT)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made from the sdist, and from nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    said([*PIP, "wheel", *BUILT, "--no-index", "-w", str(folder), str(sdist)], folder)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def locked_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of everything in the lock: what set-up has kept, or else made here from the lock."""
    kept = Path(sys.prefix) / "wheels"
    names = [parse_wheel_filename(file.name) for file in kept.glob("*.whl")]
    wanted = {(entry.name, entry.version) for entry in lock("requirements.txt").values()}
    if {(canonicalize_name(name), str(version)) for name, version, _, _ in names} == wanted:
        return kept
    folder = tmp_path_factory.mktemp("wheels")
    said([*PIP, "wheel", *BUILT, "--require-hashes", "-w", str(folder), "-r", "requirements.txt"], ROOT)
    return folder


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who has the wheel and no checkout: an ordinary user, in a folder with a space in its name."""

    folder: Path
    user: int | None
    """None: whoever runs the tests, who is no root already."""

    @property
    def programs(self) -> Path:
        """Of the environment."""
        return self.folder / "environment" / "bin"

    def run(self, *argv: str | Path, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """A command in the folder, of the environment's programs or the system's."""
        env = {
            "PATH": f"{self.programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "a cache"),
            "LC_ALL": "C.UTF-8",
        }
        program = shutil.which(str(argv[0]), path=env["PATH"]) or str(argv[0])
        who = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        return subprocess.run(
            [program, *map(str, argv[1:])], cwd=self.folder, env=env, capture_output=True, text=True, check=False,
            timeout=timeout_s, stdin=subprocess.DEVNULL, **who,
        )  # type: ignore[call-overload, no-any-return]  # fmt: skip

    def says(self, *argv: str | Path, timeout_s: float = 60.0) -> str:
        """What a command prints that ends well."""
        done = self.run(*argv, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def python_for(stranger: Stranger) -> str:
    """The interpreter of the tests, or the system's of the same version where the stranger may not read that one."""
    check = (
        "import os, sys, venv; assert os.access(os.path.realpath(sys.executable), os.R_OK); print(sys.version_info[:2])"
    )
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            done = stranger.run(python, "-c", check)
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return python
    raise AssertionError(f"expected a Python {sys.version_info[:2]} that an ordinary user may run")


@pytest.fixture(scope="module")
def stranger(wheel: Path, locked_wheels: Path, require_domain: None) -> Iterator[Stranger]:
    """With the wheel installed, and all that it needs from the lock; nothing was resolved, and no network was asked."""
    # Not below pytest's own folder, which is its user's alone.
    with tempfile.TemporaryDirectory(prefix="a folder of ") as name:
        folder = Path(name)
        user = NOBODY if os.geteuid() == 0 else None
        its = Stranger(folder, user)
        brought = folder / "brought"
        shutil.copytree(locked_wheels, brought)
        shutil.copy(wheel, brought)
        if user is not None:
            for path in (folder, brought, *brought.iterdir()):
                os.chown(path, user, user)
        its.says(python_for(its), "-m", "venv", folder / "environment", timeout_s=INSTALL_S)
        # As it is imported, and not in advance: most of it never is.
        install = ("pip", "-q", "install", "--no-deps", "--no-index", "--no-compile", *brought.glob("*.whl"))
        its.says(*install, timeout_s=INSTALL_S)
        yield its


def contents(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(wheel: Path, tmp_path: Path) -> None:
    said([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], ROOT)
    (direct,) = tmp_path.iterdir()
    ours, theirs = contents(wheel), contents(direct)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert direct.name == wheel.name


def test_the_wheel_holds_all_that_authgate_reads_and_nothing_else(wheel: Path) -> None:
    listed = set(contents(wheel))
    shipped = {f"harness/shipped/{path.relative_to(ROOT)}" for top in ("scenarios", "locustfiles")
               for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "harness").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    assert {"harness/py.typed", "harness/system/packages.txt", "harness/report/report.html.j2"} <= code
    assert {name for name in listed if ".dist-info/" not in name} == code | shipped
    assert {name.partition(".dist-info/")[2] for name in listed if ".dist-info/licenses/" in name} == {
        "licenses/LICENSE",
        "licenses/harness/lab/ad/system_python/COPYING.GPL-3.0",
    }


def test_the_sdist_holds_no_result_and_no_file_that_git_does_not_know(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "requirements.txt", "scenarios/demo.yaml"} <= names
    known = said(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT).splitlines()
    assert names - {"PKG-INFO"} <= set(known)
    assert not [name for name in names if name.startswith("results/")]


def test_what_is_installed_agrees_and_comes_from_nowhere_else(stranger: Stranger) -> None:
    assert "No broken requirements" in stranger.says("pip", "check")
    where = stranger.says("python", "-c", "import harness, os; print(harness.__file__, os.getuid())").strip()
    file, _, uid = where.rpartition(" ")
    assert Path(file).is_relative_to(stranger.folder / "environment")
    assert uid != "0"
    installed = stranger.says("pip", "list", "--format", "freeze").splitlines()
    names = {canonicalize_name(line.partition("==")[0]) for line in installed}
    assert names - {"pip", "setuptools"} == {"authgate", *lock("requirements.txt")} - {"pip", "setuptools"}


def test_what_is_shipped_is_found(stranger: Stranger) -> None:
    assert "morning-rush" in stranger.says("authgate", "scenarios")
    assert "uppsala-2016" in stranger.says("authgate", "updates", "list")
    assert "BLOCK at ldap_bind" in stranger.says("authgate", "updates", "show", "uppsala-2016")
    assert Path(stranger.says("authgate", "locustfile").strip()).is_file()
    assert stranger.says("authgate", "--version").startswith("authgate ")


def test_the_demo_blames_the_step_that_is_held(stranger: Stranger) -> None:
    """Load, relays and figures, all of it from what is installed."""
    done = stranger.run("authgate", "demo", "-q", timeout_s=DEMO_S)
    told = done.stdout + done.stderr
    assert re.search("expected BLOCK at ldap_bind, got (BLOCK|INVALID) at ldap_bind", told), told
    # Other tests run beside it: where they have made the generator late, it says so rather than judge.
    assert done.returncode == 0 or (done.returncode == 30 and re.search("sent late|event loop stalled", told)), told
    (run,) = (stranger.folder / "results").iterdir()
    assert {"report.html", "report.png", "verdict.json"} <= {path.name for path in run.iterdir()}


TRIED_ABOVE = {"demo", "gate", "lab", "locustfile", "login", "scenarios", "updates"}
TRIED_ELSEWHERE = {"calibrate", "capacity", "init", "run", "worker"}
"""They need minutes, a domain, or another machine: tests of their own run them from the checkout."""


def assert_the_others_work(stranger: Stranger, run: Path, scenario: str, targets: tuple[str, str]) -> None:
    """Every command of the wheel that needs no minutes, on the run of a gate; a new command has to be added here."""
    shutil.copy(ROOT / "tests" / "data" / "ad-logins.tsv", stranger.folder / "monday.tsv")
    (stranger.folder / "monday.tsv").chmod(0o644)
    said = {
        argv[0]: stranger.run("authgate", *argv)
        for argv in (
            ("ci",),
            ("compare", run, "--format", "json"),
            ("doctor", *targets, "--scenario", scenario),
            ("export", run, "--out", "run.hlog"),
            ("history", "--format", "json"),
            ("import", "traffic", "monday.tsv"),
            ("man", "man1"),
            ("notice", *targets, "--scenario", scenario),
            ("plan", scenario, "--noise", run),
            ("report", run),
            ("schema", "verdict"),
            ("trend", run),
        )
    }
    assert said.keys() | TRIED_ABOVE | TRIED_ELSEWHERE == set(COMMANDS)
    for name, done in said.items():
        codes = (0, 20) if name == "compare" else (0,)
        assert done.returncode in codes and done.stdout and "Traceback" not in done.stderr, (name, done)
    for name in ("run.hlog", "man1/authgate-gate.1", "results/history.html"):
        assert (stranger.folder / name).is_file()


def test_a_lab_a_login_plain_locust_and_a_gate_work_one_after_the_other(stranger: Stranger) -> None:
    targets = ("--targets", ".authgate-lab/targets.yaml")
    few = {"population": {"users": 50, "cold_share": 0.8}, "arrivals": {"curve": "constant", "rate": 10}}
    inputs = Inputs(stranger.folder)
    scenario = inputs.write("few", {**SCENARIO, **few, "blocks": {"length_s": 1.5, "trim_s": 0.5, "pairs": 4}})
    policy = inputs.write("policy", POLICY)
    for path in (scenario, policy):
        path.chmod(0o644)
    stranger.says("authgate", "lab", "up", timeout_s=120)
    try:
        assert "runs" in stranger.says("authgate", "lab", "status")
        assert "login: ok" in stranger.says("authgate", "login", "clin00007", *targets)
        plain = f'locust -f "$(authgate locustfile)" --headless --only-summary --scenario {scenario.name} -u 5 -t 60s'
        done = stranger.run("sh", "-c", f"{plain} {' '.join(targets)} --arm baseline")
        assert done.returncode == 0, done.stderr
        assert "ldap_bind" in done.stderr
        judged = stranger.run("authgate", "gate", scenario.name, *targets, "--policy", policy.name, timeout_s=120)
        assert judged.returncode in (0, 20), judged.stdout + judged.stderr
        (run,) = (path.parent for path in stranger.folder.glob("results/*-small-*/verdict.json"))
        assert_the_others_work(stranger, run, scenario.name, targets)
    finally:
        assert "ended" in stranger.says("authgate", "lab", "down")
