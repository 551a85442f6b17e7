"""``--web``: the gate's page beside a run, served by Locust's web server in a process of its own."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from harness.config import shipped
from harness.errors import RunError
from harness.model.endpoint import Endpoint, parse_endpoint
from harness.system.cache import scratch
from harness.system.process import Family

LOOPBACK, PORT = "127.0.0.1", 8089
STARTS_WITHIN_S = 30.0


class HostAndPort(click.ParamType[Endpoint]):
    """HOST:PORT, PORT or HOST; loopback and Locust's own port unless said."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Endpoint:
        if isinstance(value, Endpoint):
            return value
        try:
            return Endpoint.model_validate(parse_endpoint(f"{LOOPBACK}:{value}" if value.isdecimal() else value, PORT))
        except ValueError:
            self.fail(f"expected HOST:PORT with a port from 1 to 65535, got {value}", param, ctx)


web_option = click.option(
    "--web",
    type=HostAndPort(),
    is_flag=False,
    flag_value=Endpoint(host=LOOPBACK, port=PORT),
    metavar="[HOST:PORT]",
    help=f"Show the run on a page while it goes on, and its report. [default: {LOOPBACK}:{PORT}; beyond loopback a "
    "password is needed, in AUTHGATE_WEB_PASSWORD or in a file (mode 0600) that AUTHGATE_WEB_PASSWORD_FILE names]",
)


@contextmanager
def gate_page(address: Endpoint | None, results: Path) -> Iterator[None]:
    """Serve the page as long as the run goes on; at a terminal also afterwards, until Ctrl-C.

    Raises RunError, and LabError where the cache can't be written.
    """
    if address is None:
        yield
        return
    with scratch() as folder:
        log, family = Path(folder) / "web.log", Family()
        where = ["--web-host", address.host, "--web-port", str(address.port), "--results", str(results)]
        command = [sys.executable, "-m", "locust", "-f", str(shipped.GATE_LOCUSTFILE), *where]
        try:
            server = family.spawn(command, dict(os.environ), log)
            _wait_until_it_serves(server, log, address)
            click.echo(f"page: http://{address}/gate", err=True)
            yield
            if sys.stdin.isatty():
                click.echo(f"The report is at http://{address}/gate too; Ctrl-C ends the page.", err=True)
                with suppress(KeyboardInterrupt):
                    server.wait()
        finally:
            family.close()


def _wait_until_it_serves(server: Any, log: Path, address: Endpoint) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        if server.poll() is not None or "Address already in use" in said:
            told = [line.partition(": ")[2] for line in said.splitlines() if "/ERROR/" in line]
            taken = "expected a port that is free" if "Address already in use" in said else ""
            raise RunError(f"--web {address}: {taken or (told or ['the page could not be served'])[-1]}")
        if _listens(address):
            return
        time.sleep(0.05)
    raise RunError(f"--web {address}: expected the page within {STARTS_WITHIN_S:.0f} s")


def _listens(address: Endpoint) -> bool:
    host = LOOPBACK if address.host in ("0.0.0.0", "*") else address.host
    try:
        with socket.create_connection((host, address.port), timeout=1.0):
            return True
    except OSError:
        return False
