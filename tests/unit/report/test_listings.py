"""Every table has its JSON, and each JSON a schema that it follows."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from harness.cli.main import COMMANDS, cli, main
from harness.config import shipped
from harness.doctor.examine import examine
from harness.model.capacity import CapacityEvidence
from harness.model.update import Update
from harness.record.calibration import CALIBRATION_SCHEMA
from harness.report.capacity import capacity_document
from harness.report.capacity_ci import capacity_junit, capacity_summary
from harness.report.capacity_json import CAPACITY_SCHEMA
from harness.report.listings import DOCUMENTS, doctor_document, schema
from harness.report.verdict_json import VerdictDocument
from tests.helpers.capacities import lost_server
from tests.helpers.stored import stored_run

KINDS = [*DOCUMENTS, "capacity", "calibration", "history", "verdict", "protocol", "scenario", "targets", "policy"]


def faults(value: Any, found: dict[str, Any], whole: dict[str, Any], place: str = "") -> Iterator[str]:
    """In what a document is not as its schema says, as far as our schemas say anything."""
    if "$ref" in found:
        found = whole["$defs"][found["$ref"].rpartition("/")[2]]
    if "anyOf" in found:
        if all(list(faults(value, one, whole, place)) for one in found["anyOf"]):
            yield f"{place}: {value!r} is none of its kinds"
        return
    types = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None), "array": list,
             "object": dict}  # fmt: skip
    named = found.get("type", [])
    named = [named] if isinstance(named, str) else named
    if named and not any(isinstance(value, types[name]) for name in named):  # type: ignore[arg-type]
        yield f"{place}: expected {named}, got {value!r}"
        return
    if "enum" in found and value not in found["enum"]:
        yield f"{place}: expected one of {found['enum']}, got {value!r}"
    if isinstance(value, dict):
        known = found.get("properties", {})
        yield from (f"{place}: {key} is missing" for key in found.get("required", []) if key not in value)
        for key, held in value.items():
            below = known.get(key, found.get("additionalProperties", {} if not known else False))
            if below is False:
                yield f"{place}: {key} is in no schema"
            elif isinstance(below, dict):
                yield from faults(held, below, whole, f"{place}.{key}")
    if isinstance(value, list):
        inner = found.get("items")
        for i, held in enumerate(value):
            if isinstance(inner, dict):
                yield from faults(held, inner, whole, f"{place}[{i}]")


@pytest.fixture(scope="module")
def lost() -> CapacityEvidence:
    return lost_server()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


@pytest.mark.parametrize(
    ("kind", "argv"),
    [("scenarios", ["scenarios"]), ("updates", ["updates", "list"]), ("lab", ["lab", "status"])],
)
def test_what_a_command_prints_as_json_follows_its_schema(
    kind: str, argv: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*argv, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(faults(document, schema(kind), schema(kind))) == []


def test_a_trend_and_a_plan_are_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(stored_run(tmp_path).path)
    for kind, argv in (("trend", ["trend", run]), ("plan", ["plan", "morning-rush", "--noise", run])):
        assert main([*argv, "--format", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert list(faults(document, schema(kind), schema(kind))) == []
        assert document["points" if kind == "trend" else "metrics"]


def test_the_doctor_s_json_is_what_it_was() -> None:
    document = json.loads(doctor_document(examine(None, None)).model_dump_json())
    assert document.keys() == {"ready", "counts", "checks"}
    assert list(faults(document, schema("doctor"), schema("doctor"))) == []


def test_a_search_s_document_follows_its_schema(lost: CapacityEvidence) -> None:
    document = json.loads(json.dumps(capacity_document(lost), allow_nan=False))
    assert list(faults(document, CAPACITY_SCHEMA, CAPACITY_SCHEMA)) == []
    assert list(faults({**document, "verdict": {}}, CAPACITY_SCHEMA, CAPACITY_SCHEMA))


def test_a_calibration_s_schema_has_metrics_by_their_keys() -> None:
    assert CALIBRATION_SCHEMA["$defs"]["Noise"]["properties"]["metric"]["type"] == "string"


def test_a_search_fails_its_case_in_junit_unless_it_passed(lost: CapacityEvidence) -> None:
    suite = ET.fromstring(capacity_junit(lost)).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")
    assert suite.get("tests") == str(1 + len(lost.ladders))
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.get("message") == lost.verdict.sentence


def test_a_search_s_summary_has_verdict_and_both_capacities(lost: CapacityEvidence) -> None:
    text = capacity_summary(lost)
    assert f"authgate capacity: {lost.verdict.kind.name}" in text
    assert "| baseline |" in text and "| candidate |" in text and "is allowed" in text


NO_TABLE = {
    "ci", "export", "import traffic", "init", "lab down", "lab up", "locustfile", "man", "notice", "run", "schema",
    "worker",
}  # fmt: skip
"""Commands that print a line, a file's text, or nothing."""


def test_every_command_that_prints_a_table_prints_json_too() -> None:
    context = click.Context(cli, info_name="authgate", **cli.context_settings)
    found = {name: cli.get_command(context, name) for name in COMMANDS}
    for name, one in list(found.items()):
        if isinstance(one, click.Group):
            found |= {f"{name} {below}": found_below for below, found_below in one.commands.items()}
            del found[name]
    formats = {
        name: option.type.choices
        for name, one in found.items()
        if one is not None
        for option in one.params
        if "--format" in option.opts and isinstance(option.type, click.Choice)
    }
    assert {name for name, choices in formats.items() if "json" in choices} == found.keys() - NO_TABLE


@pytest.mark.parametrize("command", ["compare", "report"])
def test_a_verdict_is_told_as_verdict_json_has_it(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = stored_run(tmp_path, slower=3.0).path
    assert main([command, str(run), "--format", "json"]) == (10 if command == "compare" else 0)
    said = capsys.readouterr().out
    assert VerdictDocument.model_validate_json(said).verdict == "BLOCK"
    assert json.loads(said) == json.loads((run / "verdict.json").read_text(encoding="utf-8"))


def test_an_update_is_told_as_the_catalogue_s_schema_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    for update in shipped.updates():
        assert main(["updates", "show", update.name, "--format", "json"]) == 0
        assert Update.model_validate_json(capsys.readouterr().out) == update
