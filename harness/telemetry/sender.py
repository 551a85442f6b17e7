"""Sends a run's metrics and traces to an OTLP collector, and remembers what could not be sent yet."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from harness.errors import masked, one_line
from harness.model.plan import NS
from harness.record.folder import RunFolder
from harness.telemetry.metrics import Metrics
from harness.telemetry.sent import Sent
from harness.telemetry.settings import Otlp, timeout_s, traced_share
from harness.telemetry.traces import Chosen, Traces
from harness.version import __version__

POINTS_KEPT = 360
"""Collections of metrics that wait for a collector that is down: an hour of them."""
SPANS_KEPT = 100_000
SPANS_AT_ONCE = 1000
NEVER_SENT = "withheld"
_CAUSE = re.compile(r"\[Errno -?\d+\] (?P<words>[A-Z][\w ]+)")


class Sender:
    """Of one run; raises ConfigError for an environment that says nothing usable. Times come from the run's folder."""

    def __init__(self, folder: RunFolder, origin_wall_s: float, otlp: Otlp, environment: Mapping[str, str]) -> None:
        resource, origin = _resource(folder), round(origin_wall_s * NS)
        chosen = Chosen(traced_share(environment), folder.policy().slow_after_s)
        self._metrics = Metrics(resource, origin, environment)
        self._traces = Traces(resource, folder.run_id, origin, chosen, otlp.accounts)
        patience = timeout_s(environment)
        self._to_metrics = OTLPMetricExporter(endpoint=otlp.endpoint("v1/metrics"), timeout=patience)
        self._to_traces = OTLPSpanExporter(endpoint=otlp.endpoint("v1/traces"), timeout=patience)
        self._points: deque[tuple[int, Any]] = deque(maxlen=POINTS_KEPT)
        self._spans: deque[Any] = deque(maxlen=SPANS_KEPT)
        self._said = _Said()
        self._news = False
        self.sent = Sent()

    def add(self, login: Mapping[str, Any]) -> None:
        """Count a row of ATTEMPTS, as a dictionary; a login that was never sent has no time and is left out."""
        if login["status"] == NEVER_SENT:
            return
        response_s = (login["ended"] - login["intended"] - login["own"]) / NS
        self._metrics.add(login, response_s)
        self._traces.add(login, response_s)
        self.sent.logins += 1
        self._news = True

    def push(self) -> bool:
        """Send what there is, oldest first, up to the first that fails; whether all of it was taken."""
        self.gather()
        self._said.first = ""
        done = self._push_points() and self._push_spans()
        self.sent.why = "" if done else self._said.first or self.sent.why
        return done

    def gather(self) -> None:
        """Make what is to be sent of the logins so far, and count it."""
        if self._news and (points := self._metrics.collected()) is not None:
            self._points.append((self.sent.logins, points))
        self._news = False
        made = self._traces.taken()
        self.sent.spans += len(made)
        self._spans.extend(made)

    def _push_points(self) -> bool:
        while self._points:
            logins, points = self._points[0]
            if self._to_metrics.export(points).name != "SUCCESS":
                return False
            self._points.popleft()
            self.sent.logins_sent = logins
        return True

    def _push_spans(self) -> bool:
        while self._spans:
            some = list(islice(self._spans, SPANS_AT_ONCE))
            if self._to_traces.export(some) is not SpanExportResult.SUCCESS:
                return False
            for _ in some:
                self._spans.popleft()
            self.sent.spans_sent += len(some)
        return True


def _resource(folder: RunFolder) -> Any:
    """What the telemetry is of; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are laid over it."""
    ours = {
        "service.name": "authgate",
        "service.version": __version__,
        "service.instance.id": folder.run_id,
        "deployment.environment.name": folder.targets().environment,
        "authgate.run.id": folder.run_id,
        "authgate.scenario": folder.scenario().name,
    }
    theirs = Resource.create()
    named = not str(theirs.attributes.get("service.name", "")).startswith("unknown_service")
    return Resource(ours).merge(theirs) if named else theirs.merge(Resource(ours))


class _Said(logging.Handler):
    """Keeps the first that the exporters say of a failure, which has its reason; nothing of it is printed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""
        self._logger = logging.getLogger("opentelemetry")
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        said = one_line(record.getMessage())
        cause = _CAUSE.search(said)  # at the end of three libraries' own words
        self.first = self.first or (cause["words"] if cause else masked(said)[:300])
