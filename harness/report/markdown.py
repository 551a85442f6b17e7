"""summary.md: the verdict for a CI job's summary page and for chats."""

from __future__ import annotations

import re

from harness.model.evidence import Evidence
from harness.report import rows, wire, words

FINDINGS_AT_MOST = 12
_SPECIAL = re.compile(r"[\\`*\[\]|#~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Underscores within a name, as in kdc_as, mean nothing to GitHub's and GitLab's Markdown."""


def summary(evidence: Evidence) -> str:
    """The verdict, its reasons and its most severe findings as GitHub-flavoured Markdown."""
    verdict = evidence.verdict
    lines = [
        f"## {rows.VERDICT_SIGNS[verdict.kind]} authgate: {verdict.kind.name}",
        "",
        f"**{escaped(verdict.sentence)}**",
    ]
    if evidence.partial:
        lines += ["", f"> **Partial run:** {escaped(evidence.partial)}"]
    if blame := rows.blame(evidence):
        lines += ["", f"Step to blame: {escaped(blame)}"]
    if failures := rows.failures_in_a_sentence(evidence):
        lines += ["", f"{escaped(failures)}."]
    if retries := rows.retries_in_a_sentence(evidence):
        lines += ["", f"{escaped(retries)}."]
    lines += ["", rows.MEANINGS[verdict.kind]]
    if verdict.reasons:
        lines += ["", "### Reasons", "", *(f"- {escaped(reason)}" for reason in verdict.reasons)]
    lines += _findings(evidence)
    if changed := wire.lines(evidence):
        lines += ["", f"### {wire.HEADING}", "", *(f"- {escaped(line)}" for line in changed)]
    if notices := rows.notices(evidence):
        lines += ["", "### Caveats", "", *(f"- {escaped(notice)}" for notice in notices)]
    facts = f"Run {escaped(evidence.run_id)}, {escaped(evidence.title)}, started {escaped(evidence.started)}"
    lines += ["", f"{facts}; {rows.extent(evidence)}."]
    return "\n".join(lines) + "\n"


def _findings(evidence: Evidence) -> list[str]:
    findings = rows.most_severe(evidence, FINDINGS_AT_MOST)
    if not findings:
        return []
    lines = ["", "### Findings", "", "| | Metric | Baseline | Candidate | Change | Bounds | Margin | Decision |"]
    lines.append("|:-:|:--|--:|--:|--:|--:|--:|:--|")
    for row in findings:
        cells = (row.sign, row.metric, row.baseline, row.candidate, row.change, row.bounds, row.margin, row.decision)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    left_out = len(evidence.verdict.findings) - len(findings)
    if left_out:
        lines += ["", f"{left_out} more in the report."]
    return lines


def escaped(text: str) -> str:
    """The text on one line, with nothing in it that Markdown or HTML would take for its own."""
    line = " ".join(words.printable(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", line)
