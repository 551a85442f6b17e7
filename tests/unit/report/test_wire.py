"""What changed on the wire, in every report; and the file that it is read from."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.config.load import load_policy
from harness.errors import ConfigError, RunError
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.record import protocol
from harness.record.folder import RunFolder
from harness.report.console import print_verdict
from harness.report.html import page
from harness.report.junit import junit
from harness.report.markdown import summary
from harness.report.verdict_json import VerdictDocument, verdict_document
from tests.helpers.evidence_samples import passed
from tests.helpers.single_logins import CASES, arm, found

pytestmark = pytest.mark.usefixtures("no_figures")
SAMPLE = "<b>ldap</b>\x1b[31m"
GROWN, WEAKER = found(CASES["ticket-grown"][0]), found(CASES["enctype-weaker"][0])


def told(evidence: Evidence) -> dict[str, str]:
    """Each report as text."""
    console = Console(width=200, record=True, file=io.StringIO())
    print_verdict(evidence, console)
    (case,) = ET.fromstring(junit(evidence)).iterfind(".//testcase[@name='verdict']")
    return {
        "html": page(evidence),
        "console": console.export_text(),
        "markdown": summary(evidence),
        "junit": case.findtext("system-out") or "",
        "json": json.dumps(verdict_document(evidence), ensure_ascii=False),
    }


def test_every_report_tells_what_changed_on_the_wire() -> None:
    evidence = replace(passed(), policy=Policy(), differences=(*WEAKER, *GROWN))
    for name, text in told(evidence).items():
        for part in ("kdc_tgs_ldap", "1,187 B", "2,480 B", "arcfour-hmac"):
            assert part in text, name
        assert "What changed on the wire" in text or name == "json"
        assert ("✗ kdc_tgs_ldap" in text and "· kdc_tgs_ldap" in text) or name == "json", "which of them block"


def test_machines_read_the_kind_and_whether_it_blocks() -> None:
    evidence = replace(passed(), policy=Policy(), differences=(*WEAKER, *GROWN))
    document = verdict_document(evidence)
    assert [(d["change"], d["step"], d["blocks"]) for d in document["protocol"]] == [
        ("enctype-weaker", "kdc_tgs_ldap", True),
        ("ticket-grown", "kdc_tgs_ldap", False),
    ]
    assert VerdictDocument.model_validate_json(json.dumps(document)).model_dump(mode="json") == document


def test_that_nothing_changed_is_told_apart_from_not_knowing() -> None:
    unknown, equal = (told(replace(passed(), differences=differences)) for differences in (None, ()))
    assert "Not known: no single logins" in unknown["html"]
    assert "Nothing. Single logins" in equal["html"] and "Not known" not in equal["html"]
    assert '"protocol": null' in unknown["json"] and '"protocol": []' in equal["json"]


def test_text_from_a_server_can_not_write_itself_into_a_report() -> None:
    hostile = replace(GROWN[0], what=SAMPLE, baseline=SAMPLE, candidate=SAMPLE)
    for name, text in told(replace(passed(), differences=(hostile,))).items():
        assert "\x1b" not in text and "\\u001b" not in text, name
        assert "<b>ldap" not in text or name in ("console", "junit", "json"), name


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_facts_are_read_as_they_were_written(folder: RunFolder) -> None:
    arms = {"baseline": arm(), "candidate": CASES["tls-weaker"][0]}
    protocol.save(folder, {name: protocol.as_json(shown) for name, shown in arms.items()})
    assert [path.name for path in folder.path.iterdir()] == ["protocol.json"]
    assert protocol.read(folder) == arms
    json.loads((folder.path / "protocol.json").read_text(encoding="utf-8"))


def test_a_run_without_the_file_has_no_facts(folder: RunFolder) -> None:
    assert protocol.read(folder) == {}


@pytest.mark.parametrize(
    ("content", "where"),
    [("{", "its text"), ('{"format": 2, "arms": {}}', "format"), ('{"arms": {"candidate": 3}}', "arms.candidate")],
)
def test_a_file_that_no_run_writes_is_an_error_of_the_user(folder: RunFolder, content: str, where: str) -> None:
    (folder.path / "protocol.json").write_text(content)
    with pytest.raises(RunError, match=rf"protocol\.json: {where}: expected what a run writes there"):
        protocol.read(folder)


def test_a_kind_of_difference_that_there_is_not_is_named_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("name: mine\nprotocol:\n  block:\n    - ticket-grown\n    - enctype-weeker\n")
    with pytest.raises(ConfigError) as error:
        load_policy(path)
    text = str(error.value)
    assert text.startswith(f"{path}:5: protocol.block.1: expected 'step-failed', 'enctype-weaker'")
    assert text.endswith('got "enctype-weeker"')
