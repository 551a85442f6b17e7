"""A comment for a merge request: at most 60 lines of Markdown, with a marker by which it is found and replaced."""

from __future__ import annotations

from collections.abc import Sequence

from harness.ci.told import Told
from harness.model.verdict import Kind
from harness.report import words
from harness.report.forest_text import Interval, forest_text
from harness.report.markdown import escaped
from harness.report.rows import DECISION_SIGNS, MEANINGS, VERDICT_SIGNS
from harness.report.verdict_json import FindingDocument

LINES_AT_MOST = 60
FINDINGS_AT_MOST = 10
REASONS_AT_MOST = 5
DRAWN_AT_MOST = 8
TEXT_AT_MOST = 500
"""Characters of one sentence; the report has all of it."""


def marker(name: str) -> str:
    """The line by which a later run finds the comment; ``name`` tells apart several gates of one pipeline."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)[:80]
    return f"<!-- authgate:{kept} -->"


def comment(told: Told, name: str | None = None, link: str = "") -> str:
    """The comment on a run; ``name`` is its scenario's unless said, ``link`` leads to the report."""
    verdict = told.verdict
    kind = Kind[verdict.verdict]
    lines = [
        marker(name or verdict.title),
        f"## {VERDICT_SIGNS[kind]} authgate: {kind.name}",
        "",
        f"**{_text(verdict.sentence)}**",
    ]
    if verdict.partial:
        lines += ["", f"> **Partial run:** {_text(verdict.partial)}"]
    if verdict.blamed_step:
        lines += ["", f"Step to blame: `{_text(verdict.blamed_step)}`"]
    lines += ["", MEANINGS[kind], *_reasons(verdict.reasons), *_findings(verdict.findings), *_figure(verdict.findings)]
    where = f" · [report]({link})" if link else ""
    lines += ["", f"Run {_text(verdict.run_id)}, started {_text(verdict.started)}, {verdict.pairs_used} pairs{where}"]
    assert len(lines) <= LINES_AT_MOST
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return escaped(text[:TEXT_AT_MOST] + ("…" if len(text) > TEXT_AT_MOST else ""))


def _reasons(reasons: Sequence[str]) -> list[str]:
    more = len(reasons) - REASONS_AT_MOST
    lines = [f"- {_text(reason)}" for reason in reasons[:REASONS_AT_MOST]]
    return ["", *lines, *([f"- and {more} more in the report"] if more > 0 else [])] if lines else []


def _findings(findings: Sequence[FindingDocument]) -> list[str]:
    worse = [one for one in findings if one.decision not in ("pass", "not judged")]
    shown = (worse or [one for one in findings if one.step == "login" and one.decision == "pass"])[:FINDINGS_AT_MOST]
    if not shown:
        return []
    lines = ["", "| | Metric | Baseline | Candidate | Change | Bounds | Margin |", "|:-:|:--|--:|--:|--:|--:|--:|"]
    for one in shown:
        bounded = one.low is not None or one.high is not None
        cells = (
            DECISION_SIGNS[one.decision],
            _text(one.label),
            words.level(one.baseline, one.unit),
            words.level(one.candidate, one.unit),
            words.change(one.estimate, one.unit),
            words.bounds(one.low, one.high, one.unit) if bounded else words.ABSENT,
            words.change(one.margin, one.unit),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _figure(findings: Sequence[FindingDocument]) -> list[str]:
    drawn = [
        Interval(words.printable(one.label)[:40].replace("`", "'"), one.estimate, one.low, one.high, one.margin)
        for one in findings
        if one.unit == "relative" and one.estimate is not None and one.margin and one.subject == "metric"
        and one.step == "login"
    ][:DRAWN_AT_MOST]  # fmt: skip
    lines = forest_text(drawn)
    return ["", "```text", *lines, "```", "● change, ├ ┤ its bounds, ¦ none, ┃ margin"] if lines else []
