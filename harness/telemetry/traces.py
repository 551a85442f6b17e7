"""Logins as traces: a span for the login, and one for each of its steps, at the times that were recorded.

Identifiers are digests of run, arm and login: the trace of a row of attempts.parquet can be told from the row, and a
run that is exported twice has its traces once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from harness.errors import one_line
from harness.model.endpoint import parse_endpoint
from harness.model.plan import NS
from harness.version import __version__

SCOPE = "authgate"
_BITS = 64
"""Of an identifier, by which a share of all is chosen: those of SHA-256 are as good as drawn."""


def trace_id(run_id: str, arm: str, seq: int) -> int:
    """The 128 bits that name a login's trace."""
    return int.from_bytes(_digest(run_id, arm, seq)[:16], "big")


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()


class _Ids:
    """Hands the SDK the identifiers that were decided on; one login at a time."""

    def __init__(self) -> None:
        self.trace = 1
        self._login: tuple[object, ...] = ()
        self._count = 0

    def begin(self, run_id: str, arm: str, seq: int) -> int:
        """Whose spans are made next; the trace's identifier."""
        self._login, self._count = (run_id, arm, seq), 0
        self.trace = trace_id(run_id, arm, seq)
        return self.trace

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        self._count += 1
        return int.from_bytes(_digest(*self._login, self._count)[:8], "big") | 1

    def is_trace_id_random(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which logins are traced: a share of all by their identifier, and all that were slow or did not succeed."""

    share: float
    slow_after_s: float

    def why(self, identifier: int, response_s: float, status: str) -> dict[str, bool] | None:
        """What the trace says of its choice; None for a login that is not traced."""
        sampled = (identifier & ((1 << _BITS) - 1)) < round(self.share * (1 << _BITS))
        slow = response_s > self.slow_after_s or status != "ok"
        return {"authgate.sampled": sampled, "authgate.slow": slow} if sampled or slow else None


class Traces:
    """Makes the spans of logins; ``taken`` hands out those that have been made since it was last asked."""

    def __init__(self, resource: Any, run_id: str, origin: int, chosen: Chosen, accounts: bool) -> None:
        self._ids = _Ids()
        self._made = InMemorySpanExporter()
        ids = cast(Any, self._ids)
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=ids)
        provider.add_span_processor(SimpleSpanProcessor(self._made))
        self._tracer = provider.get_tracer(SCOPE, __version__)
        self._run_id, self._origin, self._chosen, self._accounts = run_id, origin, chosen, accounts

    def add(self, login: Mapping[str, Any], response_s: float) -> None:
        """A row of ATTEMPTS, as a dictionary; ``response_s`` in seconds."""
        identifier = trace_id(self._run_id, login["arm"], login["seq"])
        why = self._chosen.why(identifier, response_s, login["status"])
        if why is None:
            return
        self._ids.begin(self._run_id, login["arm"], login["seq"])
        named = {"user.name": one_line(login["user"])} if self._accounts else {}
        root = self._tracer.start_span(
            "login",
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            start_time=self._origin + login["intended"],
            attributes={
                **_common(login),
                **why,
                **named,
                "authgate.cohort": login["cohort"],
                "authgate.block": login["block"],
                "authgate.pair": login["pair"],
                "authgate.seq": login["seq"],
                "authgate.tries": login["tries"],
                "authgate.login.send_lag": (login["started"] - login["intended"]) / NS,
                "authgate.login.response_time": response_s,
            },
        )
        root.add_event("sent", timestamp=self._origin + login["started"])
        inside = trace.set_span_in_context(root)
        for step in login["steps"]:
            span = self._tracer.start_span(
                step["step"],
                context=inside,
                kind=trace.SpanKind.CLIENT,
                start_time=self._origin + step["started"],
                attributes={**_common({**step, "arm": login["arm"]}), "authgate.step": step["step"], **_server(step)},
            )
            _end(span, step, self._origin)
        _end(root, login, self._origin)

    def taken(self) -> list[Any]:
        """The spans made since the last call."""
        made = list(self._made.get_finished_spans())
        self._made.clear()
        return made


def _common(timed: Mapping[str, Any]) -> dict[str, Any]:
    found = {"authgate.arm": timed["arm"], "authgate.result": timed["status"], "authgate.own": timed["own"] / NS}
    return found if timed["status"] == "ok" else {**found, "error.type": error_type(timed)}


def error_type(timed: Mapping[str, Any]) -> str:
    """The protocol's own code of a login or step that did not succeed, or how it ended where it has none."""
    return one_line(timed["code"] or timed["status"])


def _server(step: Mapping[str, Any]) -> dict[str, Any]:
    with suppress(ValueError):
        found = parse_endpoint(step["server"] or "", 0)
        if found["host"] and found["port"]:
            return {"server.address": found["host"], "server.port": found["port"]}
    return {}


def _end(span: Any, timed: Mapping[str, Any], origin: int) -> None:
    if timed["status"] != "ok":
        span.set_status(trace.Status(trace.StatusCode.ERROR, error_type(timed)))
    span.end(end_time=origin + timed["ended"])
