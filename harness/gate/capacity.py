"""From two capacities to a verdict.

1. BLOCK where the upper bound of the change lies below the margin: the candidate is shown to serve too much less.
2. A rung that the load generator spoiled can hide a capacity and never lower it, so it spares a BLOCK; but nothing
   passes that rests on a ladder which was not sound: without a BLOCK the verdict is INVALID.
3. PASS where the lower bound lies above the margin. Everything else is INCONCLUSIVE, and that does not deploy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.gate.words import change
from harness.model.capacity import CapacityVerdict, Comparison, Extrapolation, Ladder, Span
from harness.model.target import ARMS, Arm
from harness.model.verdict import Kind


def judge_capacity(
    ladders: Sequence[Ladder],
    comparison: Comparison,
    extrapolations: Mapping[Arm, Sequence[Extrapolation]],
    stated_peak: float | None,
) -> CapacityVerdict:
    """The verdict on the comparison of the ladders that are not the coarse sweep's."""
    shift = comparison.shift
    troubles = tuple(dict.fromkeys(ladder.trouble for ladder in ladders if ladder.trouble))
    spoiled = tuple(_spoiled(ladders))
    if shift.high < shift.margin:
        kind = Kind.BLOCK
    elif troubles or spoiled:
        kind = Kind.INVALID
    elif shift.low > shift.margin:
        kind = Kind.PASS
    else:
        kind = Kind.INCONCLUSIVE
    reasons: tuple[str, ...]
    match kind:
        case Kind.BLOCK | Kind.PASS:
            reasons = (_change_in_words(shift.estimate, shift.low, shift.high, shift.margin),)
        case Kind.INVALID:
            reasons = (*troubles, *spoiled)
        case Kind.INCONCLUSIVE:
            reasons = tuple(_doubts(ladders, comparison))
    notices = tuple(_notices(comparison, extrapolations, stated_peak, spoiled if kind is Kind.BLOCK else ()))
    return CapacityVerdict(kind, _sentence(kind, comparison), reasons, notices)


def rate(span: Span) -> str:
    """A rate in words: 81.9 logins/s, at least 150 logins/s, below 25 logins/s, or that it is not known."""
    if span.estimate is not None:
        return f"{span.estimate:.3g} logins/s"
    if math.isinf(span.high):
        return f"at least {span.low:.3g} logins/s" if span.low > 0 else "not known"
    if span.low > 0:
        return f"{span.low:.3g} to {span.high:.3g} logins/s"
    return f"below {span.high:.3g} logins/s"


def _sentence(kind: Kind, comparison: Comparison) -> str:
    before, after = (rate(comparison.arms[arm].over_all) for arm in ARMS)
    served = f"the candidate serves {after} within its budget, the baseline {before}"
    match kind:
        case Kind.PASS:
            return f"The update keeps the capacity: {served}."
        case Kind.BLOCK:
            return f"The update costs capacity: {served}."
        case Kind.INCONCLUSIVE:
            return f"Whether the update costs capacity is not shown: {served}."
        case Kind.INVALID:
            return "The measurement is not sound, so it says nothing about capacity."


def _change_in_words(estimate: float | None, low: float, high: float, margin: float) -> str:
    least, most = (change(math.expm1(end), "relative") for end in (low, high))
    ends = (
        f"{least} to {most}"
        if math.isfinite(low) and math.isfinite(high)
        else (f"at most {most}" if math.isfinite(high) else f"at least {least}")
    )
    about = "" if estimate is None else f" by {change(math.expm1(estimate), 'relative')}"
    return f"capacity changed{about} (bounds {ends}), {change(math.expm1(margin), 'relative')} is allowed"


def _spoiled(ladders: Sequence[Ladder]) -> list[str]:
    """Where the load generator may have been the limit, by arm: rungs that it spoiled, above the last one sustained."""
    found = []
    for arm in ARMS:
        rungs = []
        for ladder in ladders:
            of_arm = ladder.rungs.get(arm, ())
            sustained_to = max((rung.rate for rung in of_arm if rung.state == "sustained"), default=0.0)
            rungs += [rung for rung in of_arm if rung.state == "unknown" and rung.rate > sustained_to]
        if rungs:
            first = min(rungs, key=lambda rung: rung.rate)
            found.append(f"{arm}: on {len(rungs)} rungs the load generator may be the limit, first at "
                         f"{first.rate:.3g} logins/s: {first.why}")  # fmt: skip
    return found


def _doubts(ladders: Sequence[Ladder], comparison: Comparison) -> list[str]:
    highest = max((r.rate for ladder in ladders for of_arm in ladder.rungs.values() for r in of_arm), default=0.0)
    doubts = []
    for arm in ARMS:
        over_all = comparison.arms[arm].over_all
        if over_all.estimate is None and math.isinf(over_all.high):
            doubts.append(
                f"{arm}: its capacity was not reached on every ladder up to {highest:.3g} logins/s; raise --to"
            )
        elif over_all.low <= 0:
            doubts.append(f"{arm}: it failed the lowest rung; lower --from")
    shift = comparison.shift
    if math.isfinite(shift.low) and math.isfinite(shift.high):
        doubts.append(
            _change_in_words(shift.estimate, shift.low, shift.high, shift.margin)
            + "; more --ladders would narrow the bounds"
        )
    return doubts


def _notices(
    comparison: Comparison, extrapolations: Mapping[Arm, Sequence[Extrapolation]], peak: float | None,
    spoiled: Sequence[str],
) -> list[str]:  # fmt: skip
    notices = list(spoiled)
    if comparison.by_budget:
        notices.append(
            "Logins were slower than the budget allows while the queue was steady: the budget sets the capacity, not "
            "saturation."
        )
    for arm in ARMS:
        over_all = comparison.arms[arm].over_all
        if peak is not None and over_all.high < peak:
            notices.append(f"The {arm} is shown not to serve the stated peak of {peak:g} logins/s within its budget.")
        whole = next((found for found in extrapolations.get(arm, ()) if found.subject == "login"), None)
        if whole is not None and whole.refused:
            notices.append(f"Nothing is predicted of the {arm}: {whole.refused}.")
    return notices
