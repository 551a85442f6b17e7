"""The locks are whole: what they install is all there is to install, and nothing is resolved when it is.

Read from the metadata of what is installed here, without a network.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.helpers.locks import ROOT, Entry, Lock, lock

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNS = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
OPTIONAL = EXTRAS["otel"]
DEVELOPS = [*EXTRAS["dev"], *OPTIONAL]
BUILDS = PROJECT["build-system"]["requires"]
BUILD_TOOLS = [line for line in (ROOT / "requirements-build.in").read_text().splitlines() if line[:1] not in ("", "#")]
ASKED = {
    "requirements.txt": RUNS,
    "requirements-dev.txt": [*RUNS, *DEVELOPS],
    "requirements-build.txt": [*BUILDS, *BUILD_TOOLS],
}
"""What each lock is made from."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEM_PYTHON = {"harness/lab/ad/system_python": {"samba", "ldb", "psycopg2"}}
"""Run by the system's own Python, with what its packages bring."""
TARGETS = ("demo", "test", "unit", "check", "bench", "scoreboard", "wheel")


@cache
def required_by(name: str, extra: str, python: str) -> tuple[Requirement, ...]:
    """What an installed distribution asks for, of itself (no extra) or for one of its extras."""
    version = {"python_version": python, "python_full_version": f"{python}.0"}
    here = {"extra": extra, **(version if python else {})}
    all_of_them = map(Requirement, distribution(name).requires or ())
    return tuple(it for it in all_of_them if it.marker is None or it.marker.evaluate(here))


def walk(entries: Lock, asked: Iterable[str], python: str = "") -> tuple[set[str], list[str]]:
    """The names that are reached from what is asked for, extras and markers considered; and what isn't met."""
    reached: set[tuple[str, str]] = set()
    unmet = []
    open_ends = [("what is asked for", requirement) for requirement in map(Requirement, asked)]
    while open_ends:
        by, requirement = open_ends.pop()
        name = canonicalize_name(requirement.name)
        if (entry := entries.get(name)) is None or not requirement.specifier.contains(entry.version, prereleases=True):
            unmet.append(f"{by}: expected {requirement}, got {entry.version if entry else 'no such entry'}")
            continue
        for step in {(name, ""), *((name, extra) for extra in requirement.extras)} - reached:
            reached.add(step)
            open_ends += [(name, wanted) for wanted in required_by(*step, python)]
    return {name for name, _ in reached}, unmet


@pytest.fixture(scope="module", autouse=True)
def _what_is_locked_is_what_is_installed() -> None:
    for entry in {entry for file in ASKED for entry in lock(file).values()}:
        try:
            installed = distribution(entry.name).version
        except PackageNotFoundError:
            installed = "nothing"
        assert installed == entry.version, f"{entry.name}: {entry.version} is locked, {installed} installed: make check"


@pytest.mark.parametrize("python", ["", *PYTHONS])
@pytest.mark.parametrize("file", ASKED)
def test_every_requirement_of_what_is_locked_is_met_by_the_same_lock(file: str, python: str) -> None:
    reached, unmet = walk(lock(file), ASKED[file], python)
    assert not unmet
    if not python:
        assert reached == set(lock(file)), "entries that nothing asks for"


@pytest.mark.parametrize("file", ASKED)
def test_a_lock_with_one_entry_taken_out_is_not_whole(file: str) -> None:
    for left_out in lock(file):
        less = {name: entry for name, entry in lock(file).items() if name != left_out}
        _, unmet = walk(less, ASKED[file])
        assert unmet, left_out


def test_an_extra_that_is_asked_for_asks_for_more() -> None:
    entries = {"python-socketio": Entry("python-socketio", "99", frozenset())}
    _, plain = walk(entries, ["python-socketio"])
    _, client = walk(entries, ["python-socketio[client]"])
    assert len(client) > len(plain)


def test_what_runs_is_locked_alike_where_it_is_developed() -> None:
    runs, develops, builds = map(lock, ASKED)
    assert set(runs) < set(develops)
    for other in (develops, builds):
        assert {name: runs[name] for name in set(runs) & set(other)} == {
            name: other[name] for name in set(runs) & set(other)
        }


@pytest.mark.parametrize("file", ASKED)
def test_a_lock_has_a_hash_of_everything_and_no_address(file: str) -> None:
    for entry in lock(file).values():
        assert entry.hashes, entry.name
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", it) for it in entry.hashes), entry.name
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        assert "://" not in line
        assert not re.match(r"-", line), f"an option: {line}"


def test_no_command_that_sets_up_resolves_anything() -> None:
    make = shutil.which("make")
    assert make is not None, "make: not found in PATH"
    argv = [make, "--dry-run", "--always-make", "--no-print-directory", *TARGETS]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    commands = said.replace("\\\n", " ").splitlines()
    installs = [command for command in commands if re.search(r"\bpip\b.* (install|wheel|download)\b", command)]
    assert {lock for command in installs for lock in re.findall(r"-r (\S+)", command)} == set(ASKED)
    for command in installs:
        assert "--no-deps" in command, command
        assert ("--require-hashes" in command) == ("-r " in command), command
        assert "--require-hashes" in command or "--no-index" in command, command
        may_build = "--only-binary :all: -r" not in command and "*.whl" not in command
        assert not may_build or "--no-build-isolation --check-build-dependencies" in command, command
    scripts = [path.read_text(encoding="utf-8") for path in (ROOT / ".ci").iterdir()]
    assert not any(re.search(r"\bpip3? |\b(piptools|pip-compile|uv|pipx|poetry)\b", it) for it in scripts)
    assert not any(re.search(r"\b(piptools|pip-compile|uv|pipx|poetry)\b", it) for it in commands)


def third_party(*folders: str) -> Iterator[tuple[str, str]]:
    """Each file and what it imports at its top or within a function, but for the standard library and this checkout."""
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        file = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [it.name for it in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in {name.partition(".")[0] for name in names} - {"harness", "tests"} - sys.stdlib_module_names:
                if not any(file.startswith(folder) and module in known for folder, known in SYSTEM_PYTHON.items()):
                    yield file, module


@pytest.mark.parametrize(
    ("folders", "asked"),
    [
        (("harness", "locustfiles"), [*RUNS, *OPTIONAL]),
        (("tests",), [*RUNS, *DEVELOPS]),
    ],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], asked: list[str]) -> None:
    declared = {canonicalize_name(Requirement(it).name) for it in asked}
    brought_by = packages_distributions()
    brought_by["pydantic_core"] = ["pydantic"]  # exactly one version of it, by pydantic's own word
    for file, module in third_party(*folders):
        named = {canonicalize_name(name) for name in brought_by.get(module, ())}
        assert named & declared, f"{file} imports {module} of {named or 'nothing that is installed'}"
