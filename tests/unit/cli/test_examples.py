"""Every command's help ends with examples that exist, and its manual page is made of the same words."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli.examples import EXAMPLES
from harness.cli.main import COMMANDS, cli, main


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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_two_examples_that_exist(name: str) -> None:
    assert len(EXAMPLES[name]) >= 2
    for example, says in EXAMPLES[name]:
        assert says and list(faults(example)) == [], example


def test_help_ends_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--help"]) == 0
    said = capsys.readouterr().out
    assert "Examples:\n    authgate gate morning-rush --targets targets.yaml\n" in said


def test_a_page_is_written_for_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert {"authgate.1", "authgate-lab-up.1", *(f"authgate-{name}.1" for name in COMMANDS)} <= names
    gate = (tmp_path / "authgate-gate.1").read_text()
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS"):
        assert f".SH {heading}\n" in gate
    assert "\\-\\-budget" in gate
    assert not [line for line in gate.splitlines() if line.startswith("'")]


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_finds_nothing_to_complain_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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
