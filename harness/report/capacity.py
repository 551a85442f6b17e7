"""A search for capacity on a terminal, as a page, a figure and a JSON document."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.gate.capacity import rate
from harness.model.capacity import CapacityEvidence, Extrapolation, Rung, Span
from harness.model.steps import LOGIN
from harness.model.target import ARMS, Arm
from harness.report import rows, words
from harness.report.capacity_ci import capacity_junit, capacity_summary
from harness.report.capacity_figure import figure
from harness.report.console import VERDICT_STYLES as BADGES
from harness.report.language import ENGLISH, Language
from harness.report.pages import template
from harness.report.style import VERDICT_STYLES, png, svg
from harness.system.files import write_whole

SCHEMA_VERSION = 2
TERMINAL_STEPS = 1
"""How many subjects (the login, then its steps) the terminal shows predictions of; the page has them all."""


def print_capacity(evidence: CapacityEvidence, console: Console, report: Path | None = None) -> None:
    """Print the verdict, both arms' capacities, what is predicted, and where the report is if it was written."""
    verdict = evidence.verdict
    badge = Text(f" {rows.VERDICT_SIGNS[verdict.kind]} {verdict.kind.name} ", style=BADGES[verdict.kind])
    console.print()
    console.print(
        badge + Text(f"  {len(_judged(evidence))} ladders, exit code {verdict.kind.exit_code}", style="default")
    )
    console.print(Text(words.printable(verdict.sentence), style="bold"))
    for reason in verdict.reasons:
        console.print(Text(words.printable(f"· {reason}")))
    for head, lines in (_capacities(evidence), _predictions(evidence, TERMINAL_STEPS)):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for place, title in enumerate(head):
            table.add_column(title, justify="right" if place else "left")
        for line in lines:
            table.add_row(*map(Text, line))
        if lines:
            console.print(table)
    for notice in notices(evidence):
        console.print(Text(words.printable(f"Note: {notice}"), style="dim"))
    if report is not None:
        console.print(Text(f"Report: {words.printable(str(report))}"), soft_wrap=True)
    console.print()


def write_capacity(evidence: CapacityEvidence, results: Path, say: Language = ENGLISH) -> Path:
    """Write the search's JSON, JUnit, Markdown, PNG and HTML into the folder of its runs; returns the page's file.

    The page is in the language asked for, what machines and chats read in English. Raises OSError.
    """
    document = json.dumps(capacity_document(evidence), indent=2, allow_nan=False)
    write_whole(results / f"{evidence.search_id}.json", f"{document}\n")
    write_whole(results / f"{evidence.search_id}.junit.xml", capacity_junit(evidence))
    write_whole(results / f"{evidence.search_id}.md", capacity_summary(evidence))
    write_whole(results / f"{evidence.search_id}.png", png(figure(evidence)))
    return write_whole(results / f"{evidence.search_id}.html", page(evidence, say))


def page(evidence: CapacityEvidence, say: Language = ENGLISH) -> str:
    """The report as one self-contained HTML page in a language."""
    kind = evidence.verdict.kind
    encoded = base64.b64encode(svg(figure(evidence, say))).decode("ascii")
    return template("capacity.html.j2").render(
        say=say,
        evidence=evidence,
        kind=kind,
        style=VERDICT_STYLES[kind],
        sign=rows.VERDICT_SIGNS[kind],
        notices=notices(evidence),
        capacities=_capacities(evidence),
        predictions=_predictions(evidence),
        ladders=[(ladder, _rungs(ladder.rungs)) for ladder in evidence.ladders],
        figure=f"data:image/svg+xml;base64,{encoded}",
        arms=ARMS,
    )


def capacity_document(evidence: CapacityEvidence) -> dict[str, Any]:
    """The evidence as values that ``json.dumps`` takes; what is not known or infinite is null."""
    found: dict[str, Any] = _plain(asdict(evidence))
    return {"schema_version": SCHEMA_VERSION, "exit_code": evidence.verdict.kind.exit_code, **found}


def notices(evidence: CapacityEvidence) -> list[str]:
    """The verdict's notices, and those that apply whatever it is."""
    lab = [rows.LAB_NOTICE] if evidence.environment == "lab" else []
    return [*evidence.verdict.notices, *lab]


def _judged(evidence: CapacityEvidence) -> list[Mapping[Arm, Sequence[Rung]]]:
    return [ladder.rungs for ladder in evidence.ladders if not ladder.coarse]


def _capacities(evidence: CapacityEvidence) -> tuple[list[str], list[list[str]]]:
    peak = evidence.stated_peak
    head = ["arm", "capacity within budget", "95 % interval", *(["of the stated peak"] if peak else [])]
    lines = []
    for arm in ARMS:
        over_all = evidence.comparison.arms[arm].over_all
        lines.append([arm, rate(over_all), _ends(over_all, "")])
        if peak:
            known = over_all.estimate or (over_all.low if math.isinf(over_all.high) else None)
            least = "" if over_all.estimate else "at least "
            lines[-1].append(f"{least}{known / peak:.2f} times" if known else words.ABSENT)
    return head, lines


def _predictions(evidence: CapacityEvidence, subjects: int | None = None) -> tuple[list[str], list[list[str]]]:
    peak = evidence.stated_peak
    at_peak = [f"mean at {peak:g}/s", f"p95 at {peak:g}/s", "headroom"] if peak else []
    lines = []
    for place in range(subjects or max(map(len, evidence.extrapolations.values()), default=0)):
        for arm in ARMS:
            found = evidence.extrapolations[arm][place]
            if not found.refused:
                lines.append(_prediction(arm, found, peak))
    return ["predicted", "arm", "idle", "saturation", *at_peak], lines


def _prediction(arm: Arm, found: Extrapolation, peak: float | None) -> list[str]:
    saturation = f"{rate(found.saturation)} ({_ends(found.saturation, '')})" if found.saturation else words.ABSENT
    line = [
        words.printable(found.subject),
        arm,
        words.seconds(found.fixed_s),
        saturation if found.subject == LOGIN else "",
    ]
    if peak and found.at_peak is not None and found.saturation is not None:
        line += [_times(found.at_peak.mean_s), _times(found.at_peak.p95_s)]
        line.append(_headroom(found.saturation, peak) if found.subject == LOGIN else "")
    return line


def _headroom(saturation: Span, peak: float) -> str:
    about = "" if saturation.estimate is None else f"{saturation.estimate / peak:.2f} "
    return f"{about}({saturation.low / peak:.2f} to {saturation.high / peak:.2f})"


def _times(span: Span | None) -> str:
    if span is None:
        return "saturated"
    return _ends(span, "s") if span.estimate is None else f"{words.seconds(span.estimate)} ({_ends(span, 's')})"


def _ends(span: Span, unit: str) -> str:
    low, high = (words.seconds(end) if unit == "s" else f"{end:.3g}" for end in (span.low, span.high))
    if math.isinf(span.high):
        return f"{low} or more"
    return f"{low} to {high}"


def _rungs(of_arms: Mapping[Arm, Sequence[Rung]]) -> list[tuple[str, list[str]]]:
    """A line for each rung: its rate, and for each arm p95, served rate and state."""
    count = max(map(len, of_arms.values()), default=0)
    lines = []
    for place in range(count):
        here = [of_arms[arm][place] for arm in ARMS]
        cells = []
        for rung in here:
            cells += [words.seconds(rung.login.p95_s), f"{rung.served:.3g}", rung.why or rung.state]
        lines.append((f"{here[0].rate:.3g}", [words.printable(cell) for cell in cells]))
    return lines


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(held) for key, held in value.items()}
        case list() | tuple():
            return [_plain(held) for held in value]
        case Enum():
            return value.name
        case float():
            return value if math.isfinite(value) else None
        case str():
            return words.printable(value)
    return value
