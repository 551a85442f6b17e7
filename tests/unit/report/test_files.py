"""The reports for machines, and the writing of all of them."""

import ctypes
import gc
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.model.comparison import Periodic
from harness.model.evidence import Evidence
from harness.model.verdict import Kind
from harness.report.junit import junit
from harness.report.markdown import summary
from harness.report.verdict_json import VERDICT_SCHEMA, VerdictDocument, verdict_document
from harness.report.write import write_all
from tests.helpers.evidence_samples import VERDICTS, Planted, blocked, evidence_of, open_question, passed
from tests.helpers.hostile import hostile, with_finding

pytestmark = pytest.mark.slow

Written = Callable[[Callable[[], Evidence]], list[Path]]
every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())


def peak_bytes(work: Callable[[], object]) -> int:
    """By how much the process grows at most meanwhile (proc_pid_clear_refs(5), 5; VmHWM of proc_pid_status(5))."""

    def status(name: str) -> int:
        return int(re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[1]) * 1024  # type: ignore[index]

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # What was freed before must not hide what is asked for now.
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


@every_verdict
def test_every_kind_of_run_is_written_whole(make: Callable[[], Evidence], written: Written) -> None:
    paths = written(make)
    assert [path.name for path in paths] == ["verdict.json", "junit.xml", "summary.md", "report.png", "report.html"]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(path.name for path in paths)
    assert all(path.stat().st_size for path in paths)


def test_hostile_text_stops_no_report(tmp_path: Path) -> None:
    write_all(hostile(blocked()), tmp_path)
    ET.parse(tmp_path / "junit.xml")
    json.loads((tmp_path / "verdict.json").read_text())


def test_reports_of_one_run_are_the_same_to_the_byte(tmp_path: Path, written: Written) -> None:
    again = write_all(blocked(), tmp_path)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written(blocked)]


def test_what_machines_read_is_there_even_where_a_figure_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(evidence: Evidence) -> None:
        raise RuntimeError("no figure")

    monkeypatch.setattr("harness.report.write.poster", fail)
    with pytest.raises(RuntimeError, match="no figure"):
        write_all(blocked(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "summary.md", "verdict.json"]


@pytest.mark.slow
def test_a_run_of_300_000_logins_is_reported_in_moderate_memory(tmp_path: Path) -> None:
    evidence = evidence_of(Planted(pairs=100, rate=100.0), Kind.PASS, "Fine.")
    assert evidence.shown.logins == 300_000
    assert peak_bytes(lambda: write_all(evidence, tmp_path)) < 200e6
    assert (tmp_path / "report.html").stat().st_size < 5e6


@every_verdict
def test_the_document_is_what_its_schema_says(make: Callable[[], Evidence]) -> None:
    document = verdict_document(make())
    assert VerdictDocument.model_validate_json(json.dumps(document)).model_dump(mode="json") == document
    assert set(document) == set(VERDICT_SCHEMA["required"])
    assert VERDICT_SCHEMA["additionalProperties"] is False
    assert VERDICT_SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_field_of_the_schema_says_what_it_means() -> None:
    for schema in (VERDICT_SCHEMA, VERDICT_SCHEMA["$defs"]["FindingDocument"]):
        assert all(field.get("description") for field in schema["properties"].values())


def test_infinity_never_reaches_json() -> None:
    evidence = with_finding(blocked(), low=-math.inf, high=math.inf, candidate=math.nan, detectable=None)
    document = verdict_document(evidence)
    json.dumps(document, allow_nan=False)
    finding = document["findings"][0]
    assert [finding[key] for key in ("low", "high", "candidate", "detectable")] == [None] * 4


def test_the_document_carries_the_exit_code_and_the_scenarios_digest() -> None:
    document = verdict_document(blocked())
    assert (document["schema_version"], document["verdict"], document["exit_code"]) == (3, "BLOCK", 10)
    assert document["scenario_digest"] == "9f2c" * 16
    assert any("domain controller" in notice for notice in document["notices"])


@every_verdict
def test_junit_counts_what_it_holds_and_is_green_only_for_pass(make: Callable[[], Evidence]) -> None:
    evidence = make()
    suite = ET.fromstring(junit(evidence)).find("testsuite")
    assert suite is not None
    assert int(suite.attrib["tests"]) == len(evidence.verdict.findings) + 1 == len(suite.findall("testcase"))
    for attribute, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == len(suite.findall(f".//{outcome}"))
    green = suite.attrib["failures"] == suite.attrib["errors"] == "0"
    assert green == (evidence.verdict.kind is Kind.PASS)


def test_junit_tells_blocked_from_open_and_from_not_judged() -> None:
    blocking, open_one = ET.fromstring(junit(blocked())), ET.fromstring(junit(open_question()))
    case = blocking.find(".//testcase[@classname='authgate.cold.kdc_as']/failure")
    assert case is not None and case.attrib["type"] == "block"
    assert blocking.find(".//testcase[@classname='authgate.cold.ldap_bind']/skipped") is not None
    assert {failure.attrib["type"] for failure in open_one.iter("failure")} == {"inconclusive", "likely slower"}


def test_junit_of_an_invalid_run_has_one_error_and_blames_no_metric() -> None:
    suite = ET.fromstring(junit(VERDICTS["invalid"]())).find("testsuite")
    assert suite is not None
    assert (suite.attrib["errors"], suite.attrib["failures"]) == ("1", "0")
    assert int(suite.attrib["skipped"]) == int(suite.attrib["tests"]) - 1


def test_junits_time_has_no_zone_and_is_left_out_where_it_is_no_time() -> None:
    suite = ET.fromstring(junit(blocked())).find("testsuite")
    assert suite is not None and suite.attrib["timestamp"] == "2016-11-08T02:12:00"
    suite = ET.fromstring(junit(replace(blocked(), started="yesterday"))).find("testsuite")
    assert suite is not None and "timestamp" not in suite.attrib


@every_verdict
def test_every_row_of_the_summarys_table_has_as_many_cells(make: Callable[[], Evidence]) -> None:
    text = summary(make())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} <= {9}


def test_the_summary_escapes_what_markdown_and_html_would_take_for_their_own() -> None:
    text = summary(hostile(blocked()))
    assert "<script" not in text
    assert "\\[y\\](http" in text and "\\*b\\*" in text and "\\_i\\_" in text
    assert "\x1b" not in text and "\x00" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}


def test_the_summary_says_the_verdict_the_blame_and_what_was_left_out() -> None:
    text = summary(blocked())
    assert text.startswith("## ✗ authgate: BLOCK\n")
    assert blocked().verdict.sentence in text
    assert "kdc_as, Kerberos AS exchange" in text
    assert "not those of a hospital's" in text
    assert "16 more in the report." in summary(passed())


def test_periodic_interference_is_in_the_document_for_machines() -> None:
    evidence = passed()
    assert verdict_document(evidence)["periodic"] is None
    assert evidence.comparison is not None
    beside_a_job = replace(evidence, comparison=replace(evidence.comparison, periodic=Periodic(30.01, 0.41)))
    assert verdict_document(beside_a_job)["periodic"] == {"period_s": 30.01, "explained": 0.41}
