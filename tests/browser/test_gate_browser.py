"""The gate in a real browser: started, watched, stopped and read from its page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.shipped import GATE_LOCUSTFILE
from harness.lab.domain import Lab
from harness.system.process import Identity
from tests.helpers.browser import Page
from tests.helpers.gate_page import BUSY, fill, stop
from tests.helpers.plain_locust import Site, only_run, web_ui, write
from tests.helpers.running import POLICY, SCENARIO

pytestmark = pytest.mark.integration
SMALL = {
    **SCENARIO,
    "arrivals": {"curve": "constant", "rate": 30},
    "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 5},
}
"""Long enough for a page to be looked at while it goes on."""
LONG = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 60}}
PATIENT = {**POLICY, "looks": {**POLICY["looks"], "pass_from": 40}}


@pytest.fixture
def inputs(lab: Lab, tmp_path: Path) -> Path:
    lab.write_targets(tmp_path / "targets.yaml")
    for name, document in (("small", SMALL), ("long", LONG), ("quick", POLICY), ("patient", PATIENT)):
        write(tmp_path / f"{name}.yaml", document)
    return tmp_path


@pytest.fixture
def site(inputs: Path) -> Iterator[Site]:
    with web_ui(inputs, file=GATE_LOCUSTFILE) as serving:
        yield serving


def test_a_gate_is_started_watched_and_read_from_the_page(
    new_page: Callable[[], Page], site: Site, inputs: Path
) -> None:
    page = new_page()
    fill(page, site, "missing.yaml", "quick.yaml")
    page.click("#go")
    page.until("document.querySelector('#scenario-wrong').textContent.includes('missing.yaml: expected a readable')")
    page.choose("#scenario-file", "small.yaml")
    page.click("#go")
    page.until("document.querySelector('#kind').textContent === 'Preparing'", BUSY)
    page.until("document.querySelector('#kind').textContent.includes('so far')", BUSY)
    page.until("document.querySelector('#logins').textContent.includes('cold login p50')", BUSY)
    seen = page.text()
    limit = f"limit {POLICY['limits']['send_lag_p99_ms']:,} ms"
    for part in ("It waits for", "left", "Is the measurement sound?", limit, "cold login p50", "Pair by pair"):
        assert part in seen, f"{part}: {seen}"
    assert page.js("document.querySelectorAll('#pairs svg circle').length") > 0
    assert page.js("document.querySelectorAll('#slowest .login').length") > 0
    page.until("!document.querySelector('#report').classList.contains('hidden')", BUSY)
    run = only_run(inputs / "results")
    verdict = json.loads((run.path / "verdict.json").read_text(encoding="utf-8"))
    assert page.js("document.querySelector('#report-title').textContent") == f"{verdict['verdict']}: small"
    assert verdict["sentence"] in page.text()
    assert page.js("document.querySelector('#frames iframe').contentWindow !== null")
    assert {"report.html", "verdict.json", "junit.xml", "attempts.parquet"} <= set(page.text().split())
    assert "manifest.json" not in page.text(), "it names the files of credentials"
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((site.url, "data:"))] == []
    assert not list(run.path.glob("live.*")), "the live file goes with the run"
    # What the server can be asked holds no place of a secret.
    secret = yaml.safe_load((inputs / "targets.yaml").read_text())["arms"]["baseline"]["credentials"]["csv"]
    for path in ("/gate/choices", "/gate/runs", "/authgate/state", "/authgate/choices", "/logs"):
        assert secret not in site.ask(path)[1], path
    assert site.ask(f"/gate/runs/{run.run_id}/manifest.json")[0] == 404
    assert site.ask("/gate/runs/..%2f..%2f/verdict.json")[0] == 404


def test_a_gate_is_stopped_from_the_page_and_what_was_measured_is_kept(
    new_page: Callable[[], Page], site: Site, inputs: Path
) -> None:
    page = new_page()
    fill(page, site, "long.yaml", "patient.yaml")
    page.click("#go")
    page.until("now.live && now.live.phase === 'running' && now.live.failed.baseline[1] > 20", BUSY)
    assert not site.post("/gate/start", scenario="small.yaml", targets="targets.yaml", policy="quick.yaml")["success"]
    assert (
        "a gate is under way"
        in site.post("/swarm", scenario="small.yaml", targets="targets.yaml", arm="baseline")["message"]
    )
    stop(page)
    assert "are kept in results/" in page.js("window.asked")
    run = only_run(inputs / "results")
    manifest = run.manifest()
    assert (manifest["status"], manifest["ending"]["interrupted"]) == ("partial", "interrupted by the user")
    assert len(run.attempts()) > 20 and (run.path / "report.html").exists()
    assert "(partial)" in page.text()


def test_stopping_and_starting_need_the_token_and_the_origin(site: Site) -> None:
    form = {"update": "uppsala-2016"}
    assert site.stranger().ask("/gate/start", form)[0] == 403
    assert site.ask("/gate/start", form, Origin="http://evil.example")[0] == 403
    assert site.ask("/gate/stop", {"run_id": ""}, Origin="http://evil.example")[0] == 403


# A run of somebody else's, as its live file shows it.


def someone_s(results: Path, **more: Any) -> Path:
    folder = results / "20261128T000000Z-someone-abc123"
    folder.mkdir(parents=True)
    state = {
        "process": asdict(Identity.of(os.getpid())),
        "folder": str(folder),
        "run_id": folder.name,
        "scenario": "someone",
        "policy": "default",
        "arms": ["baseline", "candidate"],
        "cohorts": ["cold"],
        "seats": 10,
        "length_s": 60.0,
        "began": 0.0,
        "phase": "running",
        "block": 1, "blocks": 4, "under_load": ["candidate"], "pairs": 1, "offered": 10.0, "achieved": 9.0,
        "left_s": 40.0, "elapsed_s": 20.0, "pass_in_s": 12.0, "at": 0.0,
        "latencies": {"baseline": ["1 ms", "2 ms"], "candidate": None},
        "failed": {"baseline": [0, 10], "candidate": [2, 10]},
        "failures": [], "generators": {}, "wire": [], "logins": {"slowest": [], "failed": []},
    }  # fmt: skip
    (folder / "live.json").write_text(json.dumps({**state, **more}), encoding="utf-8")
    return folder


HOSTILE = '<img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'


def test_what_servers_say_is_text_on_the_page(new_page: Callable[[], Page], site: Site, inputs: Path) -> None:
    step = {
        "step": HOSTILE,
        "from_ms": 0,
        "took_ms": 5,
        "took": "5 ms",
        "status": "error",
        "code": HOSTILE,
        "server": HOSTILE,
    }
    login = {"arm": "candidate", "cohort": HOSTILE, "at_s": 3, "took": "5 ms", "took_ms": 5, "status": "error",
             "code": HOSTILE, "tries": 1, "waited_ms": 0, "steps": [step]}  # fmt: skip
    someone_s(
        inputs / "results",
        failures=[{"step": HOSTILE, "code": HOSTILE, "counts": {"candidate": 2}}],
        wire=[HOSTILE],
        logins={"slowest": [login], "failed": [login]},
        verdict={"kind": "INVALID", "sentence": HOSTILE, "waits_for": [HOSTILE], "more": 0, "final": False},
        unsound=["baseline: " + HOSTILE],
    )
    page = new_page()
    page.go(f"{site.url}/gate")
    page.until("document.querySelector('#wire').textContent.includes('onerror')")
    assert page.js("window.hacked === undefined && document.querySelectorAll('main img').length === 0")
    assert "INVALID so far" in page.text()
    assert page.complaints == []


def test_the_page_fits_400_pixels_in_swedish_and_in_the_dark_and_is_worked_by_keys_alone(
    pages_in: Callable[[str], Page], site: Site, inputs: Path, tmp_path: Path
) -> None:
    page = pages_in("sv-SE")
    page.size(400)
    page.prefer("dark")
    page.go(f"{site.url}/gate")
    page.until("document.querySelectorAll('#policy option').length > 2")
    assert "Bedöm en uppdatering" in page.text()
    assert page.overflow() <= 0
    seen = [page.tab() for _ in range(9)]
    assert seen.index("update") < seen.index("scenario") < seen.index("targets") < seen.index("policy")
    assert "go" in seen
    someone_s(inputs / "results")
    page.until("!document.querySelector('#live').classList.contains('hidden')")
    assert "Stoppa grinden" in page.text() and "tidigast PASS om 12 s" in page.text()
    assert page.overflow() <= 0
    page.shot(tmp_path / "live-400-dark.png")


FINDING = {
    "metric": "cold login p50", "cohort": "cold", "step": "login", "baseline": "6 ms", "candidate": "6.4 ms",
    "change": "+0.4 ms", "bounds": "+0.1…+0.7 ms", "margin": "+5 ms", "decision": "notice", "says": "notice",
    "sign": "✓", "note": "", "numbers": {"estimate": 0.06, "low": 0.02, "high": 0.1, "margin": 0.8},
}  # fmt: skip
PAIRS = {"metric": "cold login p50", "unit": "log_ratio", "differences": [0.05, -0.0001, None, 0.1], "estimate": 0.05,
         "low": -0.1, "high": None, "margin": 0.8}  # fmt: skip
LOGIN = {"arm": "candidate", "cohort": "cold", "at_s": 3, "took": "5 ms", "took_ms": 5, "status": "error",
         "code": "LDAP 51", "tries": 1, "waited_ms": 2,
         "steps": [{"step": "ldap_bind", "from_ms": 0, "took_ms": 5, "took": "5 ms", "status": "error",
                    "code": "LDAP 51", "server": "127.0.0.1:389"}]}  # fmt: skip
LIGHTS = [{"arm": "baseline", "name": name, "value": 1.0, "limit": 5.0, "unit": "ms", "ok": name != "cpu"}
          for name in ("send_lag", "cpu")]  # fmt: skip
SEEN = {
    "findings": [FINDING], "pairs_of": [PAIRS], "lights": LIGHTS, "unsound": [],
    "logins": {"slowest": [LOGIN], "failed": [LOGIN]},
    "verdict": {"kind": "INCONCLUSIVE", "sentence": "", "waits_for": ["more pairs"], "more": 0, "final": False},
    "generators": {"baseline": {"started": 0, "send_lag_p99_ms": None, "hub_stall_p99_ms": 1.0, "cpu": 0.1,
                                "busy_seats": 0, "rss_mb": 90.0}},
}  # fmt: skip


@pytest.mark.parametrize("language", ["en-GB", "sv-SE"])
def test_a_screen_reader_has_a_name_for_all_and_colour_tells_nothing_alone(
    language: str, pages_in: Callable[[str], Page], site: Site, inputs: Path
) -> None:
    page = pages_in(language)
    page.go(f"{site.url}/gate")
    page.until("document.querySelectorAll('#policy option').length > 2")
    assert page.nameless() == []
    someone_s(inputs / "results", **SEEN)
    page.until("document.querySelectorAll('#slowest .login').length")
    page.js("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.nameless() == []
    seen = page.text()
    assert "✗" in page.js("document.querySelector('#failed .waterfall').textContent"), "which step failed"
    assert page.js("[...document.querySelectorAll('#lights .sign')].map(each => each.textContent)") == ["✓", "✗"]
    assert "−0 %" not in page.js("document.querySelector('#pairs').textContent") and "NaN" not in seen
    assert "null" not in seen and "undefined" not in seen
    assert page.js("document.title").endswith("· someone · authgate")
    assert page.js("document.documentElement.lang") == language[:2]
    assert ("Not certain yet" in seen) is (language == "en-GB")
    assert page.complaints == []


def test_a_run_is_stopped_by_keys_alone(new_page: Callable[[], Page], site: Site, inputs: Path) -> None:
    someone_s(inputs / "results")
    page = new_page()
    page.go(f"{site.url}/gate")
    page.until("!document.querySelector('#live').classList.contains('hidden')")
    page.js("window.confirm = (text) => { window.asked = text; return false }")  # it is this very test's process
    assert any(page.tab() == "stop" for _ in range(6)), "right behind the links"
    page.key("Enter", 13, "\r")
    assert "20 logins are kept" in page.until("window.asked")


def test_a_run_that_was_killed_is_not_shown_as_going_on(new_page: Callable[[], Page], site: Site, inputs: Path) -> None:
    someone_s(inputs / "results", process={"pid": 2**22 - 1, "started": 1})
    page = new_page()
    page.go(f"{site.url}/gate")
    page.until("document.querySelectorAll('#policy option').length > 2")
    assert page.js("document.querySelector('#live').classList.contains('hidden')")
