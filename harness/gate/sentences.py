"""What a verdict says: a sentence for whoever signs off the deployment, reasons with figures for whoever finds the
cause."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import assert_never

from harness.gate.findings import pairs_that_decide
from harness.gate.words import change, in_bursts, level, longer_than, of_cohort, seconds, share, step_title
from harness.model.cohort import EVERYONE
from harness.model.comparison import Comparison, StepShare
from harness.model.metric import QUANTILES, Metric, Statistic
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.steps import EARLIER_TRIES, LOGIN
from harness.model.subject import DriftSince, LeakSlope, LoginBudget, Outage, SoakGrowth, Subject
from harness.model.verdict import Finding, Kind

NOTABLE_SHARE = 0.02
"""Of a mean login: a step that doesn't block by itself is not blamed for less, since some step always adds most by
chance."""
STATISTIC_PHRASES: dict[Statistic, str] = {
    "p50": "at the median (half of all logins)",
    "p95": "at the 95th percentile (1 login in 20)",
    "p99": "at the 99th percentile (1 login in 100)",
}
COHORT_PHRASES = {"cold": "first logins", "warm": "repeat logins"}
"""Names for readers who know nothing about ticket caches; other cohorts keep their own names."""


def sentence_of(kind: Kind, findings: Sequence[Finding], reasons: Sequence[str], blame: str, policy: Policy) -> str:
    """The verdict in one sentence; ``blame`` says in which step the time is lost, if that is known."""
    match kind:
        case Kind.BLOCK:
            return f"Do not deploy: with this update {'; '.join(filter(None, (_harm(findings, policy), blame)))}."
        case Kind.PASS:
            return f"This update may be deployed: {_closest(findings)}."
        case Kind.INVALID:
            return (
                f"No verdict: the measurement itself was not sound ({reasons[0]}), so it says nothing about the update."
            )
        case Kind.INCONCLUSIVE:
            slower = [f for f in findings if f.decision == "likely slower"]
            seen = f" ({_harm(slower, policy)}, though this is not yet certain)" if slower else ""
            return f"Do not deploy yet: this run could not show whether logins stay within their margins{seen}."


def grounds(findings: Sequence[Finding]) -> tuple[str, ...]:
    """What blocked, with figures."""
    return tuple(_ground(finding) for finding in findings if finding.decision == "block")


def doubts(comparison: Comparison, findings: Sequence[Finding], policy: Policy) -> tuple[str, ...]:
    """What kept the run from a PASS, with figures and the pairs that would decide it at the present noise."""
    more = dict(_decided_by(comparison, policy))
    for shift in comparison.shifts:
        if shift.metric in more and (held := in_bursts(shift)):
            more[shift.metric] = f"{held}; {more[shift.metric]}"
    return tuple(
        f"{finding.label}: {'; '.join(filter(None, (figures(finding), more.get(finding.subject, finding.note))))}"
        for finding in findings
        if finding.decision in ("inconclusive", "likely slower")
    )


def blamed_step(findings: Sequence[Finding], attribution: Sequence[StepShare]) -> str | None:
    """The step that a BLOCK is blamed on: the one that added most time, of those that block where any does.

    Never the tries that were given up: what was slow in them is slow in the last try too.
    """
    slower = [f for f in findings if f.decision == "block" and not isinstance(f.subject, Difference)]
    if not slower:
        return None
    attribution = [part for part in attribution if part.step != EARLIER_TRIES]
    blocking = {(f.cohort, f.step) for f in slower if f.step != LOGIN}
    named = [part for part in attribution if (part.cohort, part.step) in blocking]
    worst = max(named or attribution, key=lambda part: part.added_s, default=None)
    if worst is None:
        return None
    usual_s = sum(part.baseline_s for part in attribution if part.cohort == worst.cohort)
    return worst.step if named or worst.added_s > NOTABLE_SHARE * usual_s else None


def blame_in_words(blamed: str, attribution: Sequence[StepShare]) -> str:
    """How much of the added time is in the blamed step."""
    worst = max((part for part in attribution if part.step == blamed), key=lambda part: part.added_s)
    added = sum(part.added_s for part in attribution if part.cohort == worst.cohort and part.added_s > 0)
    part = worst.added_s / added if added > 0 else 0.0
    how_much = "nearly all" if part >= 0.9 else "most" if part >= 0.5 else "the largest part"
    lost = sum(p.added_s for p in attribution if p.cohort == worst.cohort and p.step == EARLIER_TRIES)
    if lost > worst.added_s:
        return f"most time is lost in tries that were given up, and then in the step {step_title(blamed)}"
    return f"{how_much} of the added time is in the step {step_title(blamed)}"


def _harm(findings: Sequence[Finding], policy: Policy) -> str:
    """What the worst findings (blocking, or likely slower) mean to the people who log in."""
    worst = [f for f in findings if f.decision == findings[0].decision]
    worst = [f for f in worst if not isinstance(f.subject, Difference)] or worst  # what people would notice comes first
    expected = [f for f in worst if f.stage == "expected"]
    worst = expected or worst  # what happens every day says more than what happens above the peak
    rates = {f.statistic: f for f in worst if isinstance(f.subject, Metric) and f.subject.family == "rate"}
    times = [f for f in worst if _is_login_time(f)]
    if rates and not times:
        # Rates are certain sooner than times are; the measured times say more clearly what they mean.
        times = [
            f
            for f in findings
            if _is_login_time(f) and f.stage == worst[0].stage and (f.estimate or 0.0) > (f.margin or 0.0)
        ]
    # A login that failed took no time: where so many fail that they are the slow ones, that is what is said.
    if failed := [f for f in times if f.subject in of_failures(findings)]:
        times = [f for f in times if f not in failed]
        rates = {f.statistic: f for f in findings if _is_failure_rate(f) and f.stage == worst[0].stage}
    parts = []
    if failing := rates.get("failure_rate"):
        parts.append(f"{share(failing.candidate)} of logins would fail instead of {share(failing.baseline)}")
    if times:
        # The 95th percentile is what budgets are about; where it isn't among them, the largest loss is named.
        usual = [f for f in times if f.statistic == "p95"] or times
        parts.append(_slower(max(usual, key=lambda f: (f.candidate or 0.0) - (f.baseline or 0.0)), findings))
    elif slow := rates.get("slow_rate"):
        means = f"over {seconds(policy.slow_after_s)} and over {policy.slow_times_usual:g} times a usual login"
        parts.append(f"{share(slow.candidate)} of logins would be slow ({means}) instead of {share(slow.baseline)}")
    harm = ", and ".join(parts) or _plainly(worst[0], findings)
    return harm if expected else f"{harm}, at loads above the expected peak"


def of_failures(findings: Sequence[Finding]) -> frozenset[Subject]:
    """The metrics of login times that are failed logins' on the candidate, since as many as lie beyond them failed.

    A failed login counts as one that took the time-out, which is right for bounds and is nobody's time.
    """
    failed = {f.stage: f.candidate or 0.0 for f in findings if _is_failure_rate(f)}
    return frozenset(
        f.subject
        for f in findings
        if _is_login_time(f) and f.statistic in QUANTILES and failed.get(f.stage, 0.0) >= 1 - QUANTILES[f.statistic]
    )


def _is_failure_rate(finding: Finding) -> bool:
    return isinstance(finding.subject, Metric) and finding.statistic == "failure_rate"


def _is_login_time(finding: Finding) -> bool:
    subject = finding.subject
    return isinstance(subject, Metric) and subject.family in ("login", "headroom") and finding.candidate is not None


def _at(finding: Finding) -> str:
    """Where in all logins a login's time stands."""
    assert finding.statistic is not None
    return STATISTIC_PHRASES[finding.statistic]


def _slower(finding: Finding, findings: Sequence[Finding]) -> str:
    several = len({f.cohort for f in findings if f.step == LOGIN} - {EVERYONE}) > 1
    who = COHORT_PHRASES.get(finding.cohort, of_cohort(finding.cohort)) if several else "logins"
    candidate, baseline = seconds(finding.candidate), seconds(finding.baseline)
    about = longer_than(finding.estimate or 0.0, finding.baseline)
    return f"{who} would take {candidate} instead of {baseline} {_at(finding)}, about {about}"


def _plainly(finding: Finding, findings: Sequence[Finding]) -> str:
    """A finding that is neither a login's time nor a rate."""
    match finding.subject:
        case Difference():
            return f"logins change on the wire: {finding.label}: {finding.note}"
        case LeakSlope():
            return f"logins grow slower the longer the servers run, by {change(finding.estimate, finding.unit)}"
        case LoginBudget():
            return f"1 login in 20 would take more than the {change(finding.margin, finding.unit)} that are allowed"
        case Outage():
            failed = max((f.candidate or 0.0 for f in findings if f.statistic == "failure_rate"), default=0.0)
            lasting = failed > (finding.margin or 0.0)
            who = f"{share(failed)} of logins failed or were given up" if lasting else "logins failed for a time"
            return f"{who}, as in an outage, while the current servers served them"
        case Metric():
            candidate, baseline = seconds(finding.candidate), seconds(finding.baseline)
            return f"the step {step_title(finding.step)} of a login would take {candidate} instead of {baseline}"
        case SoakGrowth() | DriftSince():
            raise ValueError("expected a finding on two arms, got one of a soak or of several runs")
        case _:
            assert_never(finding.subject)


def _closest(findings: Sequence[Finding]) -> str:
    """How much slower logins may be at most after a PASS: the login time with the upper bound closest to its margin."""
    times = [f for f in findings if _is_login_time(f) and f.stage == "expected" and f.high is not None]
    closest = max(times, key=lambda f: (f.high or 0.0) / (f.margin or math.inf))
    high = max(closest.high or 0.0, 0.0)
    most = f"at most {longer_than(high, closest.baseline)}" if high > 0 else "no longer"
    allowed = longer_than(closest.margin or 0.0, closest.baseline)
    said = f"logins were shown to take {most} {_at(closest)}, where {allowed} is allowed"
    return "".join((said, *_the_rest([finding for finding in findings if finding is not closest])))


def _the_rest(others: Sequence[Finding]) -> Iterator[str]:
    """What a PASS says of the other metrics: how many of them were judged, and what was not."""
    judged = sum(finding.decision != "not judged" for finding in others)
    if judged:
        yield f", and {judged} other metric{'s are within their limits' if judged > 1 else ' is within its limit'} too"
    unjudged = [finding.subject for finding in others if finding.decision == "not judged"]
    if others_unjudged := len(unjudged) - unjudged.count(LeakSlope()):
        yield f"; {others_unjudged} could not be judged"
    if LeakSlope() in unjudged:
        yield "; whether logins grow slower as the servers run was not tested"


def _ground(finding: Finding) -> str:
    return f"{finding.label}: {'; '.join(filter(None, (figures(finding), finding.note)))}"


def figures(finding: Finding) -> str:
    """Levels, estimate, bounds and margin of a metric, as far as there are any."""
    unit, parts = finding.unit, []

    def said(value: float | None) -> str:
        return change(value, unit, finding.baseline)

    if finding.baseline is not None:
        parts.append(f"{level(finding.baseline, unit)} → {level(finding.candidate, unit)}")
    if finding.estimate is not None:
        parts.append(f"change {said(finding.estimate)}")
    if finding.low is not None or finding.high is not None:
        low, high = (said(b) if b is not None else "open" for b in (finding.low, finding.high))
        parts.append(f"bounds {low} to {high}")
    if finding.margin is not None:
        parts.append(f"margin {said(finding.margin)}")
    return ", ".join(parts)


def _decided_by(comparison: Comparison, policy: Policy) -> Iterator[tuple[Subject, str]]:
    """For each metric that is open, what would decide it."""
    for subject, more in pairs_that_decide(comparison, policy).items():
        if more is None:
            yield subject, "a single difference says nothing about the noise"
        elif not comparison.design.interleaved:
            yield subject, "arms measured one after the other can't decide it, however many pairs they have"
        elif math.isinf(more):
            yield subject, "it is too close to its margin for any practical number of pairs to decide it"
        else:
            yield subject, f"about {more} more pair{'s' if more > 1 else ''} would decide it"
