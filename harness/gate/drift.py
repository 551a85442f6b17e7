"""Many small slowdowns that were allowed one by one: the verdict with their sum since a pinned release.

The sum can turn a verdict into a BLOCK and never into a PASS. Where it can't be told, because a run of two releases is
missing, a PASS becomes INCONCLUSIVE: a policy that asks for the sum is not met by not knowing it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.gate.findings import SEVERITY
from harness.gate.words import change, longer
from harness.model.metric import LARGEST_LOG
from harness.model.policy import Drift, Margin
from harness.model.steps import LOGIN
from harness.model.subject import DriftSince
from harness.model.verdict import Decision, Finding, Kind, Verdict
from harness.stats.drift import Link, Sum, sums
from harness.stats.shift import log_margin


def with_drift(verdict: Verdict, drift: Drift, row: Sequence[Link], alpha: float) -> Verdict:
    """The verdict with a finding for each login quantile that the policy names; ``alpha`` is the policy's error."""
    margins = {"p50": drift.login.p50, "p95": drift.login.p95, "p99": drift.login.p99}
    judged = [
        metric
        for metric in row[-1].shifts
        if metric.step == LOGIN and metric.stage == "expected" and margins.get(metric.statistic) is not None
    ]
    found = [(one, margins[one.metric.statistic]) for one in sums(row, judged, alpha)]
    findings = [_finding(one, allowed, drift.pinned) for one, allowed in found if allowed is not None]
    blocking = [finding for finding in findings if finding.decision == "block"]
    everything = sorted((*verdict.findings, *findings), key=lambda one: SEVERITY.index(one.decision))
    told = replace(verdict, findings=tuple(everything))
    if not blocking or verdict.kind is Kind.INVALID:
        return told
    worst = max(blocking, key=lambda one: one.estimate or 0.0)
    between = f"{len(row)} update{'s' if len(row) > 1 else ''}"
    reasons = tuple(
        f"{one.label}: {change(one.estimate, one.unit)} over {between} ({change(one.low, one.unit)} at least), "
        f"{change(one.margin, one.unit)} is allowed"
        for one in blocking
    )
    if verdict.kind is Kind.BLOCK:
        return replace(told, reasons=(*verdict.reasons, *reasons))
    return replace(
        told,
        kind=Kind.BLOCK,
        sentence=(
            f"Do not deploy: with this update logins take {longer(worst.estimate or 0.0)} than with {drift.pinned}, "
            f"over {between} of which each may have been allowed."
        ),
        reasons=reasons,
        final=True,
    )


def without_drift(verdict: Verdict, drift: Drift, why: str) -> Verdict:
    """The verdict where the sum since the pinned release can't be told."""
    reason = f"the changes since {drift.pinned} can't be added up (policy.drift): {why}"
    if verdict.kind is not Kind.PASS:
        return replace(verdict, notices=(*verdict.notices, reason[0].upper() + reason[1:]))
    return replace(
        verdict,
        kind=Kind.INCONCLUSIVE,
        sentence=f"Do not deploy yet: the update by itself is within its margins, but {reason}.",
        reasons=(reason,),
    )


def _finding(one: Sum, allowed: Margin, pinned: str) -> Finding:
    """The finding on a sum."""
    margin = log_margin(allowed, one.first_s)
    decision: Decision = "block" if one.low > margin else "pass" if one.high < margin else "not judged"
    if decision == "pass" and one.low > 0:
        decision = "notice"
    note = "the runs can't tell whether it is within its margin" if decision == "not judged" else ""
    return Finding(
        DriftSince(pinned, one.metric), decision, one.first_s, one.last_s, _relative(one.estimate),
        _relative(one.low), _relative(one.high), _relative(margin), note=note,
    )  # fmt: skip


def _relative(value: float) -> float | None:
    return math.expm1(min(value, LARGEST_LOG)) if math.isfinite(value) else None
