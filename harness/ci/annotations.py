"""Annotations in each system's own words: the verdict, the step to blame, and what blocks.

GitHub: workflow commands (https://docs.github.com/actions/reference/workflow-commands-for-github-actions). Azure
Pipelines: logging commands (https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands). GitLab: a
report of links beside the job (https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.ci.told import Told
from harness.report import words

AT_MOST = 9
"""GitHub shows ten of a kind in a step, of which one is the verdict's."""
Severity = Literal["error", "warning", "notice"]
_SEVERITY: dict[str, Severity] = {"PASS": "notice", "BLOCK": "error", "INCONCLUSIVE": "warning", "INVALID": "error"}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing to say, with its title."""

    severity: Severity
    title: str
    text: str


def annotations_of(told: Told) -> list[Annotation]:
    """The verdict first, then what blocks, the steps to blame before the whole login."""
    verdict = told.verdict
    found = [Annotation(_SEVERITY[verdict.verdict], f"authgate: {verdict.verdict}", verdict.sentence)]
    if verdict.blamed_step:
        found.append(Annotation("error", f"Step to blame: {verdict.blamed_step}", _step(told)))
    blocking = [one for one in verdict.findings if one.decision == "block" and one.step != verdict.blamed_step]
    for one in sorted(blocking, key=lambda one: one.step == "login"):
        figures = f"{words.level(one.baseline, one.unit)} → {words.level(one.candidate, one.unit)}"
        text = f"{figures}, {words.change(one.estimate, one.unit)}; {words.change(one.margin, one.unit)} is allowed"
        found.append(Annotation("error", one.label, one.note or text))
    return found[: AT_MOST + 1]


def _step(told: Told) -> str:
    """What of the blamed step was measured."""
    step = told.verdict.blamed_step
    worst = next((one for one in told.verdict.findings if one.step == step and one.baseline is not None), None)
    if worst is None:
        return "most of the added time is in this step"
    times = f"{words.level(worst.baseline, worst.unit)} → {words.level(worst.candidate, worst.unit)}"
    return f"{worst.label}: {times}, {words.change(worst.estimate, worst.unit)}"


def github(told: Told) -> Iterator[str]:
    """Workflow commands, a line each."""
    for one in annotations_of(told):
        title = _github(one.title).replace(":", "%3A").replace(",", "%2C")
        yield f"::{one.severity} title={title}::{_github(one.text)}"


def azure(told: Told) -> Iterator[str]:
    """Logging commands, a line each; Azure has no notices, and those are plain lines."""
    for one in annotations_of(told):
        text = _azure(f"{one.title}: {one.text}")
        yield text if one.severity == "notice" else f"##vso[task.logissue type={one.severity}]{text}"


def gitlab(told: Told, link: str) -> dict[str, Any]:
    """The report of annotations: links to the page, named by what they tell."""
    return {"authgate": [{"external_link": {"label": f"{one.title}: {one.text}"[:250], "url": link}}
                         for one in annotations_of(told)]}  # fmt: skip


def _github(text: str) -> str:
    return words.printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _azure(text: str) -> str:
    """On one line, and never beginning a command of its own."""
    line = " ".join(words.printable(text).split())
    return line.replace("%", "%AZP25").replace("##vso[", "## vso[").replace("##[", "## [")
