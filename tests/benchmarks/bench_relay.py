"""What the relay costs on its own: the same exchanges with and without it, in turns, on one machine.

``python tests/benchmarks/bench_relay.py [--rounds N]`` prints a table; every exchange is one login step's traffic: a
datagram and its answer, a new TCP connection with one message, a message on a connection that is open.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from harness.model.fault import ROUTES, Delay, Fault, Route, Service
from harness.system.process import Family, module_command

HOST = "127.0.0.1"
MESSAGE = (4).to_bytes(4, "big") + b"\x6c\x02\x02\x00"
"""Framed as Kerberos by TCP is; by UDP it is opaque."""
CASES: dict[str, tuple[Service, tuple[Fault, ...]]] = {
    "passed as it comes": ("kdc", ()),
    "cut into messages": ("kdc", (Delay(at="kdc_as", s=1),)),  # a fault that these messages don't meet
}


def serve() -> int:
    """A server that answers at once, by TCP and UDP on one port."""
    stream = socket.create_server((HOST, 0), backlog=256)
    port: int = stream.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((HOST, port))

    def repeat() -> None:
        while True:
            datagrams.sendto(*datagrams.recvfrom(65536))

    def answer(connection: socket.socket) -> None:
        with connection:
            while piece := connection.recv(65536):
                connection.sendall(piece)

    def accept() -> None:
        while True:
            connection, _ = stream.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    for run in (repeat, accept):
        threading.Thread(target=run, daemon=True).start()
    return port


def by_datagram(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, port))
        client.send(MESSAGE)
        client.recv(100)


def by_connection(port: int) -> None:
    with socket.create_connection((HOST, port)) as client:
        client.sendall(MESSAGE)
        client.recv(100)


def on_connection(port: int) -> Callable[[], None]:
    client = socket.create_connection((HOST, port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange() -> None:
        client.sendall(MESSAGE)
        client.recv(100)

    return exchange


def took_ms(exchange: Callable[[], None]) -> float:
    began = time.perf_counter()
    exchange()
    return (time.perf_counter() - began) * 1e3


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    port, family = serve(), Family()
    command, env = module_command("harness.lab.relay")
    routes = tuple(Route(service=service, host=HOST, port=port, faults=faults) for service, faults in CASES.values())
    with tempfile.TemporaryDirectory() as folder:
        argv = [*command, ROUTES.dump_json(routes).decode()]
        relay = family.spawn(argv, env, Path(folder) / "log", subprocess.PIPE)
        assert relay.stdout is not None
        ports = {"direct": port} | dict(zip(CASES, json.loads(relay.stdout.readline()), strict=True))
        process = psutil.Process(relay.pid)
        sys.stdout.write(
            "| exchange | way | p50 ms | p99 ms | added p50 ms | relay's CPU ms each |\n|---|---|---|---|---|---|\n"
        )
        for name, make in (
            ("datagram and answer", lambda at: lambda: by_datagram(at)),
            ("new connection, one message", lambda at: lambda: by_connection(at)),
            ("message on an open connection", on_connection),
        ):
            exchanges = {way: make(at) for way, at in ports.items()}
            times: dict[str, list[float]] = {way: [] for way in ports}
            cpu_s = dict.fromkeys(ports, 0.0)
            for _ in range(rounds // 50):
                for way, exchange in exchanges.items():  # in turns, so that what disturbs disturbs all of them
                    before = sum(process.cpu_times()[:2])
                    times[way] += [took_ms(exchange) for _ in range(50)]
                    cpu_s[way] += sum(process.cpu_times()[:2]) - before
            direct = float(np.median(times["direct"]))
            for way, found in times.items():
                p50, p99 = np.quantile(found, [0.5, 0.99])
                added = "" if way == "direct" else f"{p50 - direct:.3f}"
                spent = "" if way == "direct" else f"{cpu_s[way] / len(found) * 1e3:.3f}"
                sys.stdout.write(f"| {name} | {way} | {p50:.3f} | {p99:.3f} | {added} | {spent} |\n")
    family.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
