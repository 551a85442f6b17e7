"""What page, summary and terminal have in common: signs, findings as text, the step to blame, and notices."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.comparison import Part, StepShare
from harness.model.evidence import Evidence
from harness.model.failures import CausePart
from harness.model.retries import Contrast
from harness.model.steps import LOGIN, STEPS
from harness.model.target import ARMS
from harness.model.verdict import Decision, Finding, Kind
from harness.report import words

VERDICT_SIGNS: dict[Kind, str] = {Kind.PASS: "✓", Kind.BLOCK: "✗", Kind.INCONCLUSIVE: "?", Kind.INVALID: "!"}
DECISION_SIGNS: dict[Decision, str] = {
    "pass": "✓",
    "notice": "✓",
    "inconclusive": "?",
    "likely slower": "▲",
    "block": "✗",
    "not judged": "–",
}
MEANINGS: dict[Kind, str] = {
    Kind.PASS: "Every judged metric was shown to be within its margin. That is not the same as “no difference found”: "
    "a slowdown smaller than the margin is possible.",
    Kind.BLOCK: "At least one metric was shown to be worse than its margin allows. Do not deploy this update.",
    Kind.INCONCLUSIVE: "The run could show neither that every metric is within its margin nor that one is beyond it. "
    "Do not deploy on it: an open question is not a pass.",
    Kind.INVALID: "The measurement itself was not sound, so it says nothing about the update, good or bad. "
    "Fix what is listed here and measure again.",
}
NEARLY = 1 - 1e-6
"""Of the time-out: a geometric mean of time-outs is one but for rounding."""
LAB_NOTICE = (
    "Measured on a lab's servers: the numbers show how the method works and what kind of fault it is. "
    "They are not those of a hospital's domain controllers."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One finding as text."""

    decision: Decision
    sign: str
    metric: str
    baseline: str
    candidate: str
    change: str
    bounds: str
    margin: str
    detectable: str
    note: str


def row(finding: Finding, timeout_s: float | None = None) -> Row:
    """The finding with its quantities in words; a login at the time-out is not told as one that took so long."""
    unit, of = finding.unit, finding.baseline
    bounded = finding.low is not None or finding.high is not None
    return Row(
        decision=finding.decision,
        sign=DECISION_SIGNS[finding.decision],
        metric=words.printable(finding.label),
        baseline=_level(finding, finding.baseline, timeout_s),
        candidate=_level(finding, finding.candidate, timeout_s),
        change=words.change(finding.estimate, unit, of),
        bounds=words.bounds(finding.low, finding.high, unit, of) if bounded else words.ABSENT,
        margin=words.change(finding.margin, unit, of),
        detectable=words.change(finding.detectable, unit, of),
        note=words.printable(finding.note),
    )


def _level(finding: Finding, value: float | None, timeout_s: float | None) -> str:
    is_time = finding.step == LOGIN and finding.unit == "relative"
    if value is not None and timeout_s is not None and is_time and value >= timeout_s * NEARLY:
        return f"not in {words.seconds(timeout_s)}"
    return words.level(value, finding.unit)


def most_severe(evidence: Evidence, count: int) -> list[Row]:
    """The findings that keep the update from a clean pass, or the first ones where none does; at most ``count``."""
    findings = evidence.verdict.findings
    open_or_worse = [finding for finding in findings if finding.decision not in ("pass", "not judged")]
    return [row(finding, evidence.design.timeout_s) for finding in (open_or_worse or findings)[:count]]


def blame(evidence: Evidence) -> str:
    """Which step the verdict blames, and how much of the slowdown lies in it; empty where it blames none."""
    step = evidence.verdict.blamed_step
    if step is None:
        return ""
    text = f"{step}, {STEPS[step].title}" if step in STEPS else words.printable(step)
    timeout_s = evidence.design.timeout_s
    if evidence.soak is not None:
        grown = next(part for part in evidence.soak.steps if part.step == step)
        return f"{text}: {words.seconds(grown.start_s)} → {words.seconds(grown.end_s)} over the soak, on average"
    comparison = evidence.comparison
    parts = [part for part in comparison.attribution if part.step == step] if comparison else []
    if not parts:
        return text
    worst = max(parts, key=lambda part: part.added_s)
    return f"{text}: {_added(worst, sum(p.added_s for p in _slower(evidence, worst)), timeout_s)}"


def anatomy(evidence: Evidence) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """For each cohort and quantile: its name, its change with an interval, and (step, added, share) for each step.

    Steps come in the order of what they add to a slowdown, or take from it.
    """
    tables = []
    for found in evidence.anatomy:
        parts = sorted(found.parts, key=lambda part: -abs(part.added_s))
        lines = [(words.printable(p.step), _within(p.added_s, p.low_s, p.high_s), _share(p)) for p in parts]
        tables.append(
            (f"{found.cohort} login {found.quantile}", _within(found.added_s, found.low_s, found.high_s), lines)
        )
    return tables


def failures(evidence: Evidence) -> tuple[str, list[tuple[str, str, str, str, str]]]:
    """The difference in failed logins with an interval, and (cause, baseline, candidate, added, part) for each cause.

    Causes come in the order of what they add or take; nothing where no login failed.
    """
    found = evidence.failures
    if found is None:
        return "", []
    lines = [
        (_cause(p), words.share(p.baseline), words.share(p.candidate), _points(p.added, p.low, p.high), _part(p))
        for p in sorted(found.parts, key=lambda part: -abs(part.added))
    ]
    return _points(found.added, found.low, found.high), lines


def failures_in_a_sentence(evidence: Evidence) -> str:
    """By how much failures changed, and from which cause most of that comes; empty where no change is shown."""
    found = evidence.failures
    if found is None or not found.shown:
        return ""
    most = max(found.parts, key=lambda part: part.part or 0.0)
    changed = "rose" if found.added > 0 else "fell"
    return f"Failures {changed} by {words.points(found.added)}, {_part(most)} of that from {_cause(most)}"


def retries(evidence: Evidence) -> list[tuple[str, str, str, str]]:
    """How often logins were tried again, as lines of (what, baseline, candidate, added); none where no login was."""
    found = evidence.retries
    if found is None:
        return []
    lines = [
        ("tries per login", _number(found.tries.baseline), _number(found.tries.candidate), _numbers(found.tries)),
    ]
    for step, given_up in sorted(found.given_up.items(), key=lambda item: -abs(item[1].added)):
        what = f"of these, given up in {words.printable(step) or 'no step'}"
        lines.append((what, _number(given_up.baseline), _number(given_up.candidate), _numbers(given_up)))
    again = found.again
    added = _points(again.added, again.low, again.high)
    return [("logins tried again", words.share(again.baseline), words.share(again.candidate), added), *lines]


def retries_in_a_sentence(evidence: Evidence) -> str:
    """What share of logins was tried again, and how many tries that made; empty where none was."""
    found = evidence.retries
    if found is None:
        return ""
    shares = " and ".join(f"{words.share(getattr(found.again, arm))} of the {arm}'s" for arm in ARMS)
    tries = " and ".join(_number(getattr(found.tries, arm)) for arm in ARMS)
    most = words.printable(max(found.given_up, key=lambda step: found.given_up[step].candidate)) or "no step"
    return f"Given up and tried again: {shares} logins, {tries} tries per login; on the candidate most often in {most}"


def extent(evidence: Evidence) -> str:
    """How much of the run the verdict rests on: its pairs, or a soak's blocks, and minutes of load."""
    verdict = evidence.verdict
    what = "pairs" if len(evidence.arms) > 1 else "blocks"
    return f"{verdict.pairs_used} {what}, {verdict.load_s / 60:.1f} minutes of load"


def grown_steps(evidence: Evidence) -> list[tuple[str, str, str]]:
    """A soak's steps with their mean times at its start and at its end, the most grown first."""
    steps = evidence.soak.steps if evidence.soak is not None else ()
    ordered = sorted(steps, key=lambda step: -step.added_s)
    return [(words.printable(s.step), words.seconds(s.start_s), words.seconds(s.end_s)) for s in ordered]


def _cause(part: CausePart) -> str:
    return "all rarer causes" if part.cause is None else words.printable(str(part.cause))


def _points(value: float, low: float, high: float) -> str:
    return f"{words.change(value, 'share')} ({words.bounds(low, high, 'share')})"


def _number(value: float) -> str:
    return f"{value:.2f}"


def _numbers(found: Contrast) -> str:
    return f"{_plus(found.added)} ({_plus(found.low)} to {_plus(found.high)})"


def _plus(value: float) -> str:
    text = f"{value:+.2f}".replace("-", "−")
    return "0" if text[1:] == "0.00" else text


def _part(part: CausePart) -> str:
    if part.part is None or part.part_low is None or part.part_high is None:
        return words.ABSENT
    return words.part_of(part.part, part.part_low, part.part_high)


def _within(value: float, low: float, high: float) -> str:
    """A time that is added, with its interval."""
    return f"{words.added(value)} ({words.added(low)} to {words.added(high)})"


def _share(part: Part) -> str:
    if part.share is None or part.share_low is None or part.share_high is None:
        return words.ABSENT
    return words.part_of(part.share, part.share_low, part.share_high)


def standing_notices(evidence: Evidence) -> tuple[str, ...]:
    """What applies to the figures whatever the verdict is, as far as the manifest says it."""
    notices = [LAB_NOTICE] if evidence.manifest_text("environment") == "lab" else []
    if evidence.manifest_text("authentication") == "key":
        notices.append(
            "Long-term keys were derived before the run, so string-to-key (which each workstation computes itself) "
            "is not in the figures."
        )
    if evidence.manifest_text("authentication") == "smart-card":
        notices.append("Smart cards were files: the time that a card's chip takes to sign is not in the figures.")
    return tuple(notices)


def notices(evidence: Evidence) -> tuple[str, ...]:
    """The verdict's own notices, then the standing ones."""
    return tuple(words.printable(text) for text in (*evidence.verdict.notices, *standing_notices(evidence)))


def _slower(evidence: Evidence, worst: StepShare) -> list[StepShare]:
    attribution = evidence.comparison.attribution if evidence.comparison else ()
    return [part for part in attribution if part.cohort == worst.cohort and part.added_s > 0]


def _added(part: StepShare, added_by_all: float, timeout_s: float) -> str:
    candidate = words.seconds(part.candidate_s)
    if part.candidate_s >= timeout_s * NEARLY:
        candidate = f"given up after {words.seconds(timeout_s)}"
    times = f"{words.seconds(part.baseline_s)} → {candidate} in {words.of_cohort(part.cohort)}, on average"
    if not part.added_s > 0:
        return times
    return f"{times}; {words.share(round(part.added_s / added_by_all, 2))} of all added time"
