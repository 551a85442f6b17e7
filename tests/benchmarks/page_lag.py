"""Whether pages that look at a gate delay its logins: send lag with and without open pages of Locust's web server.

Run as ``python -m tests.benchmarks.page_lag [--pages 10] [--rate 60] [--seconds 16]``. Four gates run one after the
other on one embedded domain, each started by ``/gate/start``: that nobody looks at, and that so many streams of events
are open to, of which one in two is in Swedish; in the order none, all, all, none, so that neither is first. Servers,
load and web server share the machine; what reads the streams is one thread, and draws nothing. Printed are each run's
logins and their send lag.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.shipped import GATE_LOCUSTFILE
from harness.lab.domain import Lab
from harness.record.folder import RunFolder
from tests.helpers.plain_locust import Site, web_ui, write
from tests.helpers.running import POLICY, SCENARIO

ENDS_WITHIN_S = 60.0


@contextmanager
def open_pages(site: Site, count: int) -> Iterator[list[int]]:
    """So many open streams of events, read as they come; how many bytes each has got is in the list."""
    host, port = site.url.removeprefix("http://").split(":")
    selector = selectors.DefaultSelector()
    got, stop = [0] * count, threading.Event()
    for number in range(count):
        page = socket.create_connection((host, int(port)), 10)
        asked = f"GET /gate/events?lang={'sv' if number % 2 else 'en'} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
        page.sendall(asked.encode())
        page.setblocking(False)
        selector.register(page, selectors.EVENT_READ, number)

    def read() -> None:
        while not stop.is_set():
            for key, _ in selector.select(0.2):
                page: Any = key.fileobj
                got[key.data] += len(page.recv(1 << 16))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield got
    finally:
        stop.set()
        reader.join(5)
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()


def gate(site: Site, results: Path, length_s: float) -> RunFolder:
    """One gate of the site's, from its start to its end."""
    before = {path.name for path in results.iterdir()} if results.exists() else set()
    until = time.monotonic() + ENDS_WITHIN_S  # the one before may still be writing its reports
    while True:
        said = site.post("/gate/start", scenario="lag.yaml", targets="targets.yaml", policy="lag-policy.yaml")
        if said["success"]:
            break
        if "under way" not in said["message"] or time.monotonic() > until:
            raise SystemExit(said["message"])
        time.sleep(1)
    until = time.monotonic() + length_s + ENDS_WITHIN_S
    while time.monotonic() < until:
        time.sleep(1)
        found = [path for path in results.iterdir() if path.name not in before] if results.exists() else []
        if found and (found[0] / "verdict.json").exists():
            return RunFolder(found[0])
    raise SystemExit("the gate did not end in time")


def lag_ms(run: RunFolder) -> np.ndarray:
    """How late each login was sent."""
    attempts = run.attempts()
    return (attempts["started"].to_numpy() - attempts["intended"].to_numpy()) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--rate", type=float, default=60)
    parser.add_argument("--seconds", type=int, default=16)
    asked = parser.parse_args()
    length_s = 2.0
    blocks = {**SCENARIO["blocks"], "length_s": length_s, "trim_s": 0.5, "pairs": round(asked.seconds / length_s / 2)}
    arrivals = {"curve": "constant", "rate": asked.rate}
    population = {**SCENARIO["population"], "users": 500}
    scenario = {**SCENARIO, "name": "lag", "blocks": blocks, "arrivals": arrivals, "population": population}
    policy = {**POLICY, "looks": {**POLICY["looks"], "pass_from": blocks["pairs"] - 1}}
    with tempfile.TemporaryDirectory() as name, Lab() as lab:
        folder = Path(name)
        lab.write_targets(folder / "targets.yaml")
        write(folder / "lag.yaml", scenario)
        write(folder / "lag-policy.yaml", policy)
        with web_ui(folder, file=GATE_LOCUSTFILE) as site:
            for pages in (0, asked.pages, asked.pages, 0):
                with open_pages(site, pages) as got:
                    run = gate(site, folder / "results", asked.seconds)
                found = lag_ms(run)
                p50, p95, p99 = np.quantile(found, [0.5, 0.95, 0.99])
                read = f", {min(got) / 1024:,.0f} KiB read of each" if got else ""
                lag = f"send lag p50 {p50:.2f}, p95 {p95:.2f}, p99 {p99:.2f} ms"
                print(f"{pages:2} pages: {len(found)} logins, {lag}{read}", flush=True)


if __name__ == "__main__":
    main()
