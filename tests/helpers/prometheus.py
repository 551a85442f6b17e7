"""Prometheus itself, as docs/telemetry.md has it configured, beside a run."""

from __future__ import annotations

import json
import os
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness.system.process import Family, free_ports
from tests.helpers.needs import missing
from tests.helpers.pages import ROOT, fences
from tests.helpers.running import until

READY_S = 60.0
"""Only one that hangs takes so long."""


def require_prometheus() -> None:
    """Prometheus and its checker are here: without them a test is skipped, and failed where CI=true."""
    for name in ("prometheus", "promtool"):
        if shutil.which(name) is None:
            missing(f"{name}: not found in PATH; Debian's package prometheus has it")


def documented() -> dict[str, Any]:
    """The configuration that the documentation tells its readers to use."""
    (block,) = (fence for fence in fences(ROOT / "docs" / "telemetry.md") if fence.words == ("yaml", "prometheus"))
    found: dict[str, Any] = yaml.safe_load(block.text)
    return found


class Prometheus:
    """A server that asks ``scraped`` on loopback, twice a second so that a short run is seen often."""

    def __init__(self, folder: Path) -> None:
        self.scraped, self._port = free_ports(2)
        self._folder = folder

    def configuration(self) -> Path:
        """Its file: the documented one, with this test's port and pace."""
        found = documented()
        (job,) = found["scrape_configs"]
        job |= {"scrape_interval": "500ms", "static_configs": [{"targets": [f"127.0.0.1:{self.scraped}"]}]}
        path = self._folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(found), encoding="utf-8")
        return path

    def command(self) -> list[str]:
        """What starts it."""
        return [
            "prometheus",
            f"--config.file={self.configuration()}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def asked(self, query: str) -> list[dict[str, Any]]:
        """The samples that a query gives now, each with ``metric`` and ``value``."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/query?{asked}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """One that answers, and ends with the test."""
    its, family = Prometheus(folder), Family()
    try:
        log = folder / "prometheus.log"
        family.spawn(its.command(), dict(os.environ), log)
        until(its.ready, READY_S, "Prometheus does not answer")
        yield its
    finally:
        family.close()
