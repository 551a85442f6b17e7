"""Every finding has a subject of a type, and what is said of it follows from that and not from its label."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from harness.model.metric import Metric
from harness.model.protocol import Difference
from harness.model.subject import (
    DriftSince,
    LeakSlope,
    LoginBudget,
    Outage,
    SoakGrowth,
    Subject,
    SubjectKind,
    kind_of,
    unit_of,
)
from harness.model.verdict import Finding
from harness.report.verdict_json import VERDICT_SCHEMA, verdict_document
from tests.helpers.evidence_samples import blocked

DIFFERENCE = Difference("enctype-weaker", "kdc_as", "all", "the clinician's key", "aes256", "arcfour-hmac")
EVERY: tuple[Subject, ...] = (
    Metric("cold", "login", "p95"),
    LeakSlope(),
    LoginBudget(),
    Outage(),
    SoakGrowth("cold", "failure_rate"),
    DIFFERENCE,
    DriftSince("2026.01", Metric("cold", "login", "p99")),
)


def test_each_type_of_subject_has_a_name_of_its_own_in_files_and_a_unit() -> None:
    assert {type(subject) for subject in EVERY} == set(get_args(Subject))
    assert [kind_of(subject) for subject in EVERY] == list(get_args(SubjectKind))
    assert [unit_of(subject) for subject in EVERY] == [
        "relative", "per_minute", "seconds", "share", "share_per_hour", "share", "relative"
    ]  # fmt: skip


def test_a_finding_is_labelled_by_its_subject() -> None:
    for subject in EVERY:
        finding = Finding(subject, "block")
        assert (finding.label, finding.cohort, finding.step) == (subject.label, subject.cohort, subject.step)
    assert Finding(Metric("cold", "login", "p95", "headroom"), "pass").stage == "headroom"


def test_verdict_json_tells_each_finding_s_type_and_the_key_of_a_metric() -> None:
    evidence = blocked()
    findings = tuple(Finding(subject, "block") for subject in EVERY)
    document = verdict_document(replace(evidence, verdict=replace(evidence.verdict, findings=findings)))
    assert [(found["subject"], found["key"]) for found in document["findings"]] == [
        ("metric", "cold/login/p95/expected"), *((kind_of(subject), None) for subject in EVERY[1:])
    ]  # fmt: skip
    assert [found["statistic"] for found in document["findings"]] == [
        "p95", "p50", "p95", "failure_rate", "failure_rate", None, "p99"
    ]  # fmt: skip
    assert VERDICT_SCHEMA["$defs"]["FindingDocument"]["required"][:3] == ["label", "subject", "key"]
