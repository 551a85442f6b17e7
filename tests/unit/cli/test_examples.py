"""Every command's help ends with examples that exist, and its manual page is made of the same words."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli.examples import EXAMPLES
from harness.cli.main import COMMANDS, cli, main
from tests.helpers.needs import missing
from tests.helpers.pages import ROOT


def faults(example: str) -> Iterator[str]:
    """Commands and options of an example that there are not."""
    for part in re.findall(r"authgate +([a-z-][^)|;&>]*)", example):
        words = shlex.split(part.rstrip('"'), comments=False)
        context = click.Context(cli, info_name="authgate", **cli.context_settings)
        found: click.Command | None = cli
        while isinstance(found, click.Group) and words and not words[0].startswith("-"):
            found = found.get_command(context, words.pop(0))
        if found is None:
            yield f"no such command: {part}"
            continue
        known = {
            option for one in found.get_params(click.Context(found, **cli.context_settings)) for option in one.opts
        }
        yield from (word for word in words if word.startswith("-") and word not in known)


def with_subcommands() -> list[str]:
    """Every command by name, and each below it, as 'lab up'."""
    context = click.Context(cli, info_name="authgate", **cli.context_settings)
    found = {name: cli.get_command(context, name) for name in COMMANDS}
    below = [
        f"{name} {one}" for name, group in found.items() if isinstance(group, click.Group) for one in group.commands
    ]
    return [*COMMANDS, *below]


def test_no_example_is_of_a_command_that_is_not_there() -> None:
    assert set(EXAMPLES) == set(with_subcommands())


@pytest.mark.parametrize("name", with_subcommands())
def test_every_command_has_two_examples_that_exist(name: str) -> None:
    assert len(EXAMPLES[name]) >= 2
    for example, says in EXAMPLES[name]:
        assert says and list(faults(example)) == [], example


@pytest.mark.parametrize("name", with_subcommands())
def test_help_ends_with_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    examples = capsys.readouterr().out.partition("Examples:\n")[2].splitlines()
    assert [line.strip() for line in examples] == [word for example in EXAMPLES[name] for word in example]


def test_a_page_is_written_for_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"authgate.1", "authgate-lab-up.1", *(f"authgate-{name}.1" for name in COMMANDS)} <= names
    gate = (tmp_path / "authgate-gate.1").read_text()
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"):
        assert f".SH {heading}\n" in gate
    assert "\\-\\-budget" in gate
    assert not [line for line in gate.splitlines() if line.startswith("'")]


def test_groff_finds_nothing_to_complain_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("groff") is None:
        missing("groff: not found in PATH; Debian's package groff-base has it")
    assert main(["man", str(tmp_path)]) == 0
    for page in sorted(tmp_path.iterdir()):
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-K", "utf8", str(page)], capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), page.name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    completion = found(cli, {}, "authgate", "_AUTHGATE_COMPLETE")
    assert {one.value for one in completion.get_completions([], "not")} == {"notice"}
    assert "--budget" in {one.value for one in completion.get_completions(["gate"], "--b")}
    assert "_AUTHGATE_COMPLETE" in completion.source()


BASH = """
source authgate.bash
COMP_WORDS=({words}) COMP_CWORD=1 COMP_POINT=99
_authgate_completion authgate
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "source authgate.fish; complete --do-complete '{line}'"
ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; autoload -Uz compinit; compinit -D; source ./authgate.zsh; echo re''ady'
while zpty -r shell line; do [[ $line == *ready* ]] && break; done
zpty -w -n shell $'{line}\\t'
zpty -r -m shell said '*{line}*ice*'
zpty -w -n shell $'\\C-u'
zpty -d shell
print -r -- $said
"""


@pytest.fixture
def completing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with each shell's file, as docs/operations.md has it made, and ``authgate`` in the path."""
    (tmp_path / "authgate").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n')
    (tmp_path / "authgate").chmod(0o755)
    for name, value in {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "script"),
    [
        (["bash", "--norc", "-c"], BASH.format(words="authgate not")),
        (["fish", "--no-config", "-c"], FISH.format(line="authgate not")),
        (["zsh", "-f", "-c"], ZSH.format(line="authgate not")),
    ],
    ids=["bash", "fish", "zsh"],
)
def test_a_shell_itself_completes_what_is_typed(completing: Path, shell: list[str], script: str) -> None:
    name = shell[0]
    if shutil.which(name) is None:
        missing(f"{name}: not found in PATH; Debian's package {name} has it")
    made = {**os.environ, "_AUTHGATE_COMPLETE": f"{name}_source"}
    source = subprocess.run(["authgate"], env=made, capture_output=True, text=True, check=True, timeout=60).stdout
    (completing / f"authgate.{name}").write_text(source)
    done = subprocess.run([*shell, script], capture_output=True, text=True, check=False, timeout=60)
    assert "notice" in done.stdout, done.stdout + done.stderr
    assert "gate " not in done.stdout.replace("authgate ", "")
