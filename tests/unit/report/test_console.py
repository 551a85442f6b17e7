"""The verdict on a terminal."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.model.evidence import Evidence
from harness.report.console import print_verdict
from tests.helpers.evidence_samples import VERDICTS, blocked, open_question, passed
from tests.helpers.hostile import hostile


def printed(evidence: Evidence, width: int = 80, terminal: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="standard" if terminal else None
    )
    print_verdict(evidence, console, Path("results/2016-11-08/report.html"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())
def test_a_plain_console_gets_no_codes_and_no_line_over_80_columns(make: Callable[[], Evidence]) -> None:
    evidence = make()
    text = printed(evidence)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert evidence.verdict.kind.name in text
    assert evidence.verdict.sentence in " ".join(text.split())
    assert "results/2016-11-08/report.html" in text


def test_no_figure_of_a_table_is_cut_off_in_80_columns() -> None:
    for make in (blocked, open_question, passed):
        text = printed(make())
        assert all(line.split()[-1] in {"block", "pass", "notice", "inconclusive", "likely", "slower"}
                   for line in text.splitlines() if " ms " in line and "…" in line)  # fmt: skip
        assert re.search(r"not in 10 s +\+9\.79…\+10\.4 s", text) or make is not blocked


def test_a_wide_terminal_also_gets_the_change() -> None:
    assert " change " in printed(blocked(), width=120)
    assert " change " not in printed(blocked())


def test_a_terminal_gets_colours_and_a_users_text_none_of_its_own() -> None:
    text = printed(hostile(blocked()), terminal=True)
    assert "\x1b[" in text
    assert "\ufffd[31m" in text and "\x00" not in text
