"""Wrong files in wrong places: what a hurried user gives the commands ends in a line, and says no secret."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.cli.main import main
from harness.config.load import load_policy, load_scenario, load_targets
from harness.model.target import ARMS
from harness.record.folder import RunFolder
from harness.run.assess import Ending
from tests.helpers.documents import CANARY, POLICY, SCENARIO, TARGETS
from tests.helpers.journals import fill


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run in it and inputs that are right, to be copied."""
    home = tmp_path_factory.mktemp("finished")
    for name, text in (("rush.yaml", SCENARIO), ("right.yaml", TARGETS), ("lax.yaml", POLICY)):
        (home / name).write_text(text)
    inputs = load_scenario(home / "rush.yaml"), load_targets(home / "right.yaml"), load_policy(home / "lax.yaml")
    folder = RunFolder.create(home / "results", *inputs, ARMS)
    fill(folder)
    folder.finish()
    folder.update_manifest(status="complete", ending=asdict(Ending(complete=True, pairs=1)))
    assert main(["compare", str(folder.path)]) not in (1, 2)
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run's folder, beside inputs that are right."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (path,) = (tmp_path / "results").iterdir()
    return path


def one_line(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line that a command says which exits with 2."""
    capsys.readouterr()
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize("verb", ["compare", "report"])
@pytest.mark.parametrize("by", [500, -5])
def test_attempts_of_another_plan_are_no_crash(
    run: Path, capsys: pytest.CaptureFixture[str], verb: str, by: int
) -> None:
    path = run / "attempts.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("pair")
    moved = pa.array(table["pair"].to_numpy() + by, table.schema.field("pair").type)
    pq.write_table(table.set_column(at, "pair", moved), path)
    assert main([verb, str(run)]) == (30 if verb == "compare" else 0)
    assert "attempts.parquet: it is not the file that the run wrote" in capsys.readouterr().out


@pytest.mark.parametrize("pairs", ["two", -1, [1], 1.5])
def test_an_ending_that_no_run_writes_is_no_crash(run: Path, capsys: pytest.CaptureFixture[str], pairs: Any) -> None:
    folder = RunFolder.open(run)
    folder.update_manifest(ending={**folder.manifest()["ending"], "pairs": pairs})
    assert one_line(capsys, "compare", str(run)).startswith("manifest.json: ending: expected what a run writes there")


def test_a_manifest_nested_too_deep_is_no_crash(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "manifest.json").write_text("[" * 100_000)
    assert "manifest.json: expected JSON" in one_line(capsys, "compare", str(run))


@pytest.mark.parametrize(
    "argv", [["--trim-s", "nan"], ["--trim-s", "inf"], ["--timeout-s", "nan"], ["--block-s", "nan"]]
)
def test_no_number_is_a_usage_error(run: Path, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    assert main(["compare", "--attempts", "a.csv", *argv]) == 2
    assert re.search(r"is not a finite number|is not in the range", capsys.readouterr().err)


@pytest.mark.parametrize(
    "content",
    [f"zoe,{CANARY}\nadam,{CANARY}\n", f"zoe:{CANARY}:20228:0:99999:7:::\n", f"zoe:*:{CANARY}:::\nadam:{CANARY}: x\n"],
)
@pytest.mark.parametrize("option", ["--targets", "--policy"])
def test_a_file_of_passwords_taken_for_another_is_not_said(
    run: Path, capsys: pytest.CaptureFixture[str], content: str, option: str
) -> None:
    Path("accounts.yaml").write_text(content)
    given = {"--targets": "right.yaml", option: "accounts.yaml"}
    assert main(["gate", "rush.yaml", *(word for item in given.items() for word in item)]) == 2
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert "accounts.yaml:1: " in said.err
