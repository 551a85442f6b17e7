"""A single login's waterfall: readable in 80 columns, and one line a step where it is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.login.path import LoginResult
from harness.model.attempt import OK, StepTiming
from harness.model.protocol import StepFacts
from harness.report.waterfall import print_waterfall

MS = 1_000_000
NOTES = tuple(f"note number {number} of what the protocol showed" for number in range(6))
STEPS = ("kdc_as", "kdc_tgs_workstation", "ldap_nested_groups")
RESULT = LoginResult(
    OK,
    tuple(StepTiming(name, at * MS, (at + 1) * MS, OK) for at, name in enumerate(STEPS)),
    facts=tuple(StepFacts(notes=NOTES) for _ in STEPS),
)


def printed(width: int, terminal: bool) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_waterfall(RESULT, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_facts_are_wrapped_by_the_terminals_width_and_not_a_word_a_line(width: int) -> None:
    lines = printed(width, terminal=True)
    assert max(map(len, lines)) <= width
    assert len(lines) < 35
    words = " ".join(" ".join(lines).split())
    for step in STEPS:
        assert step in words
    assert words.count("showed") == len(STEPS) * len(NOTES)


def test_what_is_no_terminal_gets_a_line_a_step() -> None:
    lines = printed(80, terminal=False)
    assert len(lines) == 1 + len(STEPS) + 1
    assert all(", ".join(NOTES) in line for line in lines[1:-1])
