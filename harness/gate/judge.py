"""From a comparison to a verdict.

1. A measurement that is not sound is INVALID, and so is one at a site whose own A/A runs show that the gate errs there.
   A BLOCK stands in spite of them only where each fault can only have made the candidate look better.
2. BLOCK where any finding blocks: a metric's lower bound above its margin, a leak at the end of the run, a broken
   budget, an outage, a difference between single logins that the policy forbids.
3. PASS where every finding lies within its margin and nothing else is open: enough pairs, a candidate old enough for a
   leak to show, interleaved arms, a run that nobody interrupted.
4. Everything else is INCONCLUSIVE, and that does not deploy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.gate.findings import findings_of
from harness.gate.generator import treated_differently
from harness.gate.notices import notices_of, periodic_notices, site_notices, wire_notices
from harness.gate.sentences import (
    blame_in_words,
    blamed_step,
    doubts,
    grounds,
    sentence_of,
)
from harness.gate.words import share
from harness.model.comparison import Comparison
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.target import ARMS, Arm
from harness.model.verdict import Finding, Kind, Verdict
from harness.stats.validity import Unsound, candidate_alone_denied, unsound

PASSING = ("pass", "notice", "not judged")


def judge(
    comparison: Comparison,
    health: Mapping[Arm, ArmHealth],
    state: RunState,
    policy: Policy,
    differences: Sequence[Difference] = (),
    faults: Sequence[Unsound] = (),
) -> Verdict:
    """The verdict on the pairs seen so far; the same inputs always give the same verdict.

    ``differences`` are those between single logins on the arms; ``faults`` what is known to be unsound besides what
    ``health`` tells.
    """
    at_end = state.complete or comparison.seen >= comparison.design.horizon_pairs
    findings = findings_of(comparison, at_end, policy, differences)
    if state.stopped_for_denials and not state.faults:
        return _denials(comparison, health, policy, findings)
    faults = (
        *faults,
        *map(Unsound, state.faults),
        *unsound(health, policy.limits),
        *treated_differently(comparison, findings, health, policy.margins),
    )
    if comparison.site.refusal:
        faults = (Unsound(comparison.site.refusal), *faults)
    still_open = _open(comparison, state, policy)
    kind = kind_of(findings, faults, still_open)
    reasons: tuple[str, ...]
    match kind:
        case Kind.BLOCK:
            reasons = grounds(findings)
        case Kind.INVALID:
            ended = (f"the run ended early: {state.interrupted}",) if state.interrupted else ()
            reasons = (*ended, *(fault.reason for fault in faults))
        case Kind.INCONCLUSIVE:
            reasons = (*still_open, *doubts(comparison, findings, policy))
        case Kind.PASS:
            reasons = (
                f"the upper bound of every metric that was judged lies below its margin after {comparison.pairs} pairs",
            )
    blamed = blamed_step(findings, comparison.attribution) if kind is Kind.BLOCK else None
    blame = blame_in_words(blamed, comparison.attribution) if blamed else ""
    lost = any(arm.worker_lost for arm in health.values())
    return Verdict(
        kind=kind,
        sentence=sentence_of(kind, findings, reasons, blame, policy),
        reasons=reasons,
        notices=(
            *notices_of(kind, findings, faults, policy),
            *wire_notices(differences, policy),
            *_unknown(health),
            *periodic_notices(comparison),
            *site_notices(comparison),
        ),
        findings=findings,
        blamed_step=blamed,
        pairs_used=comparison.pairs,
        load_s=comparison.load_s,
        final=kind in (Kind.BLOCK, Kind.PASS) or at_end or lost,
    )


def _unknown(health: Mapping[Arm, ArmHealth]) -> tuple[str, ...]:
    if not any(arm.foreign for arm in health.values()):
        return ()
    return ("How well the load was generated is not known: another tool measured.",)


def kind_of(findings: Sequence[Finding], faults: Sequence[Unsound], still_open: Sequence[str]) -> Kind:
    """The kind of verdict that findings come to (rules 1 to 4); ``still_open`` is what keeps it from a PASS."""
    blocked = any(finding.decision == "block" for finding in findings)
    if blocked and all(fault.spares_block for fault in faults):
        return Kind.BLOCK
    if faults:
        return Kind.INVALID
    passed = all(finding.decision in PASSING for finding in findings)
    return Kind.PASS if passed and not still_open else Kind.INCONCLUSIVE


def _open(comparison: Comparison, state: RunState, policy: Policy) -> tuple[str, ...]:
    """What keeps a run from a PASS apart from its metrics, in words."""
    reasons = []
    if state.interrupted:
        reasons.append(f"the run ended early: {state.interrupted}")
    if not comparison.design.interleaved:
        reasons.append("the arms were measured one after the other, so that drift can't be told from the update")
        if not comparison.site.levels:
            reasons.append(
                "no calibration says how much this site's levels vary from run to run, so that no change may block: "
                "measure both arms in one run (authgate gate), or calibrate over as long a time"
            )
    if comparison.pairs < policy.looks.pass_from:
        reasons.append(f"a PASS needs {policy.looks.pass_from} pairs, this run has {comparison.pairs}")
    if not policy.quick and comparison.candidate_age_s < policy.looks.pass_after_s:
        reasons.append(
            f"a PASS needs {policy.looks.pass_after_s:.0f} s of the candidate's life, so that a leak can show; "
            f"this run has {comparison.candidate_age_s:.0f} s"
        )
    above = any(shift.metric.stage == "headroom" for shift in comparison.shifts)
    if comparison.design.headroom_every is not None and policy.margins.headroom.any and not above:
        reasons.append("nothing above the expected peak could be judged yet")
    if not any(shift.metric.family == "login" for shift in comparison.shifts):
        reasons.append("no login latency could be judged")
    return tuple(reasons)


def _denials(
    comparison: Comparison, health: Mapping[Arm, ArmHealth], policy: Policy, findings: tuple[Finding, ...]
) -> Verdict:
    """The verdict on a run that stopped since logins were denied, before any account could be locked."""
    counts = [f"{health[arm].denied:,} on the {arm}" for arm in ARMS if arm in health]
    counted = f"logins denied: {', '.join(counts) or 'not recorded'}"
    if candidate_alone_denied(health, policy.margins.failure_rate):
        kind = Kind.BLOCK
        sentence = "Do not deploy: the updated servers deny logins that the current ones accept."
        reasons = (
            counted,
            f"more than chance explains (p < 0.001), and more than {share(policy.margins.failure_rate)} of logins",
        )
    else:
        kind = Kind.INVALID
        sentence = (
            "No verdict: logins were denied, and the run stopped so that no account is locked; "
            "this says nothing about the update."
        )
        untried = [arm for arm in ARMS if arm in health and not max(health[arm].tried, health[arm].started)]
        why = (
            f"the {untried[0]} had not been measured yet: measure again to tell one arm from the other"
            if len(untried) == 1
            else "the candidate is not shown to deny more than the baseline: check accounts and passwords"
        )
        reasons = (counted, why)
    return Verdict(
        kind=kind,
        sentence=sentence,
        reasons=reasons,
        notices=(),
        findings=findings,
        blamed_step=None,
        pairs_used=comparison.pairs,
        load_s=comparison.load_s,
        final=True,
    )
