"""The gate on Active Directory, from its page: started, watched, stopped and read in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.shipped import GATE_LOCUSTFILE, SCENARIOS, find
from harness.errors import LabError
from harness.lab.ad.domain import AdLab
from harness.lab.ad.namespace import check_namespaces
from harness.lab.ad.programs import find_ad_programs
from tests.helpers.browser import Page
from tests.helpers.gate_page import BUSY, fill, photographed, stop
from tests.helpers.needs import missing
from tests.helpers.plain_locust import Site, only_run, web_ui, write
from tests.helpers.running import POLICY

pytestmark = pytest.mark.integration
LOGON: dict[str, Any] = {
    **yaml.safe_load(find("cold-logon", SCENARIOS).read_text(encoding="utf-8")),
    "population": {"users": 200, "cold_share": 1},
    "blocks": {"length_s": 3, "trim_s": 1, "pairs": 60},
}
PATIENT = {**POLICY, "name": "patient", "looks": {**POLICY["looks"], "pass_from": 40}}


@pytest.fixture
def site(tmp_path: Path, session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    try:
        check_namespaces(find_ad_programs())
    except LabError as error:
        missing(str(error))
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))
    write(tmp_path / "logon.yaml", LOGON)
    write(tmp_path / "patient.yaml", PATIENT)
    with AdLab() as lab:
        write(tmp_path / "targets.yaml", lab.targets)
        with web_ui(tmp_path, file=GATE_LOCUSTFILE) as serving:
            yield serving


def test_a_run_on_active_directory_is_started_watched_stopped_and_read_from_the_page(
    new_page: Callable[[], Page], site: Site, tmp_path: Path
) -> None:
    page = new_page()
    fill(page, site, "logon.yaml", "patient.yaml")
    page.click("#go")
    page.until("document.querySelector('#kind').textContent === 'Preparing'", BUSY)
    page.until("now.live && now.live.pairs >= 3 && now.live.logins.slowest.length > 3", BUSY)
    page.until("document.querySelectorAll('#slowest .login').length > 3")
    seen = page.text()
    for part in ("so far", "left", "Is the measurement sound?", "login p50", "Pair by pair", "Slowest logins"):
        assert part in seen, f"{part}: {seen}"
    steps = page.js("[...document.querySelectorAll('#slowest .waterfall span')].map(each => each.textContent)")
    assert {"kdc_as", "ldap_bind"} <= set(steps)
    assert page.js("document.querySelectorAll('#logins svg[role=img]').length") > 0
    assert page.overflow() <= 0
    photographed(page, "gate-live")
    stop(page)
    run = only_run(tmp_path / "results")
    assert "are kept in results/" in page.js("window.asked")
    assert (run.manifest()["status"], run.scenario().name) == ("partial", "cold-logon")
    verdict = json.loads((run.path / "verdict.json").read_text(encoding="utf-8"))
    assert page.js("document.querySelector('#report-title').textContent").startswith(verdict["verdict"])
    assert verdict["sentence"] in page.text() and "(partial)" in page.text()
    # The report stands on the page itself, without scripts of its own.
    frame = "document.querySelector('#frames iframe')"
    page.until(f"{frame} && {frame}.contentWindow.length === 0")
    photographed(page, "gate-report")
    assert page.complaints == []
