"""CONTRIBUTING, rules 1 and 2: what may import what, read from the source so that no import hides in a function."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PURE = frozenset(
    ("__future__", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib", "ipaddress", "itertools",
     "math", "numpy", "pydantic", "re", "scipy", "typing")
)  # fmt: skip
"""Libraries without input, output, clock, logging or global randomness; ipaddress and hashlib but compute."""
VALUES = ("datetime.date",)
"""Types of a value, whose module has a clock besides."""
CLOCKS = ("today", "now", "utcnow")
BELOW = {"model": ("model",), "stats": ("stats", "model"), "gate": ("gate", "stats", "model")}
SEEDED = ("SeedSequence", "default_rng", "Generator")
SHARED = ("tests.helpers.", "tests.benchmarks.")
"""What test modules may import of the tests."""
MAY_PATCH = ("locustfiles", "harness/load")


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in the tree, by a statement or by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "expected absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            yield ast.unparse(node.args[0]).strip("'\"")


@pytest.mark.parametrize("path", sources(*(f"harness/{package}" for package in BELOW)), ids=name_of)
def test_model_stats_and_gate_are_pure_and_depend_downwards(path: Path) -> None:
    package = path.relative_to(ROOT / "harness").parts[0]
    allowed = tuple(f"harness.{below}." for below in BELOW[package])
    for module in imported(ast.parse(path.read_text(encoding="utf-8"))):
        pure = module.split(".")[0] in PURE or module in VALUES
        assert pure or module.startswith(allowed), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", sources(*(f"harness/{package}" for package in BELOW)), ids=name_of)
def test_model_stats_and_gate_open_nothing_print_nothing_read_no_clock_and_draw_only_what_is_seeded(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input", "exec", "eval"), name_of(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
            assert node.attr in SEEDED, f"{name_of(path)} uses np.random.{node.attr}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in CLOCKS, f"{name_of(path)} reads a clock: {ast.unparse(node)}"


@pytest.mark.parametrize("path", sources("harness", "locustfiles"), ids=name_of)
def test_only_locustfiles_and_load_import_locust_or_gevent(path: Path) -> None:
    if not name_of(path).startswith(MAY_PATCH):
        modules = {module.split(".")[0] for module in imported(ast.parse(path.read_text(encoding="utf-8")))}
        assert not modules & {"locust", "gevent", "geventhttpclient"}, name_of(path)


STATISTICS = ("harness.model.plan", "harness.stats.compare", "harness.gate.judge")


@pytest.fixture(scope="module")
def patched_after() -> dict[str, list[str]]:
    """Which patching libraries a fresh process has once it has imported each module, one after the other."""
    code = (
        "import importlib, json, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    print(json.dumps([name, [m for m in ('gevent', 'locust') if m in sys.modules]]))\n"
    )
    command = [sys.executable, "-c", code, *STATISTICS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("module", STATISTICS)
def test_importing_the_statistics_patches_nothing(patched_after: dict[str, list[str]], module: str) -> None:
    assert patched_after[module] == []


TEST_MODULES = [path for path in sources("tests") if "benchmarks" not in path.relative_to(ROOT).parts[1]]


def imports_of_tests(text: str) -> set[str]:
    """What a text imports of other test modules; what is shared lies in tests.helpers, or in a conftest's fixtures."""
    names = {module for module in imported(ast.parse(text)) if module.split(".")[0] == "tests"}
    return {name for name in names if not name.startswith(SHARED)}


@pytest.mark.parametrize("path", TEST_MODULES, ids=name_of)
def test_no_test_module_imports_another(path: Path) -> None:
    assert not imports_of_tests(path.read_text(encoding="utf-8")), name_of(path)


def test_an_import_of_another_test_module_is_seen_in_every_form() -> None:
    for text in ("from tests.unit.gate.test_judge import EQUAL", "import tests.unit.gate.test_judge as other",
                 "def f():\n    from tests.integration import test_lab", "from tests import unit"):  # fmt: skip
        assert imports_of_tests(text), text
    assert not imports_of_tests("from tests.helpers.running import Inputs\nfrom tests.benchmarks.soak import ROWS")


def test_no_test_is_skipped_by_another_way_than_the_one_that_fails_in_ci() -> None:
    """``needs.missing``, which is for what Debian's packages bring; Python's are all in the lock."""
    ways = re.compile(r"pytest\.(skip\(|importorskip|mark\.skip)")
    found = [name_of(path) for path in sources("tests") if ways.search(path.read_text(encoding="utf-8"))]
    assert found == ["tests/helpers/needs.py"]
