"""Whether the measurement was sound, as a table: what each arm's load generator did, and what the policy allows."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.policy import Limits
from harness.report import instrument, words
from harness.report.language import ENGLISH, Language
from harness.stats.validity import CLOCK_ERROR_AT_MOST_MS


def lines(evidence: Evidence, say: Language = ENGLISH) -> list[tuple[str, list[str]]]:
    """For each line its label, what each arm has, and what the policy allows."""
    health, policy = evidence.health, evidence.policy
    of_logins = [(label, [*cells, ""]) for label, cells in instrument.lines(evidence, say)]
    return of_logins + [
        (
            say(label),
            [
                *(say.figures(say(told(health[arm]))) if arm in health else words.ABSENT for arm in evidence.arms),
                say.sentence(allowed(policy.limits)) if policy else words.ABSENT,
            ],
        )
        for label, told, allowed in _LINES
    ]


def _at_most_ms(limit: float) -> str:
    return f"≤ {words.milliseconds(limit)}"


_LINES: tuple[tuple[str, Callable[[ArmHealth], str], Callable[[Limits], str]], ...] = (
    ("load workers", lambda health: words.ABSENT if health.foreign else f"{health.workers:,}", lambda _: ""),
    ("logins planned", lambda health: f"{health.planned:,}", lambda _: ""),
    (
        "logins started",
        lambda health: f"{health.started:,}",
        lambda limits: f"≥ {words.share(limits.executed_share)}; arms alike within {words.share(limits.imbalance)}",
    ),
    ("denied", lambda health: f"{health.denied:,}", lambda limits: f"≤ {words.share(limits.denied_share)}"),
    (
        "failed otherwise",
        lambda health: f"{health.failed:,}",
        lambda limits: f"baseline ≤ {words.share(limits.baseline_failures)}",
    ),
    (
        "send lag, p99",
        lambda health: words.milliseconds(health.send_lag_p99_ms),
        lambda limits: _at_most_ms(limits.send_lag_p99_ms),
    ),
    (
        "wait for a thread, p99",
        lambda health: words.milliseconds(health.pool_wait_p99_ms),
        lambda limits: _at_most_ms(limits.pool_wait_p99_ms),
    ),
    (
        "stall of the event loop, p99",
        lambda health: words.milliseconds(health.hub_stall_p99_ms),
        lambda limits: _at_most_ms(limits.hub_stall_p99_ms),
    ),
    (
        "slowest write to disk in a second, p95",
        lambda health: words.ABSENT if health.foreign else words.milliseconds(health.journal_ms),
        lambda limits: _at_most_ms(limits.hub_stall_p99_ms),
    ),
    (
        "generator's use of a core",
        lambda health: words.share(health.generator_cpu),
        lambda limits: f"≤ {words.share(limits.generator_cpu)}",
    ),
    (
        "logins that waited for a seat",
        lambda health: f"{health.seat_waits:,}",
        lambda limits: f"≤ {words.share(1 - limits.executed_share)}",
    ),
    (
        "error of a worker's clock (duet)",
        lambda health: words.milliseconds(health.clock_error_ms),
        lambda _: _at_most_ms(CLOCK_ERROR_AT_MOST_MS),
    ),
    ("worker lost", lambda health: "yes" if health.worker_lost else "no", lambda _: "no"),
)
"""A label, what an arm has, and what the policy allows."""
