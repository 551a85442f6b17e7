"""What a reader would stumble over: one figure told in several ways, a failure told as a time, figures of no use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.gate.advice import what_next
from harness.gate.judge import judge
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.model.verdict import Kind
from harness.report import rows
from harness.report.html import overview, page, what_to_do
from tests.helpers.evidence_samples import VERDICTS, blocked, open_question, passed
from tests.helpers.synthetic import ENDED, HEALTH, POLICY, World, compared

every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())


def test_what_users_would_notice_is_what_the_table_of_findings_says() -> None:
    evidence = passed()
    cells = dict(overview(evidence))
    for label, statistic in (("half of all cold logins done in", "p50"), ("19 of 20 cold logins done in", "p95")):
        (finding,) = (f for f in evidence.verdict.findings if f.label == f"cold login {statistic}")
        row = rows.row(finding)
        assert cells[label] == [row.baseline, row.candidate]


def test_what_was_not_judged_is_told_of_all_logins() -> None:
    evidence = passed()
    unjudged = replace(evidence, verdict=replace(evidence.verdict, findings=()))
    assert dict(overview(unjudged))["half of all cold logins done in"][0].endswith(" ms")


def test_a_login_that_failed_is_never_told_as_done_in_the_time_out() -> None:
    evidence = blocked()
    for shown in (evidence, replace(evidence, verdict=replace(evidence.verdict, findings=()))):
        assert dict(overview(shown))["half of all cold logins done in"][1] == "not in 10 s"
    (median,) = (row for row in rows.most_severe(evidence, 99) if row.metric == "cold login p50")
    assert median.candidate == "not in 10 s"
    assert "given up after 10 s" in rows.blame(evidence)


@every_verdict
@pytest.mark.usefixtures("no_figures")
def test_no_figure_on_a_page_is_absurd(make: Callable[[], Evidence]) -> None:
    text = page(make())
    assert not re.search(r"\d[eE][+-]?\d\d", re.sub(r"#[0-9a-f]{6}", "", text)), "powers of ten"
    assert not re.search(r"×[\d,]{9,}", text), "a factor without meaning"
    assert not re.search(r"[−-]0 (?:%|pp|ms)", text), "minus nothing"
    assert not re.search(r"(\d+ %) \(\1 to \1\)", text), "an interval of one point"
    assert not re.search(r"([+−][\d.]+)…\1 ", text), "bounds of one point"


@every_verdict
@pytest.mark.usefixtures("no_figures")
def test_the_banner_says_what_to_do_next(make: Callable[[], Evidence]) -> None:
    evidence = make()
    assert f"<b>What to do:</b> {what_to_do(evidence)[:20]}" in page(evidence)


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("why", ["interrupted by the user", "interrupted by the user."])
def test_why_a_run_is_partial_is_a_sentence(why: str) -> None:
    assert "</b> interrupted by the user. What follows" in page(replace(passed(), partial=why))


def test_an_open_verdict_tells_how_much_longer_to_measure() -> None:
    comparison = compared(World(pairs=16, noise=0.12))
    verdict = judge(comparison, HEALTH, ENDED, POLICY)
    assert verdict.kind is Kind.INCONCLUSIVE
    told = what_next(verdict, comparison, POLICY)
    pattern = r"Measure again for longer: about (\d+) more pairs of blocks \([\d.]+ (?:min|h)\) at this noise, (\d+)"
    found = re.match(pattern, told)
    assert found is not None, told
    assert int(found[2]) == comparison.seen + int(found[1])


def test_metrics_that_no_run_can_decide_are_told_as_such() -> None:
    comparison = compared(World(pairs=24, noise=0.1))
    on_it = tuple(replace(s, estimate=s.margin, low=0.0, high=2 * s.margin) for s in comparison.shifts)
    on_it_all = replace(comparison, shifts=on_it)
    told = what_next(judge(on_it_all, HEALTH, ENDED, POLICY), on_it_all, POLICY)
    assert "too close to the margin for more pairs to decide" in told and "Measure again" not in told
    apart = replace(comparison, design=replace(comparison.design, interleaved=False))
    assert "in one run" in what_next(judge(apart, HEALTH, ENDED, POLICY), apart, POLICY)
    assert "Measure again for longer" in what_next(open_question().verdict, None, Policy())


@pytest.mark.usefixtures("no_figures")
def test_evidence_is_folded_and_every_part_is_in_the_contents() -> None:
    text = page(blocked())
    for name in ("wire", "findings", "sound", "measured", "manifest"):
        assert f'<details id="{name}">' in text, "folded"
        assert f'href="#{name}"' in text, "listed"
    unsound = page(VERDICTS["invalid"]())
    assert '<details id="sound" open>' in unsound, "what is at fault is open"
    assert set(re.findall(r'href="#([\w-]+)"', text)) <= set(re.findall(r' id="([\w-]+)"', text))
