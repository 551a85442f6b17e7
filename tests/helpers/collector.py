"""An OpenTelemetry collector: takes OTLP over HTTP on loopback, and decodes it by OpenTelemetry's own protobuf."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness.system.process import free_ports

REQUESTS = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}


class Collector:
    """What came, request by request; ``answers`` is the HTTP status it gives, None for one that never answers."""

    def __init__(self, answers: int | None = 200) -> None:
        self.answers = answers
        self.raw: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.came: dict[str, list[Any]] = {path: [] for path in REQUESTS}
        self.closing = threading.Event()
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        """What ``--otlp`` is given."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Decode one request and keep it."""
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        request = REQUESTS[path]()
        request.ParseFromString(plain)
        self.raw.append(plain)
        self.headers.append(headers)
        self.came[path].append(request)

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The resource of each request."""
        parts = [part for request in self.came["/v1/metrics"] for part in request.resource_metrics]
        parts += [part for request in self.came["/v1/traces"] for part in request.resource_spans]
        return [told(part.resource.attributes) for part in parts]

    def points(self, name: str) -> list[list[Any]]:
        """A metric's points, a list for each request that had it."""
        return [
            list(metric.histogram.data_points or metric.exponential_histogram.data_points or metric.sum.data_points)
            for request in self.came["/v1/metrics"]
            for part in request.resource_metrics
            for scope in part.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]

    def counts(self, name: str, *keys: str) -> Counter[tuple[str, ...]]:
        """How many values the last points of a cumulative metric hold, by some of its attributes."""
        return counted(self.points(name)[-1], *keys)

    @property
    def spans(self) -> list[Any]:
        """Every span."""
        return [
            span
            for request in self.came["/v1/traces"]
            for part in request.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]


def counted(points: list[Any], *keys: str) -> Counter[tuple[str, ...]]:
    """How many values these points hold, by some of their attributes."""
    found: Counter[tuple[str, ...]] = Counter()
    for point in points:
        attributes = told(point.attributes)
        found[tuple(attributes.get(key, "") for key in keys)] += (
            point.count if hasattr(point, "count") else point.as_int
        )
    return found


def told(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in attributes}


@contextmanager
def collector(answers: int | None = 200) -> Iterator[Collector]:
    """A collector that listens as long as the context lasts."""
    its = Collector(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if its.answers is None:
                its.closing.wait()
                return
            if its.answers == 200:
                its.take(self.path, body, dict(self.headers))
            self.send_response(its.answers)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", its.port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield its
    finally:
        its.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
