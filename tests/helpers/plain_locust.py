"""Plain Locust as somebody who explores starts it: from the shell or by its web UI, in processes of its own."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from harness.config.load import load_scenario
from harness.config.shipped import LOCUSTFILE
from harness.model.plan import make_plan
from harness.model.steps import LOGIN
from harness.record.folder import RunFolder
from harness.system.process import free_ports
from tests.helpers.running import until

PATIENCE_S = 40.0
"""An upper bound on things that take milliseconds, or a test's few seconds; only a hang reaches it."""
STEPS = ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups"]
SHORT: dict[str, Any] = {
    "name": "short",
    "steps": STEPS,
    "population": {"users": 20, "cold_share": 0.7},
    "arrivals": {"curve": "constant", "rate": 10},
    "seats": 20,
    "blocks": {"length_s": 1.5, "trim_s": 0.5, "pairs": 2},
}
"""3 s of 10 logins a second, some of them warm."""


def write(path: Path, document: object) -> Path:
    """The document as a YAML file."""
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def planned(scenario: Path) -> Counter[tuple[str, str]]:
    """How often the plan takes each step, and the login as a whole, by cohort."""
    what = load_scenario(scenario)
    plan = make_plan(what, ["baseline"])
    return Counter(
        (arrival.cohort, name)
        for block in plan.of("baseline")
        for arrival in block.arrivals
        for name in (*what.mix[arrival.cohort].taken, LOGIN)
    )


def logins(scenario: Path) -> int:
    """How many logins the plan of one arm has."""
    return sum(len(block.arrivals) for block in make_plan(load_scenario(scenario), ["baseline"]).blocks)


def command(*more: str, file: Path = LOCUSTFILE) -> list[str]:
    """Locust with a locustfile."""
    return [sys.executable, "-m", "locust", "-f", str(file), *more]


def options(scenario: Path, targets: Path, results: Path) -> tuple[str, ...]:
    """What a headless test is asked to do."""
    inputs = ("--scenario", str(scenario), "--targets", str(targets), "--arm", "baseline", "--results", str(results))
    return ("--headless", "--only-summary", *inputs)


def headless(scenario: Path, targets: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A test from its start to its end, with its runs in the folder of its scenario."""
    asked = command(*options(scenario, targets, scenario.parent / "results"), *more)
    return subprocess.run(asked, capture_output=True, text=True, timeout=3 * PATIENCE_S)


def only_run(results: Path) -> RunFolder:
    """The one run that is there."""
    (folder,) = results.iterdir()
    return RunFolder.open(folder)


class Site:
    """The web UI as a browser sees it: one that keeps cookies, and sends an Origin with what it posts."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.url, self.process, self._log = url, process, log
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    @property
    def log(self) -> str:
        """All that Locust has said."""
        return self._log.read_text(encoding="utf-8")

    def ask(
        self, path: str, form: Mapping[str, object] | None = None, **headers: str
    ) -> tuple[int, str, Mapping[str, str]]:
        """Status, text and headers of an answer; with a form it is a POST."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}{path}", data, named)
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def stranger(self) -> Site:
        """A browser that has never been here."""
        return Site(self.url, self.process, self._log)

    def open(self) -> str:
        """The start page, which hands out the token."""
        return self.ask("/")[1]

    def post(self, path: str, **form: object) -> dict[str, Any]:
        """The JSON answer to what a page of this server posts."""
        status, text, _ = self.ask(path, form, Origin=self.url)
        assert status == 200, (status, text)
        found: dict[str, Any] = json.loads(text)
        return found

    def state(self) -> dict[str, Any]:
        """What the test is doing."""
        found: dict[str, Any] = json.loads(self.ask("/authgate/state")[1])
        return found

    def phase(self, wanted: str) -> dict[str, Any]:
        """Wait for a phase of the test; its state then."""
        until(lambda: self.state()["phase"] == wanted, PATIENCE_S, f"never {wanted}: {self.state()}\n{self.log}")
        return self.state()

    def stats(self) -> tuple[str, dict[tuple[str, str], int]]:
        """Locust's state, and how often each step has been counted."""
        found = json.loads(self.ask("/stats/requests")[1])
        rows = {(r["method"], r["name"]): r["num_requests"] for r in found["stats"] if r["name"] != "Aggregated"}
        return found["state"], rows


@contextmanager
def started(arguments: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Locust that is ended with its children."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            arguments,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            cwd=log.parent,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        for child in children:
            if child.is_running():
                child.kill()


@contextmanager
def web_ui(folder: Path, *more: str, file: Path = LOCUSTFILE, **environment: str) -> Iterator[Site]:
    """A Locust whose web UI answers; its working folder, its runs and its log are in ``folder``."""
    (port,) = free_ports(1)
    log = folder / "locust.log"
    with started(command("--web-port", str(port), *more, file=file), log, **environment) as process:
        site = Site(f"http://127.0.0.1:{port}", process, log)
        until(lambda: answers(site, process), PATIENCE_S, "the web UI does not answer")
        yield site


def answers(site: Site, process: subprocess.Popen[bytes]) -> bool:
    """Whether it can be asked; AssertionError where the process has ended."""
    assert process.poll() is None, site.log
    try:
        return site.ask("/")[0] in (200, 401)
    except OSError:
        return False


def errors_in(text: str) -> list[str]:
    """What Locust has logged as errors."""
    return [line for line in text.splitlines() if re.search(r"/ERROR/", line)]
