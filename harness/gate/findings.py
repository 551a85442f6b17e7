"""One finding for everything that is judged, the most severe first; the verdict follows from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.gate.words import of_cohort, seconds
from harness.model.comparison import Comparison, LeakTest, QuantileShift
from harness.model.metric import LARGEST_LOG
from harness.model.policy import Leak, Policy
from harness.model.protocol import Difference
from harness.model.subject import LeakSlope, LoginBudget, Outage, Subject
from harness.model.verdict import Decision, Finding
from harness.stats.shift import boundings, pairs_to_settle

PRACTICAL_HORIZONS = 20
"""A shift that would take more than so many times the planned pairs can't be told from its margin in practice."""

SEVERITY: tuple[Decision, ...] = ("block", "likely slower", "inconclusive", "notice", "pass", "not judged")


def findings_of(
    comparison: Comparison, at_end: bool, policy: Policy, differences: Sequence[Difference] = ()
) -> tuple[Finding, ...]:
    """Every finding of a comparison, the most severe first; ``at_end`` says that no more pairs will come.

    Of the differences between single logins those that the policy forbids are findings.
    """
    found = [(shift.estimate / shift.margin, of_shift(shift)) for shift in comparison.shifts]
    found += [(0.0, finding) for finding in _others(comparison, at_end, policy)]
    decisive = at_end or comparison.pairs >= policy.looks.block_from
    found += [(0.0, _wire(item, decisive)) for item in differences if item.change in policy.protocol.block]
    found.sort(key=lambda item: (SEVERITY.index(item[1].decision), -item[0], item[1].label))
    return tuple(finding for _, finding in found)


def of_shift(shift: QuantileShift) -> Finding:
    """The finding on one metric, its log ratios turned into relative changes."""
    relative = shift.metric.unit == "log_ratio"

    def change(value: float) -> float | None:
        if not math.isfinite(value):
            return None
        return math.expm1(min(value, LARGEST_LOG)) if relative else value

    return Finding(
        subject=shift.metric,
        decision=decide(shift),
        baseline=shift.baseline,
        candidate=shift.candidate,
        estimate=change(shift.estimate),
        low=change(shift.low),
        high=change(shift.high),
        margin=change(shift.margin),
        detectable=change(shift.detectable),
    )


def decide(shift: QuantileShift) -> Decision:
    """The decision on one metric: its lower bound above the margin blocks, its upper bound below the margin passes."""
    if shift.low > shift.margin:
        return "block"
    if shift.high < shift.margin:
        return "notice" if shift.low > 0 else "pass"
    return "likely slower" if shift.low > 0 and shift.estimate > shift.margin else "inconclusive"


def pairs_that_decide(comparison: Comparison, policy: Policy) -> dict[Subject, float | None]:
    """For each metric that is neither within its margin nor beyond it, how many more pairs of the run would decide it.

    Infinite where no practical number would; None where a single difference says nothing about the noise.
    """
    bounds = boundings(comparison.shifts, comparison.design, policy, comparison.site)
    found: dict[Subject, float | None] = {}
    for shift, bounding in zip(comparison.shifts, bounds, strict=True):
        if decide(shift) in ("inconclusive", "likely slower"):
            needed = pairs_to_settle(shift, bounding)
            if shift.pairs < 2:
                found[shift.metric] = None
            elif needed > PRACTICAL_HORIZONS * max(bounding.horizon, 1):
                found[shift.metric] = math.inf
            else:
                pairs_each = shift.grouped / comparison.design.share(shift.metric.stage)
                found[shift.metric] = math.ceil(max(math.ceil(needed) - shift.pairs, 1) * pairs_each)
    return found


def _others(comparison: Comparison, at_end: bool, policy: Policy) -> Iterator[Finding]:
    if comparison.design.interleaved:
        yield _leak(comparison.leak, at_end, policy.leak, policy.quick)
    else:
        note = "the arms were measured one after the other: growth over a run can't be told from drift"
        yield Finding(LeakSlope(), "not judged", note=note)
    if policy.budgets.login_p95_s is not None:
        yield _budget(comparison.candidate_p95_s, comparison.candidate_p95_high_s, policy.budgets.login_p95_s)
    if comparison.outage_blocks:
        yield _outage(comparison, policy)
    for item in comparison.not_judged:
        yield Finding(item.metric, "not judged", note=item.reason)


def _leak(leak: LeakTest | None, at_end: bool, policy: Leak, quick: bool) -> Finding:
    if leak is None:
        note = "too few pairs, or too few logins in a block, to test for it"
        return Finding(LeakSlope(), "not judged" if quick else "inconclusive", note=note)
    where = f" in {of_cohort(leak.cohort)}" if leak.cohort else ""
    # Pairs that resemble their neighbours show less than they seem to: enough for a suspicion, not for a BLOCK.
    blocks = leak.p_alike < policy.block_p and at_end
    note = f"p = {leak.p_alike if blocks else leak.p_value:.2g} over {leak.minutes:.0f} min{where}"
    if blocks:
        decision: Decision = "block"
    elif leak.p_value <= policy.suspect_p:
        decision = "inconclusive"
    elif quick:  # finding nothing in so short a time is not a passed test
        decision, note = "not judged", f"a quick policy does not wait until a leak could show; {note}"
    else:
        decision = "pass"
    return Finding(LeakSlope(), decision, estimate=math.expm1(min(leak.slope, LARGEST_LOG)), note=note)


def _budget(low_s: float, high_s: float, budget_s: float) -> Finding:
    if low_s <= 0 and math.isinf(high_s):
        note = "too few logins in a block, or too few pairs"
        return Finding(LoginBudget(), "not judged", margin=budget_s, note=note)
    if low_s > budget_s:
        decision: Decision = "block"
    else:
        decision = "pass" if high_s < budget_s else "inconclusive"
    note = f"the candidate's p95 is at least {seconds(low_s)}, {seconds(budget_s)} is allowed"
    high = high_s if math.isfinite(high_s) else None
    return Finding(LoginBudget(), decision, low=low_s, high=high, margin=budget_s, note=note)


def _outage(comparison: Comparison, policy: Policy) -> Finding:
    pairs, share = comparison.outage_blocks, policy.budgets.outage_share
    stage = comparison.design.stage
    # Of pairs at the expected load: those above the peak between them say nothing about an outage.
    in_a_row = any(
        all(stage(between) != "expected" for between in range(before + 1, after)) for before, after in pairwise(pairs)
    )
    # Not before the first look: with it come the bounds that say what else the update did.
    lasting = in_a_row and comparison.pairs >= policy.looks.block_from
    named = ", ".join(map(str, pairs))
    return Finding(
        Outage(),
        "block" if lasting else "inconclusive" if in_a_row else "notice",
        margin=share,
        note=f"the candidate's logins failed while the baseline's succeeded in pair {named}",
    )


def _wire(difference: Difference, decisive: bool) -> Finding:
    # Not before the first look, as an outage: with it come the bounds that say what else the update did.
    return Finding(
        difference,
        "block" if decisive else "inconclusive",
        note=f"{difference.baseline} → {difference.candidate} in single logins ({difference.change})",
    )
