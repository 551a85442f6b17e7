"""The page in a real browser: it renders, it fits, and it loads nothing."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from harness.report.html import page
from tests.helpers.browser import Page
from tests.helpers.evidence_samples import VERDICTS

WIDTH, HEIGHT = 1200, 1600
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--window-size={WIDTH},{HEIGHT}")  # fmt: skip


@functools.cache
def page_of(name: str) -> str:
    """The page of a sample, made once: its figures take a second."""
    return page(VERDICTS[name]())


def browse(chromium: str, folder: Path, html: str, *wanted: str) -> str:
    """What chromium writes to its output when it opens the page."""
    path = folder / "report.html"
    path.write_text(html)
    command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", *wanted, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout


@pytest.mark.parametrize("name", ["block", "partial"])
def test_the_page_renders_its_verdict_and_its_figures(name: str, chromium: str, tmp_path: Path) -> None:
    evidence = VERDICTS[name]()
    shot = tmp_path / "shot.png"
    dom = browse(chromium, tmp_path, page_of(name), f"--screenshot={shot}", "--dump-dom")
    if not shot.exists():  # some versions do only one of the two at a time
        browse(chromium, tmp_path, page_of(name), f"--screenshot={shot}")
    assert evidence.verdict.kind.name in dom and evidence.verdict.sentence in dom
    image = matplotlib.image.imread(shot)[:, :, :3]
    assert image.shape[:2] == (HEIGHT, WIDTH)
    colours = np.unique((image[::4, ::4] * 255).round().astype(np.uint8).reshape(-1, 3), axis=0)
    assert len(colours) > 50
    # The banner's tint spans most of the top, and figures leave ink in every third of the page.
    for third in np.array_split(image, 3):
        assert (third.min(axis=2) < 0.5).mean() > 0.003


def test_the_page_is_no_wider_than_its_window(chromium: str, tmp_path: Path) -> None:
    # The page's own policy forbids scripts; the copy that is measured allows the one that measures it.
    html = page_of("block").replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    probe = "<script>document.title = document.documentElement.scrollWidth - window.innerWidth</script></body>"
    dom = browse(chromium, tmp_path, html.replace("</body>", probe), "--dump-dom")
    overflow = int(dom.split("<title>")[1].split("</title>")[0])
    assert overflow <= 0


SCREEN = 800
"""Of a telephone 400 px wide, in px."""
SMALLEST_TEXT = "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.innerText && e.clientWidth)"
LARGEST_SHRINKING = "Math.min(...[...document.images].map(e => e.clientWidth / e.naturalWidth))"


@pytest.fixture
def opened(new_page: Callable[[], Page], tmp_path: Path) -> Callable[[str], Page]:
    """Opens the page of a sample on a telephone."""

    def open_it(name: str) -> Page:
        path = tmp_path / "report.html"
        path.write_text(page_of(name), encoding="utf-8")
        shown = new_page()
        shown.size(400, SCREEN)
        shown.go(path.as_uri())
        return shown

    return open_it


@pytest.mark.parametrize("name", ["block", "pass", "inconclusive", "invalid"])
def test_a_telephone_shows_the_page_in_under_ten_screens_and_nothing_sticks_out_folded_or_not(
    name: str, opened: Callable[[str], Page]
) -> None:
    shown = opened(name)
    assert shown.overflow() <= 0
    assert shown.js("document.documentElement.scrollHeight") < 10 * SCREEN
    shown.js("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert shown.overflow() <= 0
    assert shown.js(f"{SMALLEST_TEXT}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 12
    # Figures for narrow windows are drawn narrow: their letters keep their size.
    assert shown.js("[...document.images].every(e => e.currentSrc === e.previousElementSibling.srcset)")
    assert shown.js(LARGEST_SHRINKING) > 0.9


def test_the_page_is_dark_where_the_screen_is_and_light_on_paper(opened: Callable[[str], Page]) -> None:
    shown = opened("block")
    shown.prefer("dark")
    paper, ink = "getComputedStyle(document.body).backgroundColor", "getComputedStyle(document.body).color"
    assert (shown.js(paper), shown.js(ink)) == ("rgb(18, 24, 31)", "rgb(232, 237, 242)")
    shown.prefer("dark", media="print")
    assert shown.js(paper) == "rgb(255, 255, 255)"


def test_paper_shows_the_folded_evidence_and_tears_no_line_of_a_table(opened: Callable[[str], Page]) -> None:
    shown = opened("block")
    shown.size(1000)
    table = "document.querySelector('#findings table')"
    assert shown.js(f"{table}.checkVisibility({{contentVisibilityAuto: true}})") is False, "folded on the screen"
    shown.prefer("light", media="print")
    assert shown.js(f"{table}.checkVisibility({{contentVisibilityAuto: true}})")
    assert shown.js(f"{table}.getBoundingClientRect().height") > 100
    torn = "getComputedStyle(each).breakInside !== 'avoid'"
    assert shown.js(f"[...document.querySelectorAll('tr, figure, .verdict')].filter(each => {torn}).length") == 0
    assert shown.js("getComputedStyle(document.querySelector('#findings thead')).display") == "table-header-group"
    assert shown.js("getComputedStyle(document.querySelector('#manifest')).display") == "none"
    assert len(shown.send("Page.printToPDF", preferCSSPageSize=True)["data"]) > 10_000


def test_every_part_is_reached_from_the_contents_by_keys_alone(opened: Callable[[str], Page]) -> None:
    shown = opened("block")
    titles = shown.js("[...document.querySelectorAll('.contents a')].map(each => each.textContent)")
    assert [shown.tab() for _ in titles] == titles
    assert shown.js("document.activeElement.getAttribute('href')") == "#manifest"
    shown.key("Enter", 13, "\r")
    shown.until("location.hash === '#manifest'")
    shown.tab()
    assert shown.js("document.activeElement.tagName") == "SUMMARY"
    shown.key("Enter", 13, "\r")
    shown.until("document.querySelector('#manifest').open")
