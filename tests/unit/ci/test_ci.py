"""What a pipeline shows of a verdict: short, whole, without anything that its text could do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ci.annotations import azure, github, gitlab
from harness.ci.comment import LINES_AT_MOST, comment, marker
from harness.ci.post import place_of, post
from harness.ci.told import Told, read_told
from harness.cli.main import main
from harness.errors import ConfigError
from harness.model.evidence import Evidence
from harness.report.forest_text import CELLS, Interval, forest_text
from harness.report.verdict_json import VerdictDocument, verdict_document
from tests.helpers.ci import TOKEN, Comments, api_of_comments, environment_of
from tests.helpers.evidence_samples import VERDICTS, blocked
from tests.helpers.hostile import HOSTILE, hostile

SYSTEMS = ("github", "gitlab", "azure")
every_verdict = pytest.mark.parametrize("make", VERDICTS.values(), ids=VERDICTS.keys())


def told(evidence: Evidence) -> Told:
    return Told(Path("results/run"), VerdictDocument.model_validate(verdict_document(evidence)))


@pytest.fixture
def api() -> Iterator[Comments]:
    with api_of_comments() as held:
        yield held


@every_verdict
def test_a_comment_is_short_and_begins_with_its_marker(make: Callable[[], Evidence]) -> None:
    text = comment(told(make()))
    assert len(text.splitlines()) <= LINES_AT_MOST
    assert text.startswith(marker(make().title))
    assert make().verdict.kind.name in text


def test_a_comment_of_very_much_is_as_short() -> None:
    evidence = blocked()
    verdict = replace(
        evidence.verdict,
        reasons=("a reason " * 200,) * 300,
        findings=evidence.verdict.findings * 50,
        sentence="x" * 9999,
    )
    assert len(comment(told(replace(evidence, verdict=verdict))).splitlines()) <= LINES_AT_MOST


def test_hostile_text_stays_text_in_a_comment_and_in_annotations() -> None:
    evidence = told(hostile(blocked()))
    text = comment(evidence, name=HOSTILE)
    assert "<script" not in text and text.count("<!--") == text.count("-->") == 1
    for lines in (list(github(evidence)), list(azure(evidence))):
        assert all("\n" not in line and "\x1b" not in line for line in lines)
    assert all(line.startswith(("::error title=", "::warning title=", "::notice title=")) for line in github(evidence))


def test_a_text_can_not_begin_a_command_of_azure_s() -> None:
    evidence = blocked()
    verdict = replace(evidence.verdict, sentence="x\n##vso[task.setvariable variable=PATH]/evil")
    lines = list(azure(told(replace(evidence, verdict=verdict))))
    assert sum(line.count("##vso[") for line in lines) == sum(line.startswith("##vso[task.logissue") for line in lines)


def test_the_blamed_step_is_annotated() -> None:
    evidence = told(blocked())
    assert evidence.verdict.blamed_step
    assert any(f"Step to blame%3A {evidence.verdict.blamed_step}" in line for line in github(evidence))
    labels = [one["external_link"]["label"] for one in gitlab(evidence, "https://x")["authgate"]]
    assert any(evidence.verdict.blamed_step in label for label in labels)


def test_a_figure_of_characters_shows_bounds_margin_and_zero_where_they_are() -> None:
    lines = forest_text([Interval("a", 0.2, 0.1, 0.3, 0.1), Interval("b", 0.0, None, 0.02, 0.1)])
    assert [len(line) for line in lines[:2]] == [3 + CELLS] * 2
    first, second = (line[3:] for line in lines[:2])
    assert first.index("├") < first.index("●") < first.index("┤")
    assert second.startswith("◀") and second.index("┃") > second.index("┤")
    assert first[first.index("¦")] == "¦" and "0" in lines[2]
    assert forest_text([]) == []


def test_a_wild_metric_is_an_arrow_and_leaves_the_others_readable() -> None:
    wild, calm, _ = forest_text([Interval("wild", 90.0, 50.0, None, 0.1), Interval("calm", 0.05, 0.01, 0.08, 0.1)])
    assert wild.rstrip().endswith(("▶", "●"))
    assert calm.index("┃") - calm.index("¦") > 5


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_comment_is_posted_once_and_then_updated_in_place(system: str, api: Comments, tmp_path: Path) -> None:
    environment = environment_of(system, api.address, tmp_path)
    api.texts = {number: f"comment {number}" for number in range(1, 130)}
    others = dict(api.texts)
    mark = marker("morning-rush")
    assert post(system, environment, mark, f"{mark}\nfirst") == "comment posted"  # type: ignore[arg-type]
    assert "updated" in post(system, environment, mark, f"{mark}\nsecond")  # type: ignore[arg-type]
    ours = {number: text for number, text in api.texts.items() if number not in others}
    assert list(ours.values()) == [f"{mark}\nsecond"]
    assert {number: api.texts[number] for number in others} == others


@pytest.mark.parametrize("system", SYSTEMS)
def test_two_gates_of_one_pipeline_have_a_comment_each(system: str, api: Comments, tmp_path: Path) -> None:
    environment = environment_of(system, api.address, tmp_path)
    for name in ("morning-rush", "night-shift", "morning-rush"):
        post(system, environment, marker(name), f"{marker(name)}\nx")  # type: ignore[arg-type]
    assert len(api.texts) == 2


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_token_goes_to_the_api_over_https_alone(system: str, tmp_path: Path) -> None:
    for address in ("http://api.example", "ftp://127.0.0.1", "https://"):
        with pytest.raises(ConfigError, match="expected https") as said:
            place_of(system, environment_of(system, address, tmp_path))  # type: ignore[arg-type]
        assert TOKEN not in str(said.value)
    place_of(system, environment_of(system, "https://api.example", tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_variable_that_is_missing_is_named(system: str, tmp_path: Path) -> None:
    whole = environment_of(system, "https://api.example", tmp_path)
    token = next(name for name, value in whole.items() if value == TOKEN)
    with pytest.raises(ConfigError, match=f"^{token}: expected "):
        place_of(system, {name: value for name, value in whole.items() if name != token})  # type: ignore[arg-type]


def test_an_api_that_refuses_is_told_without_the_token(tmp_path: Path) -> None:
    environment = environment_of("gitlab", "http://127.0.0.1:9", tmp_path)
    with pytest.raises(ConfigError, match=r"gitlab: expected 127\.0\.0\.1 to take GET") as said:
        post("gitlab", environment, "<!-- x -->", "text")
    assert TOKEN not in str(said.value)


def test_a_pull_request_s_number_is_found_in_the_event_too(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 31}}))
    environment = {**environment_of("github", "https://api.example", tmp_path), "GITHUB_REF": "refs/heads/main",
                   "GITHUB_EVENT_PATH": str(event)}  # fmt: skip
    assert re.search(r"/issues/31/comments$", place_of("github", environment).listed)


def test_the_last_judged_run_is_taken(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-a", "20260301T000000Z-a", "20260201T000000Z-a"):
        (tmp_path / name).mkdir()
        document = {**verdict_document(blocked()), "run_id": name}
        (tmp_path / name / "verdict.json").write_text(json.dumps(document))
    (tmp_path / "20260401T000000Z-a").mkdir()  # never judged
    assert read_told(tmp_path).verdict.run_id == "20260301T000000Z-a"


def test_no_verdict_is_an_error_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ci", str(tmp_path)]) == 2
    assert "expected a judged run" in capsys.readouterr().err
    (tmp_path / "verdict.json").write_text("{}")
    assert main(["ci", str(tmp_path)]) == 2
    assert "judge it again" in capsys.readouterr().err
