"""The page in a real browser: it renders, it fits, and it loads nothing."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from harness.model.evidence import Evidence
from harness.report.html import page
from tests.helpers.evidence_samples import VERDICTS, blocked

WIDTH, HEIGHT = 1200, 1600
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--window-size={WIDTH},{HEIGHT}")  # fmt: skip


def browse(chromium: str, folder: Path, html: str, *wanted: str) -> str:
    """What chromium writes to its output when it opens the page."""
    path = folder / "report.html"
    path.write_text(html)
    command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", *wanted, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=True).stdout


@pytest.mark.parametrize("name", ["block", "partial"])
def test_the_page_renders_its_verdict_and_its_figures(name: str, chromium: str, tmp_path: Path) -> None:
    make: Callable[[], Evidence] = VERDICTS[name]
    evidence = make()
    shot = tmp_path / "shot.png"
    dom = browse(chromium, tmp_path, page(evidence), f"--screenshot={shot}", "--dump-dom")
    if not shot.exists():  # some versions do only one of the two at a time
        browse(chromium, tmp_path, page(evidence), f"--screenshot={shot}")
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
    html = page(blocked()).replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    probe = "<script>document.title = document.documentElement.scrollWidth - window.innerWidth</script></body>"
    dom = browse(chromium, tmp_path, html.replace("</body>", probe), "--dump-dom")
    overflow = int(dom.split("<title>")[1].split("</title>")[0])
    assert overflow <= 0
