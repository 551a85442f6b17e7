"""Where the load generator itself treated the arms differently, and the verdict may rest on that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.gate.findings import decide
from harness.model.comparison import Comparison, QuantileShift
from harness.model.health import ArmHealth
from harness.model.policy import Margins
from harness.model.target import ARMS, Arm
from harness.model.verdict import Finding
from harness.stats.generator import NO_GAP, Gap, decides_alone, gaps
from harness.stats.validity import Unsound


def treated_differently(
    comparison: Comparison, findings: Sequence[Finding], health: Mapping[Arm, ArmHealth], margins: Margins
) -> Iterator[Unsound]:
    """What the generator's own difference between the arms could have decided.

    A metric that passes only since the baseline was disturbed is one, and so are the metrics that block if none blocks
    without the candidate's disturbance. Whatever else blocks (a rate, an outage, what is forbidden on the wire) does;
    and a candidate that passes in spite of its own disturbance passes.
    """
    if any(arm not in health or health[arm].foreign for arm in ARMS):
        return
    found = gaps(health["baseline"], health["candidate"])
    latencies = [shift for shift in comparison.shifts if shift.metric.unit == "log_ratio"]
    steps = max(len({shift.metric.step for shift in latencies}) - 1, 1)
    moved = [
        (shift, gap)
        for shift in latencies
        if not decides_alone(shift, gap := found.get(shift.metric.statistic, NO_GAP), steps, margins)
    ]
    passed = [item for item in moved if decide(item[0]) in ("pass", "notice")]
    blocked = [item for item in moved if decide(item[0]) == "block"]
    if passed:
        yield Unsound(_in_words(*max(passed, key=lambda item: abs(item[1].ms))), spares_block=True)
    if blocked and len(blocked) == sum(finding.decision == "block" for finding in findings):
        yield Unsound(_in_words(*max(blocked, key=lambda item: abs(item[1].ms))))


def _in_words(shift: QuantileShift, gap: Gap) -> str:
    arm, other = ("candidate", "baseline") if gap.ms > 0 else ("baseline", "candidate")
    return (
        f"the load generator, by {gap.resource}, may have added {abs(gap.ms):.3g} ms more to a login on the {arm} than "
        f"on the {other} ({shift.metric.statistic}): without that {shift.metric.label} would not be decided"
    )
