"""Logins as OpenTelemetry's metrics: durations as histograms, added up by the SDK and dated by the run's own clock.

The SDK dates a point when it is collected. Here it is dated by the last login in it, so that a run that is exported
a week later, or after a collector was down, lies where it was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from harness.errors import ConfigError
from harness.model.plan import NS
from harness.telemetry.traces import SCOPE, error_type
from harness.version import __version__

BOUNDS_S = (
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2,
    0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
)  # fmt: skip
"""Upper edges of a histogram's cells: at most half as much again as the one before, from 2 ms on."""
_TEMPORALITY = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"


class Metrics:
    """Adds logins up; ``collected`` is what they come to."""

    def __init__(self, resource: Any, origin: int, environment: Mapping[str, str]) -> None:
        self._delta = _chosen(environment, _TEMPORALITY, ("cumulative", "delta", "lowmemory")) != "cumulative"
        shapes = ("explicit_bucket_histogram", "base2_exponential_bucket_histogram")
        exponential = _chosen(environment, _AGGREGATION, shapes) == shapes[1]
        kind = AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE
        self._reader = InMemoryMetricReader(
            preferred_temporality={Counter: kind, Histogram: kind},
            preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()} if exponential else {},
        )
        provider = MeterProvider([self._reader], resource, shutdown_on_exit=False)
        meter = provider.get_meter(SCOPE, __version__)
        self._login = meter.create_histogram(
            "authgate.login.duration", "s", "Response time of a login, from when it was due to when it was done.",
            explicit_bucket_boundaries_advisory=BOUNDS_S,
        )  # fmt: skip
        self._step = meter.create_histogram(
            "authgate.step.duration", "s", "Service time of a step: how long its servers took.",
            explicit_bucket_boundaries_advisory=BOUNDS_S,
        )  # fmt: skip
        self._lag = meter.create_histogram(
            "authgate.login.send_lag", "s", "How late the load generator sent a login.",
            explicit_bucket_boundaries_advisory=BOUNDS_S,
        )  # fmt: skip
        self._failures = meter.create_counter(
            "authgate.login.failures", "{login}", "Logins that did not succeed, by the step and the answer."
        )
        self._since = self._origin = origin
        self._until = origin

    def add(self, login: Mapping[str, Any], response_s: float) -> None:
        """A row of ATTEMPTS, as a dictionary; ``response_s`` in seconds."""
        self._until = max(self._until, self._origin + login["ended"])
        whose = {"authgate.arm": login["arm"], "authgate.cohort": login["cohort"]}
        self._login.record(response_s, {**whose, **_result(login)})
        self._lag.record((login["started"] - login["intended"]) / NS, whose)
        for step in login["steps"]:
            took_s = (step["ended"] - step["started"] - step["own"]) / NS
            self._step.record(took_s, {**whose, "authgate.step": step["step"], **_result(step)})
        if login["status"] != "ok":
            failed = next((step["step"] for step in reversed(login["steps"]) if step["status"] != "ok"), "")
            at = {"authgate.step": failed} if failed else {}
            self._failures.add(1, {**whose, **at, "error.type": error_type(login)})

    def collected(self) -> Any:
        """All points since the run began, or since the last call, by the preference; None where there are none."""
        found = self._reader.get_metrics_data()
        if found is None:
            return None
        dated = replace(found, resource_metrics=[self._of_resource(part) for part in found.resource_metrics])
        if self._delta:
            self._since = self._until
        return dated

    def _of_resource(self, part: Any) -> Any:
        scopes = [
            replace(scope, metrics=[self._dated(metric) for metric in scope.metrics]) for scope in part.scope_metrics
        ]
        return replace(part, scope_metrics=scopes)

    def _dated(self, metric: Any) -> Any:
        points = [
            replace(point, start_time_unix_nano=self._since, time_unix_nano=self._until)
            for point in metric.data.data_points
        ]
        return replace(metric, data=replace(metric.data, data_points=points))


def _result(timed: Mapping[str, Any]) -> dict[str, str]:
    return {"authgate.result": timed["status"]}


def _chosen(environment: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """What a variable says, the first of these by default; raises ConfigError for anything else."""
    said = environment.get(name, "").strip().lower() or known[0]
    if said not in known:
        raise ConfigError(f"{name}: expected {', '.join(known)}, got {said[:60]}")
    return said
