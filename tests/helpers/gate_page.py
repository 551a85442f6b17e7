"""The gate's page as an operator uses it, and photographs of it for the documentation."""

from __future__ import annotations

import os
from pathlib import Path

from tests.helpers.browser import Page, eventually
from tests.helpers.plain_locust import Site

BUSY = 120.0
"""For a whole gate on a machine that others use too."""
SHOTS = "AUTHGATE_SHOTS"
"""Environment variable: the folder that photographs go to, such as docs/images; without it none are taken."""

SETTLES_MS = 800
"""A frame within the page hears of the scheme later than the page."""


def fill(page: Page, site: Site, scenario: str, policy: str) -> None:
    """Open the page, and name the files of a scenario and a policy in its form."""
    page.go(f"{site.url}/")
    page.until("document.querySelectorAll('#policy option').length > 2")
    for field, value in (("scenario", scenario), ("policy", policy)):
        page.choose(f"#{field}", ":other")
        page.choose(f"#{field}-file", value)


def stop(page: Page) -> None:
    """Press Stop, say yes, and wait for the report."""
    page.js("window.asked = ''; window.confirm = (text) => { window.asked = text; return true }")

    def asked() -> object:
        page.click("#stop")
        return page.js("window.asked")

    # The list above the button is filled anew at each look, and may move it away from under the mouse.
    eventually(asked, BUSY, lambda: "nobody was asked")
    page.until("!document.querySelector('#report').classList.contains('hidden')", BUSY)


def photographed(page: Page, name: str) -> None:
    """Photographs for the documentation: wide and light, wide and dark, and as a telephone shows it."""
    if SHOTS not in os.environ:
        return
    for width, height, scheme in ((1200, 1000, "light"), (1200, 1000, "dark"), (400, 900, "light")):
        page.size(width, height)
        page.prefer(scheme)
        page.js(f"new Promise(done => setTimeout(done, {SETTLES_MS}))")
        page.shot(Path(os.environ[SHOTS]) / f"{name}-{scheme if width > 400 else width}.png", whole=False)
    page.size(1200)
    page.prefer("light")
