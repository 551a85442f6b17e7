"""The page of the past in a real browser: it draws, filters, and puts two runs side by side, and loads nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.main import main
from tests.helpers.browser import Page
from tests.helpers.histories import judged

RUNS, BLOCKED = 4, 2
SHOWN = "[...document.querySelectorAll('tr[data-run]')].filter(line => !line.hidden).length"
CELLS = "[...document.querySelectorAll('#both tr')].map(line => [...line.children].map(cell => cell.textContent))"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, of which the third is blocked."""
    results = tmp_path_factory.mktemp("results")
    for number in range(RUNS):
        judged(results, number, slower=2.5 if number == BLOCKED else 1.0)
    assert main(["history", str(results)]) == 0
    return results / "history.html"


@pytest.fixture
def page(new_page: Callable[[], Page], written: Path) -> Page:
    shown = new_page()
    shown.go(written.as_uri())
    return shown


def test_each_run_is_drawn_on_both_arms_and_a_filter_takes_away_the_others(page: Page, written: Path) -> None:
    assert page.js("document.querySelectorAll('#chart circle').length") == RUNS
    assert page.js("document.querySelectorAll('#chart rect').length") == RUNS
    page.choose("#verdict", "BLOCK")
    assert page.js("document.querySelectorAll('#chart circle').length") == page.js(SHOWN) == 1
    page.choose("#verdict", "")
    page.choose("#named", "2026.03")  # the candidate of one run, and the baseline of the next
    assert page.js(SHOWN) == 2
    page.choose("#named", "")
    page.choose("#since", "2026-01-29")
    assert page.js(SHOWN) == RUNS - 2
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [written.as_uri()]


def test_two_runs_that_are_chosen_stand_side_by_side(page: Page) -> None:
    page.click("input[name=a][value='0/0']")
    page.click(f"input[name=b][value='0/{BLOCKED}']")
    lines = {title: cells for title, *cells in page.js(CELLS)}
    assert (lines["verdict"][0], lines["verdict"][3]) == ("PASS", "BLOCK")
    assert [cell for cell in lines["releases"] if cell] == ["2026.00", "2026.01", "2026.02", "2026.03"]
    baseline, candidate, change, _, slower, more = lines[next(title for title in lines if "login p50" in title)]
    assert baseline.endswith(" ms") and candidate.endswith(" ms")
    assert more.startswith("+") and float(more.split()[0]) > 100 > abs(float(change.replace("−", "-").split()[0]))
    assert float(slower.split()[0]) > 2 * float(candidate.split()[0])
    assert page.complaints == []


@pytest.mark.parametrize("width", [400, 1200])
def test_nothing_sticks_out_of_a_window(page: Page, width: int) -> None:
    page.size(width)
    assert page.overflow() <= 0
    assert page.nameless() == []
