"""A plain test of one arm in a real browser: its form, its state, its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.lab.domain import Lab
from tests.helpers.browser import Page
from tests.helpers.plain_locust import SHORT, Site, logins, web_ui, write

pytestmark = pytest.mark.integration
LONG = {**SHORT, "blocks": {**SHORT["blocks"], "pairs": 200}}


@pytest.fixture
def inputs(lab: Lab, tmp_path: Path) -> Path:
    lab.write_targets(tmp_path / "targets.yaml")
    write(tmp_path / "short.yaml", SHORT)
    write(tmp_path / "long.yaml", LONG)
    return tmp_path


def fill(page: Page, site: Site, scenario: str) -> None:
    page.go(f"{site.url}/")
    page.until("document.querySelectorAll('#scenario option').length > 3")
    page.choose("#scenario", ":other")
    page.choose("#scenario-file", scenario)


def bar(page: Page) -> str:
    return str(page.js("document.querySelector('#authgate')?.innerText || ''"))


def button(text: str) -> str:
    return f"[...document.querySelectorAll('button')].find(e => e.textContent.trim() === '{text}')"


def test_a_test_is_started_from_the_form_and_its_end_is_told(new_page: Callable[[], Page], inputs: Path) -> None:
    with web_ui(inputs) as site:
        page = new_page()
        fill(page, site, "nothing.yaml")
        page.choose("#seats", "many")
        page.click("#go")
        page.until(
            "document.querySelector('#scenario-wrong').textContent.includes('nothing.yaml: expected a readable')"
        )
        assert "seats: expected a whole number from 1 to 5000, got many" in page.text()
        assert page.js("document.activeElement.id") == "scenario-file", "the first field that is wrong has the focus"

        page.choose("#scenario-file", "short.yaml")
        page.choose("#seats", "")
        page.click("#go")
        count = logins(inputs / "short.yaml")
        page.until("document.querySelector('#authgate b')?.textContent === 'plan done'")
        assert f"{count} of {count} logins" in bar(page) and "Kept in results/" in bar(page)
        page.until(button("New"))
        assert "STOPPED" in page.text()
        # Locust's own header names what was measured, and its report does too.
        assert "short on baseline of targets.yaml" in page.text()
        page.go(f"{site.url}/stats/report")
        page.until("document.body.innerText.includes('short on baseline of targets.yaml')")
        assert page.complaints == []
        assert [url for url in page.requests if not url.startswith((site.url, "data:"))] == []


def test_a_running_test_has_a_stop_button_and_is_not_edited_the_second_time_too(
    new_page: Callable[[], Page], inputs: Path
) -> None:
    with web_ui(inputs) as site:
        page = new_page()
        fill(page, site, "long.yaml")
        for _ in range(2):
            page.click("#go")
            # A page that asks each half second may miss a preparation of less.
            page.until("['preparing', 'running'].includes(document.querySelector('#authgate b')?.textContent)")
            page.until(button("Stop"))
            page.until("document.querySelector('#authgate b')?.textContent === 'running'")
            page.click_text("button", "Edit")
            assert "A plan does not change while it runs" in bar(page)
            assert page.js("document.querySelector('.MuiModal-root form') === null")
            page.click_text("button", "Stop")
            page.until("document.querySelector('#authgate b')?.textContent === 'stopped'")
            page.until(button("New"))
            page.click_text("button", "New")
            page.until("document.querySelectorAll('#scenario option').length > 3")
            page.choose("#scenario", ":other")
            page.choose("#scenario-file", "long.yaml")


MET_CLEANING_UP = """
const asked = window.fetch;
window.fetch = async (...what) => {
  const answer = await asked(...what);
  const said = String(what[0].url || what[0]).includes('/stats/requests') && await answer.clone().json();
  return said ? new Response(JSON.stringify({...said, state: 'cleanup'}), {headers: answer.headers}) : answer;
};
"""


def test_a_page_that_asked_as_the_test_was_cleaned_up_is_not_left_there(
    new_page: Callable[[], Page], inputs: Path
) -> None:
    """Locust's page asks no more then."""
    with web_ui(inputs) as site:
        page = new_page()
        fill(page, site, "long.yaml")
        page.click("#go")
        page.until(button("Stop"))
        page.js(MET_CLEANING_UP)
        page.until("document.body.innerText.includes('CLEANUP')")
        page.click_text("button", "Stop")
        page.until("document.querySelector('#authgate b')?.textContent === 'stopped'")
        page.until(button("New"))


def test_the_form_speaks_swedish_and_fits_a_telephone(
    pages_in: Callable[[str], Page], inputs: Path, tmp_path: Path
) -> None:
    with web_ui(inputs) as site:
        page = pages_in("sv-SE")
        page.size(400)
        page.prefer("dark")
        page.go(f"{site.url}/")
        page.until("document.querySelector('#scenario-hint').textContent")
        assert "Mät en arm" in page.text() and "Platser" in page.text()
        assert page.js("document.documentElement.lang") == "sv"
        assert page.overflow() <= 0
        assert page.js("getComputedStyle(document.documentElement).backgroundColor") == "rgb(18, 24, 31)"
        page.shot(tmp_path / "start-400-dark.png")


def test_another_origin_s_page_can_neither_start_a_test_nor_read_what_is_there(
    new_page: Callable[[], Page], inputs: Path
) -> None:
    """A page of another origin: one that lies on disk."""
    with web_ui(inputs) as site:
        (inputs / "evil.html").write_text("<title>evil</title>")
        page = new_page()
        page.go(f"{site.url}/start")  # the operator has the real page open, and its cookie
        page.go((inputs / "evil.html").as_uri())
        body = "scenario=short.yaml&targets=targets.yaml&arm=baseline"
        posted = f"fetch('{site.url}/swarm', {{method: 'POST', body: new URLSearchParams('{body}'), mode: 'no-cors', "
        page.js(posted + "credentials: 'include'}).then(() => 'sent', () => 'refused')")
        read = f"fetch('{site.url}/authgate/state').then(a => a.text(), () => 'unreadable')"
        assert page.js(read) == "unreadable"
        assert site.state()["phase"] == "ready"
