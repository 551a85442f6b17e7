"""Damaged inputs of every kind, always the same ones: the oracle of tests.helpers.fuzzing, for about a minute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.damaged_inputs import KINDS, SECRET, Case
from tests.helpers.fuzzing import Outcome, wrong

SEED = 2016
CASES_A_KIND = 20
RIGHT = Outcome(code=30, signal=0, memory_b=0, said=b"INVALID\n")


def test_no_damaged_input_ends_in_a_traceback_a_signal_or_a_pass() -> None:
    """In a process of its own, which forks one for each case and has no threads to lose by that."""
    code = (
        "from tests.helpers.damaged_inputs import KINDS\n"
        "from tests.helpers.fuzzing import cases\n"
        f"counts = cases({SEED}, list(KINDS), iter(range({CASES_A_KIND} * len(KINDS))))\n"
        "print(sum(counts.cases.values()), 'cases')\n"
        "raise SystemExit('\\n'.join(counts.wrong) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{CASES_A_KIND * len(KINDS)} cases\n"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, 11, 0, b""),
        Outcome(1, 0, 0, b"Traceback (most recent call last):\n  X\nKeyError: 5\n"),
        Outcome(1, 0, 0, b""),
        Outcome(30, 0, 2 << 30, b""),
        Outcome(2, 0, 0, b"\x1b[31m"),
        Outcome(2, 0, 0, b"got " + SECRET),
        Outcome(0, 0, 0, b"PASS"),
        Outcome(30, 0, 0, b"", hung=True),
    ],
)
def test_the_oracle_sees_what_it_is_for(outcome: Outcome) -> None:
    case = Case("run", ["compare", "run"], sealed=True)
    assert wrong(case, RIGHT) == ""
    assert wrong(case, outcome)
