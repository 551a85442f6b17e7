"""What several workers an arm send, and what one master carries: ``python -m tests.benchmarks.workers``.

``rates`` runs the embedded domain's baseline at rising rates by one worker and by more: what was achieved, how late
the worst of them sent (send lag, 99th percentile), and the processor that a login cost them. ``master`` lets 200
connections that log nobody in send the journals of so many workers to one process, encrypted as from other machines,
and then follows the copies as the judge does: logins a second of one core, and memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from harness.config.load import load_scenario
from harness.config.shipped import SCENARIOS
from harness.lab.domain import Lab
from harness.load.wire import new_key
from harness.model.attempt import OK, Attempt, StepTiming
from harness.model.plan import NS, make_plan
from harness.model.policy import Policy
from harness.model.rates import ConstantRate
from harness.model.scenario import Blocks, Population, Scenario
from harness.model.target import Targets
from harness.record.journal import JournalReader, JournalWriter
from harness.record.schema import ATTEMPTS, attempts_batch
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.run.tally import Tally

WARM_UP_S = 2.0
"""Not counted: threads and connections are made at first."""
WORKERS, LOGINS_A_BATCH = 200, 500


def scenario_at(rate: float, seconds: float) -> Scenario:
    """Cold logins at a constant rate."""
    base = load_scenario(SCENARIOS / "morning-rush.yaml")
    changes: dict[str, Any] = {
        "arrivals": ConstantRate(curve="constant", rate=rate),
        "blocks": Blocks(length_s=seconds / 2, trim_s=0.5, pairs=2),
        "population": Population(users=500, cold_share=1.0),
        "headroom": None,
        "stated_peak": None,
    }
    return base.model_copy(update=changes)


def measured(scenario: Scenario, targets: Targets, workers: int) -> tuple[float, float, float, float]:
    """Logins a second, p99 of the worst worker's send lag (ms), ms of a core a login, and busiest worker's core (%)."""
    with tempfile.TemporaryDirectory() as results:
        request = RunRequest(scenario, targets, Policy(), Path(results), ("baseline",), False, workers=workers)
        folder = execute(request, lambda snapshot: None)
        attempts, health = folder.attempts(), folder.health()
    counted = attempts["started"].to_numpy() / NS >= WARM_UP_S
    lag = (attempts["started"].to_numpy() - attempts["intended"].to_numpy())[counted] / 1e6
    owner = np.array([int(name[-5:]) for name in attempts["user"].to_pylist()])[counted] % workers
    seconds = (health["t"].to_numpy() / NS >= WARM_UP_S) & (health["started"].to_numpy() > 0)
    cpu, worker = health["cpu"].to_numpy()[seconds], health["worker"].to_numpy()[seconds]
    each = [float(cpu[worker == one].mean()) for one in range(workers)]
    achieved = counted.sum() / (scenario.duration_s / 2 - WARM_UP_S)
    worst = max(float(np.quantile(lag[owner == one], 0.99)) for one in range(workers))
    return achieved, worst, 1e3 * sum(each) / achieved, 100 * max(each)


def rates(counts: list[int], asked: list[float], seconds: float) -> None:
    """Print a line for each rate and number of workers."""
    table = Table("workers", "asked /s", "achieved /s", "send lag p99, worst worker", "core a login", "busiest worker")
    with Lab(("baseline",)) as lab:
        targets = Targets.model_validate(lab.targets)
        for rate in asked:
            for workers in counts:
                achieved, lag, cost, busiest = measured(scenario_at(rate, seconds), targets, workers)
                table.add_row(
                    str(workers), f"{rate:g}", f"{achieved:.0f}", f"{lag:.1f} ms", f"{cost:.2f} ms", f"{busiest:.0f} %"
                )
    Console().print(table)


SERVE = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
from pathlib import Path
from locust.rpc import Message, rpc
from harness.load.stream import Copy
from harness.load.wire import encrypt_locust
key, folder, expected = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
encrypt_locust(key)
server, copies, sizes = rpc.Server("127.0.0.1", 0), {}, {}
print(server.port, flush=True)
began = cpu = None
while sum(sizes.values()) < expected:
    who, message = server.recv_from_client()
    if began is None:
        began, cpu = time.monotonic(), time.process_time()
    copy = copies.setdefault(who, Copy({"attempts": folder / f"attempts-{who}.arrows"}))
    sizes[who] = copy.take(message.data)
    server.send_to_client(Message("have", {"kind": "attempts", "size": sizes[who]}, who))
print(json.dumps([time.monotonic() - began, time.process_time() - cpu]), flush=True)
sys.stdin.read()
"""
SEND = """
from gevent import monkey; monkey.patch_all()
import sys
import gevent
from pathlib import Path
from locust.rpc import Message, rpc
from harness.load.stream import Sender
from harness.load.wire import encrypt_locust
key, port, journal, count = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
encrypt_locust(key)
def one(number):
    name = f"{number:03}"
    client = rpc.Client("127.0.0.1", port, name)
    sender = Sender({"attempts": journal}, lambda what, **data: client.send(Message(what, data, name)))
    sending = gevent.spawn(sender.run)
    while not sender.whole:
        said = client.recv().data
        sender.acknowledged(said["kind"], said["size"])
    sending.kill()
gevent.joinall([gevent.spawn(one, number) for number in range(count)], raise_error=True)
"""


def master(logins: int) -> None:
    """Print what a master takes of 200 connections' journals, each of so many logins, and what it costs to follow."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key, journal, copies = folder / "key", folder / "journal", folder / "copies"
        copies.mkdir()
        new_key(key)
        scenario = scenario_at(1000.0, 4.0)
        plan = make_plan(scenario, ["baseline"])
        _write(journal, scenario, logins)
        size, total = journal.stat().st_size, WORKERS * logins
        command = [sys.executable, "-c", SERVE, str(key), str(copies), str(WORKERS * size)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as serving:
            assert serving.stdout is not None
            port = serving.stdout.readline().strip()
            sender = [sys.executable, "-c", SEND, str(key), port, str(journal), str(WORKERS)]
            subprocess.run(sender, check=True, timeout=200)
            took_s, cpu_s = json.loads(serving.stdout.readline())
            memory = psutil.Process(serving.pid).memory_info().rss / 1e6
        began = time.process_time()
        tally = Tally(plan, 60.0)
        rows = 0
        for path in sorted(copies.iterdir()):
            for batch in JournalReader(path, ATTEMPTS).new_batches():
                rows += len(batch)
                tally.add(batch)
                tally.recent(10**18)
        followed_s = time.process_time() - began
    assert rows == total, (rows, total)
    table = Table("200 connections, one master", "")
    table.add_row("logins, bytes each", f"{total:,}, {size / logins:.0f}")
    table.add_row("received, decrypted, written, acknowledged", f"{total / took_s:,.0f} logins/s ({took_s:.1f} s)")
    table.add_row("of one core", f"{total / cpu_s:,.0f} logins/s; {1e6 * cpu_s / total:.1f} µs a login")
    table.add_row("memory of the receiving process", f"{memory:.0f} MB")
    table.add_row("read, checked and counted by the judge's process", f"{total / followed_s:,.0f} logins/s of one core")
    Console().print(table)


def _write(path: Path, scenario: Scenario, logins: int) -> None:
    """A journal as a worker writes it, of logins of six steps, flushed as at 1,000 logins a second."""
    steps = scenario.step_order
    timings = tuple(
        StepTiming(step, 1_000_000 * n, 1_000_000 * (n + 1), OK, server="127.0.0.1:20001")
        for n, step in enumerate(steps)
    )
    attempt = Attempt(0, "baseline", 0, 0, "clin00000", "cold", 0, 0, 10_000_000, OK, timings)
    writer = JournalWriter(path, ATTEMPTS)
    for first in range(0, logins, LOGINS_A_BATCH):
        seqs = range(first, min(first + LOGINS_A_BATCH, logins))
        writer.write(attempts_batch([replace(attempt, seq=seq, user=f"clin{seq:05}") for seq in seqs]))
    writer.close()


def main() -> int:
    """Print one table or the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["rates", "master"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rates", type=float, nargs="+", default=[100, 200, 300])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--logins", type=int, default=2500, help="of each connection")
    asked = parser.parse_args()
    if asked.what == "rates":
        rates(asked.workers, asked.rates, asked.seconds)
    else:
        master(asked.logins)
    return 0


if __name__ == "__main__":
    sys.exit(main())
