"""A site's runs are listed, filtered and drawn; what can't be read is named and the rest is shown."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from harness.cli.main import main
from harness.model.target import Targets
from harness.record.folder import RunFolder
from harness.report.history_json import HistoryDocument
from harness.studies.history import Wanted, read_history, rows_of
from tests.helpers.histories import FIRST, judged
from tests.helpers.hostile import HOSTILE
from tests.helpers.stored import TARGETS, stored_run

pytestmark = pytest.mark.slow


def with_levels(folder: RunFolder, factor: float) -> None:
    """What verdict.json says of both arms, this many times as slow."""
    path = folder.path / "verdict.json"
    document = json.loads(path.read_text())
    for finding in document["findings"]:
        for arm in ("baseline", "candidate"):
            finding[arm] = None if finding[arm] is None else finding[arm] * factor
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 runs: the 6th is blocked, and from the 9th on everything is a quarter slower."""
    there = tmp_path_factory.mktemp("results")
    for number in range(16):
        folder = judged(there, number, slower=2.5 if number == 5 else 1.0)
        if number >= 8:
            with_levels(folder, 1.25)
    return there


def test_every_run_is_listed_in_order_of_time(results: Path) -> None:
    history, unread = read_history([results], Wanted())
    assert [past.releases[1] for past in history] == [f"2026.{number + 1:02d}" for number in range(16)]
    assert unread == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(verdict="BLOCK"), 1),
        (Wanted(scenario="another"), 0),
        (Wanted(target="2026.03"), 2),
        (Wanted(target="127.0.0.1"), 16),
        (Wanted(since=FIRST + timedelta(days=14)), 15),
        (Wanted(until=FIRST + timedelta(days=14)), 1),
        (Wanted(since=FIRST + timedelta(days=14), until=FIRST + timedelta(days=28), verdict="PASS"), 1),
    ],
)
def test_runs_are_chosen_by_what_is_asked_for(results: Path, wanted: Wanted, count: int) -> None:
    assert len(read_history([results], wanted)[0]) == count


def test_a_level_that_changed_is_shown_from_its_run_on(results: Path) -> None:
    (row,) = rows_of(read_history([results], Wanted())[0])
    shown = [change for change in row.changes if change.metric == "cold/login/p50/expected"]
    assert {change.arm for change in shown} == {"baseline", "candidate"}
    assert {change.started for change in shown} == {FIRST + timedelta(days=14 * 8)}
    baseline = next(change for change in shown if change.arm == "baseline")
    assert baseline.after / baseline.before == pytest.approx(1.25, rel=0.05)


def test_runs_against_other_servers_are_a_row_of_their_own(results: Path, tmp_path: Path) -> None:
    document = TARGETS.model_dump(mode="json")
    document["arms"]["candidate"]["kdcs"] = ["127.0.0.2:1"]
    stored_run(tmp_path, targets=Targets.model_validate(document))
    history, _ = read_history([results, tmp_path], Wanted())
    assert sorted(len(row.runs) for row in rows_of(history)) == [1, 16]


def test_a_run_that_was_not_judged_is_listed_without_levels(tmp_path: Path) -> None:
    stored_run(tmp_path)
    ((past,), unread) = read_history([tmp_path], Wanted())
    assert (past.verdict, past.levels, unread) == ("", {}, [])


def test_what_can_not_be_read_is_named_and_the_rest_is_listed(tmp_path: Path) -> None:
    good, cut, foreign = (judged(tmp_path, number) for number in range(3))
    (cut.path / "manifest.json").write_text("{")
    (foreign.path / "verdict.json").write_text((good.path / "verdict.json").read_text())
    history, unread = read_history([tmp_path], Wanted())
    assert [past.run_id for past in history] == [good.run_id]
    assert any("manifest.json: expected JSON" in text for text in unread)
    assert any("expected the verdict on" in text for text in unread)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(tmp_path / "nowhere"), "--no-page"]) == 2
    assert "expected a folder of runs" in capsys.readouterr().err


def test_the_page_holds_all_that_it_shows(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "history.html"
    assert main(["history", str(results), "--out", str(out)]) == 0
    said, text = capsys.readouterr().out, out.read_text()
    assert "BLOCK" in said and "cold login p50 of the baseline" in said
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert "default-src 'none'" in text
    assert text.count("<tr data-run=") == 16


def test_json_follows_its_schema(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", str(results), "--format", "json", "--no-page"]) == 0
    said = capsys.readouterr().out
    document = TypeAdapter(HistoryDocument).validate_json(said)
    assert len(document.rows[0].runs) == 16
    assert main(["schema", "history"]) == 0
    schema = json.loads(capsys.readouterr().out)["$defs"]
    (run, *_) = json.loads(said)["rows"][0]["runs"]
    assert run.keys() == schema["Past"]["properties"].keys()
    assert {"run_id", "path", "started", "hosts", "arms", "blamed_step", "report", "levels"} <= run.keys()


def test_a_text_in_a_run_can_not_become_a_script(tmp_path: Path) -> None:
    folder = judged(tmp_path, 0)
    path = folder.path / "verdict.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sentence": HOSTILE}))
    assert main(["history", str(tmp_path), "--out", str(tmp_path / "h.html")]) == 0
    text = (tmp_path / "h.html").read_text()
    assert "<script>alert" not in text and text.count("</script>") == 2
