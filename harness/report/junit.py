"""junit.xml: one test case for the verdict and one for each finding, for Jenkins, GitLab and their like."""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as ET

from harness.model.evidence import Evidence
from harness.model.verdict import Finding, Kind
from harness.report import rows, wire, words

PASSING = ("pass", "notice")


def junit(evidence: Evidence) -> bytes:
    """The suite as XML. It is green only for PASS: any other verdict fails the case ``verdict`` at least.

    An INVALID run has one error and no failures, since its findings say nothing of the update: they are skipped.
    """
    verdict = evidence.verdict
    suite = ET.Element("testsuite", name="authgate", time=f"{verdict.load_s:.3f}")
    if timestamp := _timestamp(evidence.started):
        suite.set("timestamp", timestamp)
    properties = ET.SubElement(suite, "properties")
    for name in ("run_id", "title", "partial"):
        ET.SubElement(properties, "property", name=name, value=words.printable(getattr(evidence, name)))
    suite.append(_verdict_case(evidence))
    suite.extend(_case(finding, verdict.kind) for finding in verdict.findings)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{outcome}"))))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _verdict_case(evidence: Evidence) -> ET.Element:
    verdict = evidence.verdict
    case = ET.Element("testcase", classname="authgate", name="verdict", time=f"{verdict.load_s:.3f}")
    if verdict.kind is not Kind.PASS:
        outcome = "error" if verdict.kind is Kind.INVALID else "failure"
        message = words.printable(verdict.sentence)
        element = ET.SubElement(case, outcome, type=verdict.kind.name.lower(), message=message)
        element.text = words.printable("\n".join(verdict.reasons))
    changed = [f"{wire.HEADING}:", *wire.lines(evidence)] if evidence.differences else []
    said = [*rows.notices(evidence), *changed]
    if said:
        ET.SubElement(case, "system-out").text = "\n".join(said)
    return case


def _case(finding: Finding, kind: Kind) -> ET.Element:
    row = rows.row(finding)
    classname = words.printable(f"authgate.{finding.cohort}.{finding.step}")
    case = ET.Element("testcase", classname=classname, name=row.metric, time="0")
    figures = f"{row.baseline} → {row.candidate}, {row.change} ({row.bounds}), margin {row.margin}"
    if kind is Kind.INVALID:
        ET.SubElement(case, "skipped", message="the measurement was not sound")
    elif finding.decision == "not judged":
        ET.SubElement(case, "skipped", message=row.note or "not judged")
    elif finding.decision not in PASSING:
        message = f"{row.metric}: {figures}"
        ET.SubElement(case, "failure", type=finding.decision, message=message).text = row.note
    else:
        ET.SubElement(case, "system-out").text = figures
    return case


def _timestamp(started: str) -> str | None:
    """The start as the JUnit schema wants it, to the second and without a zone; None where it is not ISO 8601."""
    try:
        return datetime.fromisoformat(started).replace(tzinfo=None).isoformat(timespec="seconds")
    except ValueError:
        return None
