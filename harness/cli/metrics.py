"""``--metrics-port``: a run's numbers for Prometheus, while it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click

from harness.cli.web import HostAndPort
from harness.errors import RunError
from harness.model.endpoint import Endpoint
from harness.model.progress import Display, Preparing, Snapshot
from harness.report.prometheus import CONTENT_TYPE, exposition

PATH = "/metrics"

metrics_option = click.option(
    "--metrics-port", "metrics", type=HostAndPort(), metavar="[ADDRESS:]PORT",
    help="Serve the run's numbers to Prometheus at /metrics there, while it goes on. Loopback unless said.",
)  # fmt: skip


class _Now:
    """The last that was shown of a run; text is made when it is asked for."""

    def __init__(self) -> None:
        self.run: Preparing | None = None
        self.now: Snapshot | None = None

    def keep(self, shown: Snapshot | Preparing) -> None:
        if isinstance(shown, Preparing):
            self.run = shown
        else:
            self.now = shown


@contextmanager
def also_metrics(display: Display, address: Endpoint | None) -> Iterator[Display]:
    """A display that serves what it shows; raises RunError where it can't listen there."""
    if address is None:
        yield display
        return
    held = _Now()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != PATH:
                self.send_error(404)
                return
            body = exposition(held.run, held.now).encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer((address.host, address.port), Handler)
    except OSError as error:
        raise RunError(f"--metrics-port: expected to listen at {address}, got: {error.strerror}") from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()

    def both(shown: Snapshot | Preparing) -> None:
        held.keep(shown)
        display(shown)

    try:
        yield both
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
