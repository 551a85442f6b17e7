"""From a soak to a verdict: does one arm get slower, or fail more, the longer it runs?

1. A measurement that is not sound is INVALID, as in ``judge``.
2. BLOCK where a growth is shown (p below ``leak.block_p``) and its estimate is above the margin. One judgement, at the
   end: with four statistics at 0.001 a soak without growth is blocked in 0.4 % at most.
3. PASS where each growth's upper bound lies below its margin, in a soak of full length in which logins worked.
4. Everything else is INCONCLUSIVE.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from harness.gate.findings import SEVERITY
from harness.gate.judge import kind_of
from harness.gate.words import change, lasting, level, longer, share, step_title
from harness.model.health import ArmHealth, RunState
from harness.model.metric import LARGEST_LOG, QUANTILES, Statistic
from harness.model.policy import Policy
from harness.model.soak import Growth, Soak
from harness.model.subject import SoakGrowth
from harness.model.target import Arm
from harness.model.verdict import Decision, Finding, Kind, Verdict
from harness.stats.validity import Unsound, unsound

HOUR_MIN = 60
PRACTICAL_MIN = 7 * 24 * HOUR_MIN
QUANTILE_PHRASES: dict[Statistic, str] = {"p50": "half of all logins take", "p95": "1 login in 20 takes"}
RATE_PHRASES: dict[Statistic, str] = {"failure_rate": "failed logins", "slow_rate": "slow logins"}


def judge_soak(soak: Soak, health: Mapping[Arm, ArmHealth], state: RunState, policy: Policy) -> Verdict:
    """The verdict on a soak that has ended; the same inputs always give the same verdict."""
    findings = soak_findings(soak, policy)
    faults = (*map(Unsound, state.faults), *unsound(health, policy.limits, (soak.arm,)))
    still_open = tuple(_open(soak, state, policy))
    kind = Kind.INVALID if state.stopped_for_denials else kind_of(findings, faults, still_open)
    match kind:
        case Kind.BLOCK:
            reasons = tuple(f"{f.label}: {_figures(f, soak)}" for f in findings if f.decision == "block")
        case Kind.INVALID:
            ended = (f"the run ended early: {state.interrupted}",) if state.interrupted else ()
            reasons = (*ended, *(fault.reason for fault in faults))
        case Kind.INCONCLUSIVE:
            reasons = (*still_open, *_doubts(findings, soak))
        case Kind.PASS:
            reasons = (f"every growth's upper bound lies below its margin after {lasting(soak.minutes)}",)
    worst = max(soak.steps, key=lambda step: step.added_s, default=None)
    blamed = worst.step if kind is Kind.BLOCK and worst is not None and worst.added_s > 0 else None
    return Verdict(
        kind=kind,
        sentence=_sentence(kind, soak, findings, reasons, blamed),
        reasons=reasons,
        notices=tuple(_notices(kind, soak, findings, faults)),
        findings=findings,
        blamed_step=blamed,
        pairs_used=len(soak.blocks.minute),
        load_s=soak.minutes * 60,
        final=True,
    )


def soak_findings(soak: Soak, policy: Policy) -> tuple[Finding, ...]:
    """A finding for each statistic, the most severe first."""
    found = [_finding(growth, soak, policy) for growth in soak.growths]
    found += [_growth_finding(statistic, soak, "not judged", reason) for statistic, reason in soak.not_judged]
    return tuple(sorted(found, key=lambda finding: SEVERITY.index(finding.decision)))


def decide(growth: Growth, suspect_p: float) -> Decision:
    """The decision on one growth (rules 2 and 3)."""
    if growth.high < growth.margin:
        return "notice" if growth.low > 0 else "pass"
    if growth.slope > growth.margin:
        return "block" if growth.low > 0 else "likely slower" if growth.p_value <= suspect_p else "inconclusive"
    return "inconclusive"


def _finding(growth: Growth, soak: Soak, policy: Policy) -> Finding:
    decision = decide(growth, policy.leak.suspect_p)
    shown = decision in ("block", "likely slower")
    note = "; ".join(filter(None, (f"p = {growth.p_value:.2g}", projection(growth) if shown else "")))
    return _growth_finding(growth.statistic, soak, decision, note, growth)


def _growth_finding(
    statistic: Statistic, soak: Soak, decision: Decision, note: str, growth: Growth | None = None
) -> Finding:
    relative = statistic in QUANTILES

    def figure(value: float | None) -> float | None:
        if value is None:
            return None
        return math.expm1(min(value, LARGEST_LOG)) if relative else value * HOUR_MIN

    start = growth.start if growth else None
    return Finding(
        SoakGrowth(soak.cohort, statistic),
        decision,
        baseline=start if soak.arm == "baseline" else None,
        candidate=start if soak.arm == "candidate" else None,
        estimate=figure(growth.slope if growth else None),
        low=figure(growth.low if growth else None),
        high=figure(growth.high if growth else None),
        margin=figure(growth.margin if growth else None),
        detectable=figure(growth.detectable if growth else None),
        note=note,
    )


def projection(growth: Growth) -> str:
    """What a growth amounts to if it continues, in words; empty where it is not above its margin."""
    if growth.slope <= growth.margin:
        return ""
    if growth.unit == "log_ratio":
        return f"twice as slow in {lasting(math.log(2) / growth.slope)}, if it continues"
    day = min(growth.start + growth.slope * 24 * HOUR_MIN, 1.0)
    return f"{share(day)} after a day, if it continues"


def _open(soak: Soak, state: RunState, policy: Policy) -> Iterator[str]:
    """What keeps a soak from a PASS apart from its growths, in words."""
    if not state.complete:
        yield f"the soak ended early: {state.interrupted or 'before its time'}"
    if soak.growth("p50") is None:
        yield f"login p50 growth: {dict(soak.not_judged)['p50']}"
    if soak.failed_share > policy.limits.baseline_failures:
        yield (
            f"{share(soak.failed_share)} of logins failed, {share(policy.limits.baseline_failures)} may: "
            "with so many failures nothing can be said about growth"
        )


def _doubts(findings: tuple[Finding, ...], soak: Soak) -> Iterator[str]:
    for finding in findings:
        growth = _growth_of(finding, soak)
        if growth is not None and finding.decision in ("inconclusive", "likely slower"):
            yield f"{finding.label}: {_figures(finding, soak)}; {_decided_in(growth, soak)}"


def _decided_in(growth: Growth, soak: Soak) -> str:
    """How long a soak would decide it: a slope's standard error falls with the length to the power of 3/2."""
    beyond = growth.slope > growth.margin
    gap = growth.slope if beyond else growth.margin - growth.slope
    width = growth.slope - growth.low if beyond else growth.high - growth.slope
    needed = soak.minutes * (width / gap) ** (2 / 3) if gap > 0 else math.inf
    if needed > PRACTICAL_MIN:
        return "it is too close to its margin for any practical soak to decide it"
    return f"a soak of about {lasting(max(needed, soak.minutes))} would decide it"


def _growth_of(finding: Finding, soak: Soak) -> Growth | None:
    return soak.growth(finding.statistic) if finding.statistic is not None else None


def _figures(finding: Finding, soak: Soak) -> str:
    growth = _growth_of(finding, soak)
    assert growth is not None
    unit = finding.unit
    bounds = f"bounds {change(finding.low, unit)} to {change(finding.high, unit)}"
    levels = f"{level(growth.start, unit)} → {level(growth.end, unit)} over {lasting(soak.minutes)}"
    return (
        f"{levels}, {change(finding.estimate, unit)}, {bounds}, margin {change(finding.margin, unit)}; {finding.note}"
    )


def _sentence(
    kind: Kind, soak: Soak, findings: tuple[Finding, ...], reasons: tuple[str, ...], blamed: str | None
) -> str:
    match kind:
        case Kind.BLOCK:
            begins = "Do not deploy: the updated servers" if soak.arm == "candidate" else "The current servers"
            where = f"; it grows most in the step {step_title(blamed)}" if blamed else ""
            return f"{begins} grow worse the longer they run: {_harm(soak, findings)}{where}."
        case Kind.PASS:
            median = next(finding for finding in findings if finding.statistic == "p50")
            most, allowed = (
                change(value, median.unit).lstrip("+") for value in (max(median.high or 0.0, 0.0), median.margin)
            )
            return (
                f"No leak was seen: over {lasting(soak.minutes)} the median login was shown to grow by at most {most}, "
                f"where {allowed} is allowed, and every other growth is within its limit too."
            )
        case Kind.INVALID:
            return (
                f"No verdict: the measurement itself was not sound ({reasons[0]}), so it says nothing about how the "
                "servers age."
            )
        case Kind.INCONCLUSIVE:
            return f"This soak of {lasting(soak.minutes)} could not tell whether logins grow slower as the servers age."


def _harm(soak: Soak, findings: tuple[Finding, ...]) -> str:
    blocking = {finding.statistic for finding in findings if finding.decision == "block"}
    growths = {growth.statistic: growth for growth in soak.growths if growth.statistic in blocking}
    parts = []
    if (name := next((name for name in QUANTILE_PHRASES if name in growths), None)) is not None:
        growth = growths[name]
        more = longer(math.expm1(min(growth.slope, LARGEST_LOG)))
        parts.append(
            f"{QUANTILE_PHRASES[name]} {more} each minute, twice as long in {lasting(math.log(2) / growth.slope)}"
        )
    for name in (name for name in RATE_PHRASES if name in growths):
        growth = growths[name]
        parts.append(f"{RATE_PHRASES[name]} went from {share(growth.start)} to {share(growth.end)}")
    return ", and ".join(parts)


def _notices(kind: Kind, soak: Soak, findings: tuple[Finding, ...], faults: tuple[Unsound, ...]) -> Iterator[str]:
    if soak.fade is not None:
        began = longer(math.expm1(min(soak.fade.added, LARGEST_LOG)))
        yield (
            f"A cold start, which is not counted as growth: at first logins took {began}, against the later trend, and "
            f"63 % of that was gone after {lasting(soak.fade.minutes)}."
        )
    if kind is Kind.BLOCK:
        other = "baseline" if soak.arm == "candidate" else "candidate"
        yield (
            "One arm was measured alone: a change of its surroundings over the hours of the soak looks like growth. "
            f"A soak of the other arm (--arm {other}) would show it."
        )
    yield from (
        f"{f.label}: grows, but within its margin: {_figures(f, soak)}" for f in findings if f.decision == "notice"
    )
    if kind is Kind.BLOCK:
        yield from (f"{fault.reason}; this can only have made the {soak.arm} look better" for fault in faults)
    if unjudged := [f.label for f in findings if f.decision == "not judged"]:
        yield f"Not judged (each finding says why): {', '.join(unjudged)}."
