"""Exit codes have one home for commands and one for verdicts, and nobody else invents one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

import harness
from harness.cli.main import cli
from harness.model import exit_codes
from harness.model.verdict import Kind
from harness.report.verdict_json import VerdictDocument

PACKAGE = Path(harness.__file__).parent
COMMANDS = [value for name, value in vars(exit_codes).items() if name.isupper()]


def test_no_two_endings_have_one_code() -> None:
    codes = [*COMMANDS, *(kind.exit_code for kind in Kind)]
    assert sorted(codes) == sorted(set(codes))


def test_the_schema_of_verdict_json_knows_the_verdicts_and_their_codes() -> None:
    fields = VerdictDocument.model_fields
    assert get_args(fields["verdict"].annotation) == tuple(Kind.__members__)
    assert get_args(fields["exit_code"].annotation) == tuple(kind.exit_code for kind in Kind)


def test_help_says_every_verdicts_code() -> None:
    said = " ".join(CliRunner().invoke(cli, ["--help"]).output.split())
    assert all(f"{kind.exit_code} {kind.name}" in said for kind in Kind)
    assert f"{exit_codes.USAGE_ERROR} for a usage or configuration error" in said


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_module_ends_a_process_with_a_code_of_its_own(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "os._exit", "SystemExit", "exit"):
            assert not any(isinstance(argument, ast.Constant) for argument in node.args), f"{path}:{node.lineno}"
