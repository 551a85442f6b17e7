"""Wrong files in wrong places: what a hurried user gives the commands ends in a line, and says no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.cli.main import main
from harness.record.folder import RunFolder
from tests.helpers.stored import stored_run
from tests.unit.config.test_load import CANARY, POLICY, SCENARIO, TARGETS


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run's folder, beside inputs that are right."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("rush.yaml", SCENARIO), ("right.yaml", TARGETS), ("lax.yaml", POLICY)):
        Path(name).write_text(text)
    folder = stored_run(tmp_path / "results")
    assert main(["compare", str(folder.path)]) == 0
    return folder.path


def one_line(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line that a command says which exits with 2."""
    capsys.readouterr()
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize(("verb", "code"), [("compare", 30), ("report", 0)])
@pytest.mark.parametrize("by", [500, -5])
def test_attempts_of_another_plan_are_no_crash(
    run: Path, capsys: pytest.CaptureFixture[str], verb: str, code: int, by: int
) -> None:
    path = run / "attempts.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("pair")
    moved = pa.array(table["pair"].to_numpy() + by, table.schema.field("pair").type)
    pq.write_table(table.set_column(at, "pair", moved), path)
    capsys.readouterr()
    assert main([verb, str(run)]) == code
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
    assert "is not a finite number" in capsys.readouterr().err


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
