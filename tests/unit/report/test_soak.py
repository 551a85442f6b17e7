"""Reports of a soak, and of failures laid to their causes: every format says it, and says it alike."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.gate.soak import judge_soak
from harness.model.evidence import Evidence
from harness.model.failures import Cause, CausePart, FailureAnatomy
from harness.model.policy import Policy
from harness.model.retries import Contrast, RetryAnatomy
from harness.model.target import ARMS
from harness.report import growth, rows
from harness.report.console import print_verdict
from harness.report.html import page
from harness.report.style import svg
from harness.report.verdict_json import VerdictDocument, verdict_document
from harness.report.write import write_all
from harness.stats.shown import shown
from harness.stats.soak import soak_of
from tests.benchmarks.soak import ROWS, simulate
from tests.helpers.evidence_samples import empty, passed
from tests.helpers.synthetic import ENDED, SOUND

pytestmark = pytest.mark.slow

POLICY = Policy()


def soaked(row: str = "leak-0.4", hours: float = 2.0, blocks: int = 60) -> Evidence:
    """A simulated soak with its verdict."""
    table, design = simulate(ROWS[row], hours, (1,))
    soak = soak_of(table, "candidate", design, POLICY, range(blocks))
    health = {soak.arm: SOUND}
    return replace(
        empty(), title="morning-rush-soak", verdict=judge_soak(soak, health, ENDED, POLICY), comparison=None,
        shown=shown(table, design), design=design, health=health, step_order=tuple(table.steps), soak=soak,
    )  # fmt: skip


@pytest.fixture(scope="module")
def leak() -> Evidence:
    return soaked()


def failing() -> Evidence:
    """A run in which a KDC stopped answering some, and a directory was busy on both arms."""
    parts = (
        CausePart(Cause("kdc_as", "error", "KRB5_KDC_UNREACH"), 0.0, 0.02, 0.02, 0.017, 0.023, 0.95, 0.88, 1.0),
        CausePart(Cause("ldap_bind", "error", "LDAP 51 busy"), 0.01, 0.011, 0.001, -0.001, 0.003, 0.05, 0.0, 0.12),
        CausePart(None, 0.001, 0.001, 0.0, -0.001, 0.001, 0.0, -0.01, 0.01),
    )
    return replace(passed(), failures=FailureAnatomy(0.021, 0.018, 0.024, parts))


def said(evidence: Evidence) -> str:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    print_verdict(evidence, console)
    return console.export_text()


def test_every_report_of_a_soak_is_written_and_its_json_keeps_to_the_schema(leak: Evidence, tmp_path: Path) -> None:
    paths = {path.name: path for path in write_all(leak, tmp_path)}
    document = json.loads(paths["verdict.json"].read_text())
    VerdictDocument.model_validate(document)
    assert document["verdict"] == "BLOCK" and len(document["soak"]["blocks"]) == 60
    assert document["soak"]["doubles_min"] == pytest.approx(math.log(2) / math.log(1.004), rel=0.2)
    assert 'type="block"' in paths["junit.xml"].read_text()
    assert "60 blocks, 120.0 minutes of load" in paths["summary.md"].read_text()
    assert paths["report.png"].stat().st_size > 10_000


def test_the_console_speaks_of_blocks_and_of_one_arm(leak: Evidence) -> None:
    text = said(leak)
    assert "60 blocks, 120.0 minutes of load" in text
    assert "% a minute" in text and "twice as slow in" in text
    assert "Step to blame: " in text and "over the soak, on average" in text


@pytest.mark.usefixtures("undrawn")
def test_the_page_of_a_soak_shows_one_arm_its_hours_and_the_rule_that_judged_it(leak: Evidence) -> None:
    text = page(leak)
    assert "A soak: logins of one arm over its age" in text
    assert "Over the hours" in text and "Which step grows" in text
    assert "BLOCK needs a lower bound above 0" in text
    assert '<th scope="col" class="n">baseline</th>' not in text
    assert "of the candidate alone, back to back, 60 in all" in text
    assert "Change against what is allowed" not in text
    whole = page(passed())
    assert "Over the hours" not in whole and "BLOCK needs the lower bound above the margin" in whole


def test_the_figure_has_both_quantiles_their_lines_and_hours_where_there_are_hours(leak: Evidence) -> None:
    figure = growth.growth(leak)
    assert figure is not None and svg(figure).startswith(b"<?xml")
    assert len(figure.axes[0].lines) == 4
    assert figure.axes[-1].get_xlabel().startswith("hours")
    fitted = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 100)
    ends = np.asarray(fitted.get_ydata())[[0, -1]]
    assert leak.soak is not None and (p50 := leak.soak.growth("p50")) is not None
    assert ends == pytest.approx([p50.start, p50.end])
    short = growth.growth(soaked(hours=0.5))
    assert short is not None and short.axes[-1].get_xlabel().startswith("minutes")


def test_a_soak_that_measured_nothing_has_reports_all_the_same(tmp_path: Path) -> None:
    nothing = soaked(blocks=0)
    assert growth.growth(nothing) is None and growth.growth(passed()) is None
    write_all(nothing, tmp_path)
    VerdictDocument.model_validate(verdict_document(nothing))
    assert nothing.verdict.kind.name == "INCONCLUSIVE"


@pytest.mark.usefixtures("no_figures")
def test_failures_are_laid_to_their_cause_in_every_report(tmp_path: Path) -> None:
    evidence = failing()
    sentence = "Failures rose by 2.1 percentage points, 95 % (88 to 100 %) of that from kdc_as KRB5_KDC_UNREACH"
    assert rows.failures_in_a_sentence(evidence) == sentence
    paths = {path.name: path.read_bytes().decode(errors="replace") for path in write_all(evidence, tmp_path)}
    assert sentence in said(evidence) and sentence.replace("_", "") in paths["summary.md"].replace("_", "")
    document = json.loads(paths["verdict.json"])
    VerdictDocument.model_validate(document)
    assert [part["status"] for part in document["failures"]["parts"]] == ["error", "error", "other"]
    assert sum(part["added"] for part in document["failures"]["parts"]) == pytest.approx(0.021)
    html = paths["report.html"]
    assert "Which failures the change comes from" in html and "kdc_as KRB5_KDC_UNREACH" in html
    assert "all rarer causes" in html


def test_no_cause_is_named_of_a_change_that_is_not_shown() -> None:
    evidence = failing()
    assert evidence.failures is not None
    vague = replace(evidence, failures=replace(evidence.failures, low=-0.001))
    assert rows.failures_in_a_sentence(vague) == "" == rows.failures_in_a_sentence(passed())
    assert "Failures" not in said(vague)
    fell = replace(evidence, failures=replace(evidence.failures, added=-0.021, low=-0.024, high=-0.018))
    assert rows.failures_in_a_sentence(fell).startswith("Failures fell by 2.1 percentage points")


def test_the_arms_of_the_evidence_are_those_it_is_about(leak: Evidence) -> None:
    assert leak.arms == ("candidate",) and passed().arms == ARMS


@pytest.mark.usefixtures("no_figures")
def test_logins_that_were_tried_again_are_shown_in_every_report(tmp_path: Path) -> None:
    none, all_of_it = Contrast(0.0, 0.0, 0.0, 0.0, 0.0), Contrast(0.0, 1.6, 1.6, 1.5, 1.7)
    retries = RetryAnatomy(
        again=Contrast(0.0, 0.9, 0.9, 0.8, 1.0),
        tries=Contrast(1.0, 2.6, 1.6, 1.5, 1.7),
        given_up={"kdc_as": none, "ldap_bind": all_of_it},
    )
    evidence = replace(passed(), retries=retries)
    sentence = rows.retries_in_a_sentence(evidence)
    assert sentence == (
        "Given up and tried again: 0 % of the baseline's and 90 % of the candidate's logins, 1.00 and 2.60 tries per "
        "login; on the candidate most often in ldap_bind"
    )
    assert rows.retries_in_a_sentence(passed()) == "" and rows.retries(passed()) == []
    paths = {path.name: path.read_bytes().decode(errors="replace") for path in write_all(evidence, tmp_path)}
    assert "90 % of the candidate's" in said(evidence) and "90 % of the candidate's" in paths["summary.md"]
    document = json.loads(paths["verdict.json"])
    VerdictDocument.model_validate(document)
    assert document["retries"]["tries"]["candidate"] == 2.6
    assert document["retries"]["given_up"]["ldap_bind"]["added"] == 1.6
    assert (
        "of these, given up in ldap_bind" in paths["report.html"] and "+1.60 (+1.50 to +1.70)" in paths["report.html"]
    )
