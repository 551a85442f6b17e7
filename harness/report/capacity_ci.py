"""A search for capacity for CI: JUnit, and a summary in Markdown."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from harness.gate.capacity import rate
from harness.model.capacity import CapacityEvidence, Span
from harness.model.target import ARMS
from harness.model.verdict import Kind
from harness.report import rows, words
from harness.report.markdown import escaped


def capacity_junit(evidence: CapacityEvidence) -> bytes:
    """One case for the verdict, and one for each ladder, which is skipped where it could not be used.

    It is green only for PASS, as a gate's.
    """
    verdict = evidence.verdict
    suite = ET.Element("testsuite", name="authgate capacity", time="0")
    case = ET.SubElement(suite, "testcase", classname="authgate.capacity", name="verdict", time="0")
    if verdict.kind is not Kind.PASS:
        outcome = "error" if verdict.kind is Kind.INVALID else "failure"
        said = words.printable(verdict.sentence)
        ET.SubElement(case, outcome, type=verdict.kind.name.lower(), message=said).text = words.printable(
            "\n".join(verdict.reasons)
        )
    ET.SubElement(case, "system-out").text = "\n".join(f"{arm}: {_capacity(evidence, arm)}" for arm in ARMS)
    for ladder in evidence.ladders:
        name = words.printable(ladder.run_id)
        one = ET.SubElement(suite, "testcase", classname="authgate.capacity.ladder", name=name, time="0")
        if ladder.trouble:
            ET.SubElement(one, "skipped", message=words.printable(ladder.trouble))
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{outcome}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def capacity_summary(evidence: CapacityEvidence) -> str:
    """The verdict, its reasons and both capacities as GitHub-flavoured Markdown."""
    verdict = evidence.verdict
    lines = [
        f"## {rows.VERDICT_SIGNS[verdict.kind]} authgate capacity: {verdict.kind.name}",
        "",
        f"**{escaped(verdict.sentence)}**",
    ]
    if verdict.reasons:
        lines += ["", *(f"- {escaped(reason)}" for reason in verdict.reasons)]
    lines += ["", "| Arm | Highest rate within its budget, logins/s | Interval |", "|:--|--:|--:|"]
    for arm in ARMS:
        span = evidence.comparison.arms[arm].over_all
        lines.append(f"| {arm} | {escaped(rate(span))} | {escaped(_interval(span))} |")
    shift = evidence.comparison.shift
    if shift.estimate is not None:
        low, high = (math.expm1(end) if math.isfinite(end) else end for end in (shift.low, shift.high))
        bounds = words.bounds(low if math.isfinite(low) else None, high if math.isfinite(high) else None, "relative")
        margin = words.change(math.expm1(shift.margin), "relative")
        lines += ["", f"Change {words.change(math.expm1(shift.estimate), 'relative')} ({bounds}), {margin} is allowed."]
    if verdict.notices:
        lines += ["", *(f"- {escaped(notice)}" for notice in verdict.notices)]
    lines += ["", f"{escaped(evidence.search_id)}, {escaped(evidence.scenario)}, started {escaped(evidence.started)}"]
    return "\n".join(lines) + "\n"


def _capacity(evidence: CapacityEvidence, arm: str) -> str:
    span = next(found.over_all for name, found in evidence.comparison.arms.items() if name == arm)
    return f"{rate(span)} ({_interval(span)})"


def _interval(span: Span) -> str:
    return f"{span.low:.3g} or more" if math.isinf(span.high) else f"{span.low:.3g} to {span.high:.3g}"
