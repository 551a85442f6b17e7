"""A command imports what it needs and no more; counted by modules, which a busy machine doesn't change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import cast

import click
import pytest

from harness.cli.main import COMMANDS, cli

pytestmark = pytest.mark.slow

LOAD = frozenset(("locust", "gevent"))
"""Imported by the processes that send load, never by a command: gevent changes a process for good."""
FIGURES = frozenset(("matplotlib", "PIL", "jinja2"))
STATISTICS = frozenset(("scipy",))
COLUMNS = frozenset(("pyarrow",))
LOGIN = frozenset(("ldap3", "krb5", "gssapi", "spnego", "dns"))
MODELS = frozenset(("pydantic", "numpy", "yaml"))
EVERYTHING = LOAD | FIGURES | STATISTICS | COLUMNS | LOGIN | MODELS

NOT_IMPORTED: Mapping[tuple[str, ...], frozenset[str]] = {
    ("--help",): EVERYTHING | {"cryptography", "rich"},
    ("--version",): EVERYTHING | {"cryptography", "rich"},
    ("locustfile",): EVERYTHING | {"cryptography", "rich"},
    ("scenarios",): EVERYTHING - MODELS,
    ("schema", "scenario"): EVERYTHING - MODELS,
    ("schema", "targets"): EVERYTHING - MODELS,
    ("updates", "list"): EVERYTHING - MODELS,
    ("lab", "status"): EVERYTHING - MODELS,
    ("lab", "--help"): EVERYTHING - MODELS,
    ("gate", "--help"): EVERYTHING - MODELS,
    ("demo", "--help"): EVERYTHING - MODELS,
    ("doctor", "--help"): LOAD | FIGURES | STATISTICS | COLUMNS,
    ("login", "--help"): LOAD | FIGURES | STATISTICS | COLUMNS,
    ("history", "--help"): LOAD | FIGURES | STATISTICS | LOGIN,
    ("import", "--help"): LOAD | FIGURES | STATISTICS,
    ("export", "--help"): EVERYTHING - MODELS,
    ("init", "--help"): EVERYTHING - MODELS,
    ("calibrate", "--help"): LOAD | FIGURES | LOGIN,
    ("man", "--help"): EVERYTHING - MODELS,
    ("notice", "--help"): LOAD | FIGURES | STATISTICS,
    ("plan", "--help"): LOAD | FIGURES | LOGIN,
    ("run", "--help"): LOAD | FIGURES | LOGIN,
    ("trend", "--help"): LOAD | FIGURES | LOGIN,
    ("capacity", "--help"): LOAD | LOGIN,
    ("ci", "--help"): EVERYTHING - MODELS,
    ("compare", "--help"): LOAD | LOGIN,
    ("report", "--help"): LOAD | LOGIN,
    ("worker", "--help"): LOAD | FIGURES | STATISTICS | COLUMNS | LOGIN,
}
"""By command line: the libraries without which it must do. ``--help`` of a command imports that command's module."""

# Each command line in a fork of one process: the interpreter starts but once, and what nearly all may have is imported
# once, after those that may not.
COUNTED = """
import json, os, sys
from harness.cli.main import main
lean, others = json.load(sys.stdin)
for argv in [*lean, None, *others]:
    if argv is None:
        import harness.config.load
        continue
    ours, theirs = os.pipe()
    if os.fork() == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        code = main(argv)
        os.write(theirs, json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as said:
        print(said.read() or '[null, []]', flush=True)
    os.wait()
"""


@cache
def imported() -> Mapping[tuple[str, ...], frozenset[str]]:
    """Which libraries each command line has imported when it ends; each must end well."""
    lean = [line for line, not_imported in NOT_IMPORTED.items() if not_imported >= MODELS]
    others = [line for line in NOT_IMPORTED if line not in lean]
    argv = [sys.executable, "-c", COUNTED]
    done = subprocess.run(
        argv, input=json.dumps([lean, others]), capture_output=True, text=True, timeout=120, check=True
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {code for code, _ in told} == {0}, done.stderr
    return {line: frozenset(modules) for line, (_, modules) in zip([*lean, *others], told, strict=True)}


@pytest.mark.parametrize("line", NOT_IMPORTED, ids=" ".join)
def test_a_command_imports_only_what_it_needs(line: tuple[str, ...]) -> None:
    assert not imported()[line] & NOT_IMPORTED[line]


def test_every_command_has_a_budget_of_imports() -> None:
    assert {line[0] for line in NOT_IMPORTED} == {*COMMANDS, "--help", "--version"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_is_there_and_says_what_it_does(name: str) -> None:
    _, summary = COMMANDS[name]
    assert summary.endswith(".")
    context = click.Context(cast(click.Group, cli), **cli.context_settings)
    command = cast(click.Group, cli).get_command(context, name)
    assert command is not None
    assert command.get_short_help_str(limit=200)
