"""Is the measurement itself sound? This looks at the load generator, never at the server's queue.

A server near saturation is a finding. A generator near saturation, or one that lost its worker, measures itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.health import ArmHealth
from harness.model.policy import Limits
from harness.model.target import ARMS, Arm

DENIED_P = 0.001
CLOCK_ERROR_AT_MOST_MS = 5.0
"""A duet's arms are to meet the same moments."""
SILENT_AT_MOST_S = 5.0
"""A generator that reports nothing about itself for longer, where it should each second, stood still."""
_P99_MS = "ms at the 99th percentile"


@dataclass(frozen=True, slots=True)
class Unsound:
    """One way in which a measurement was not sound, in words with what was found and what is allowed.

    ``spares_block``: it can only have made the candidate look better, so a BLOCK stands in spite of it.
    """

    reason: str
    spares_block: bool = False


def unsound(health: Mapping[Arm, ArmHealth], limits: Limits, arms: Sequence[Arm] = ARMS) -> tuple[Unsound, ...]:
    """Everything that keeps a measurement from being sound; an arm of which nothing is known is not sound."""
    found: list[Unsound] = []
    for arm in arms:
        if arm in health:
            found += _of_arm(arm, health[arm], limits)
        else:
            found.append(Unsound(f"{arm}: there is no record of how its load was generated"))
    if all(arm in health for arm in ARMS):
        found += _between(health["baseline"], health["candidate"], limits)
    return tuple(found)


def generator_faults(arm: Arm, health: ArmHealth, limits: Limits) -> Iterator[Unsound]:
    """Where the generator itself was late, overloaded or lost, whatever the servers did."""
    if health.worker_lost:
        one = "its load worker" if health.workers == 1 else f"one of its {health.workers} load workers"
        yield Unsound(f"{arm}: {one} was lost")
    worst = "" if health.workers == 1 else f" (the worst of {health.workers} workers)"
    cpu = None if health.generator_cpu is None else 100 * health.generator_cpu
    unknown = []
    for what, value, limit, unit, called in (
        (
            "logins were sent late by",
            health.send_lag_p99_ms,
            limits.send_lag_p99_ms,
            _P99_MS,
            "how late logins were sent",
        ),
        ("steps waited for a thread", health.pool_wait_p99_ms, limits.pool_wait_p99_ms, _P99_MS, "waits for a thread"),
        (
            "the event loop stalled for",
            health.hub_stall_p99_ms,
            limits.hub_stall_p99_ms,
            _P99_MS,
            "the loop's stalls",
        ),
        (
            "writing to disk held it up for",
            health.journal_ms,
            limits.hub_stall_p99_ms,
            "ms at a time",
            "its writing to disk",
        ),
        ("the load worker used", cpu, 100 * limits.generator_cpu, "% of a processor core", "its use of the processor"),
        ("the load generator was silent for", health.silent_s, SILENT_AT_MOST_S, "s", "its state second by second"),
        ("a worker's clock may be wrong by", health.clock_error_ms, CLOCK_ERROR_AT_MOST_MS, "ms", "its clocks"),
    ):
        if value is None:
            unknown.append(called)
        elif not value <= limit:  # NaN too: a limit that can't be checked is not kept
            yield Unsound(f"{arm}: {what} {value:.3g} {unit}, {limit:.3g} allowed{worst}")
    if unknown and not health.foreign:
        yield Unsound(f"{arm}: how its load was generated is not known: nothing is recorded of {', '.join(unknown)}")


def _of_arm(arm: Arm, health: ArmHealth, limits: Limits) -> Iterator[Unsound]:
    yield from generator_faults(arm, health, limits)
    if health.started < limits.executed_share * health.planned or not health.planned:
        yield Unsound(
            f"{arm}: {health.started:,} of {health.planned:,} planned logins were sent, "
            f"{100 * limits.executed_share:.3g} % are needed",
            spares_block=arm == "candidate" and _short_of_seats(health),
        )
    if health.seat_waits > (1 - limits.executed_share) * health.planned:
        yield Unsound(
            f"{arm}: {health.seat_waits:,} of {health.planned:,} logins waited while all seats were taken, "
            f"{100 * (1 - limits.executed_share):.3g} % may",
            spares_block=arm == "candidate",
        )


def _between(baseline: ArmHealth, candidate: ArmHealth, limits: Limits) -> Iterator[Unsound]:
    if baseline.failed > limits.baseline_failures * baseline.started:
        yield Unsound(
            f"baseline: {baseline.failed:,} of {baseline.started:,} logins failed, "
            f"{100 * limits.baseline_failures:.3g} % are allowed on the baseline"
        )
    if candidate.foreign:  # another tool's arrivals have no plan; stats.offered judges them by pair
        return
    most = max(baseline.started, candidate.started)
    if abs(baseline.started - candidate.started) > limits.imbalance * most:
        yield Unsound(
            f"the arms were loaded unequally: {baseline.started:,} logins on the baseline and {candidate.started:,} on "
            f"the candidate, which may differ by {100 * limits.imbalance:.3g} %",
            # Slow logins hold their seats, so that fewer are sent to slower servers, which flatters them.
            spares_block=candidate.started < baseline.started and _short_of_seats(candidate),
        )


def _short_of_seats(health: ArmHealth) -> bool:
    """Whether every login that was not sent had been waiting for a seat, which slow logins of the same arm held."""
    return 0 < health.planned - health.started <= health.seat_waits


def candidate_alone_denied(health: Mapping[Arm, ArmHealth], margin: float) -> bool:
    """Whether the candidate denies more logins than the baseline, beyond chance and beyond the ``margin`` of shares.

    Fisher's exact test at p < 0.001: a run stops at few denials, too few for any normal approximation.
    """
    if any(arm not in health for arm in ARMS):
        return False
    denied = [health[arm].denied for arm in ARMS]
    tried = [max(health[arm].tried, health[arm].started, health[arm].denied) for arm in ARMS]
    if not all(tried):
        return False
    from scipy.stats import fisher_exact  # it takes longer to import than most commands take to run

    table = np.array([[denied[1], tried[1] - denied[1]], [denied[0], tried[0] - denied[0]]])
    p_value = float(fisher_exact(table, alternative="greater").pvalue)
    return p_value < DENIED_P and denied[1] / tried[1] - denied[0] / tried[0] > margin
