"""The examples by which DuckDB, pandas and polars read a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.helpers.pages import ROOT, fences
from tests.helpers.stored import stored_run

BLOCKS = {fence.text.split("\n", 1)[0].lstrip("-# ").partition(":")[0]: fence
          for fence in fences(ROOT / "docs" / "results.md") if fence.kind in ("sql", "python")}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run = stored_run(tmp_path, slower=2.0).path
    monkeypatch.chdir(run)
    return run


def test_there_is_an_example_for_each() -> None:
    assert BLOCKS.keys() == {"DuckDB", "pandas", "polars"}


def test_duckdb_s_example_finds_the_slower_arm(folder: Path) -> None:
    rows = duckdb.sql(BLOCKS["DuckDB"].text).fetchall()
    assert rows[0][0] == "candidate" and rows[-1][0] == "baseline"
    assert rows[0][2] > 1.5 * rows[-1][2] > 0


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_the_other_s_example_finds_it_too(folder: Path, name: str) -> None:
    held: dict[str, Any] = {}
    exec(BLOCKS[name].text, held)  # noqa: S102 - the documentation's own code
    found = held["p95"]
    found = dict(found) if name == "pandas" else {row["arm"]: row["p95_ms"] for row in found.to_dicts()}
    assert found["candidate"] > 1.5 * found["baseline"] > 0
