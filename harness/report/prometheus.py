"""What a run looks like now, in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).

Counters count from the run's beginning, and all names begin with ``authgate_``. Quantiles are of the run's last
ten seconds, and nothing that a verdict rests on: that is in verdict.json.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.model.progress import Preparing, Snapshot
from harness.model.verdict import Kind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_GENERATOR = {
    "cpu": ("authgate_generator_cpu_ratio", 1.0, "Share of one core that the load generator took in its last second."),
    "send_lag_p99_ms": ("authgate_generator_send_lag_p99_seconds", 1e-3, "How late logins were sent."),
    "hub_stall_p99_ms": ("authgate_generator_hub_stall_p99_seconds", 1e-3, "How long its event loop stood still."),
    "busy_seats": ("authgate_generator_busy_seats", 1.0, "Logins under way."),
    "rss_mb": ("authgate_generator_resident_bytes", 1e6, "Resident memory."),
}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, what it is, and its samples with their labels."""

    name: str
    kind: Literal["gauge", "counter"]
    says: str
    samples: Sequence[tuple[Mapping[str, str], float]] = ()


def exposition(run: Preparing | None, now: Snapshot | None) -> str:
    """The text; what is not known yet is left out."""
    families = [*_of_run(run), *(() if now is None else _of_snapshot(now))]
    return "".join(line for found in families if found.samples for line in _lines(found))


def _of_run(run: Preparing | None) -> Iterator[Family]:
    labels = {} if run is None else {"scenario": run.scenario.name, "policy": run.policy.name}
    yield Family("authgate_run_info", "gauge", "The run that goes on.", [(labels, 1.0)] if run is not None else [])


def _of_snapshot(now: Snapshot) -> Iterator[Family]:
    """In the order in which a reader looks for them."""
    done = [({"arm": arm}, float(ended)) for arm, (_, ended) in now.failed.items()]
    yield Family("authgate_logins_total", "counter", "Logins that have ended.", done)
    failed = [({"arm": arm}, float(count)) for arm, (count, _) in now.failed.items()]
    yield Family("authgate_logins_failed_total", "counter", "Of them those that failed.", failed)
    by_code = [
        ({"arm": arm, "step": step, "code": code}, float(count)) for (arm, step, code), count in now.failures.items()
    ]
    yield Family("authgate_failures_total", "counter", "Failed logins, by the step and the answer.", by_code)
    for place, quantile in enumerate(("p50", "p95")):
        latencies = [({"arm": arm}, both[place]) for arm, both in now.latencies.items() if both is not None]
        says = f"Response time of an arm's logins of late, {quantile}."
        yield Family(f"authgate_login_{quantile}_seconds", "gauge", says, latencies)
    yield Family("authgate_offered_logins_per_second", "gauge", "Logins due in the last seconds.", [({}, now.offered)])
    yield Family("authgate_served_logins_per_second", "gauge", "Logins that ended in them.", [({}, now.achieved)])
    yield Family("authgate_pairs_judged", "gauge", "Pairs of blocks that the judge has seen.",
                 [({}, float(now.pairs_judged))])  # fmt: skip
    yield Family("authgate_left_seconds", "gauge", "Until the plan's end.", [({}, now.left_s)])
    if now.look is not None:
        kinds = [({"verdict": kind.name}, float(now.look.verdict.kind is kind)) for kind in Kind]
        yield Family("authgate_verdict", "gauge", "1 for the verdict so far; the final one is in verdict.json.", kinds)
        bounds = [
            ({"metric": shift.metric.key, "bound": name}, value)
            for shift in now.look.comparison.shifts
            for name, value in (("estimate", shift.estimate), ("low", shift.low), ("high", shift.high),
                                ("margin", shift.margin))
        ]  # fmt: skip
        yield Family("authgate_shift", "gauge", "ln(candidate / baseline), or a difference of shares, so far.", bounds)
    for name, (called, unit, says) in _GENERATOR.items():
        seconds = [
            ({"arm": arm}, float(row[name]) * unit) for arm, row in now.generators.items() if row.get(name) is not None
        ]
        yield Family(called, "gauge", says, seconds)


def _lines(found: Family) -> Iterable[str]:
    yield f"# HELP {found.name} {found.says}\n"
    yield f"# TYPE {found.name} {found.kind}\n"
    for labels, value in found.samples:
        told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        yield f"{found.name}{{{told}}} {_number(value)}\n" if told else f"{found.name} {_number(value)}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
