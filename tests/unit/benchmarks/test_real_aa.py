"""The series of real A/A runs: what is there is not run again, and a table says what its counts allow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.updates.replay import lab_of, policy_of, scenario_of
from tests.benchmarks import real_aa
from tests.benchmarks.real_aa import Kind, at_least, at_most, markdown, missing, published, rows_on_disk, run_of, table


def row(seed: int, verdict: str = "PASS", kind: Kind = "equal", load: float = 0.1) -> dict[str, Any]:
    return {
        "kind": kind, "lab": "embedded", "seed": seed, "date": "2026-11-28T12:00:00Z", "version": "0.2.0", "cores": 2,
        "load_before": load, "verdict": verdict, "reasons": ["a reason"], "load_s": 70.0, "change": 0.2,
    }  # fmt: skip


def test_a_series_that_was_cut_off_within_a_row_goes_on_behind_the_last_whole_one(tmp_path: Path) -> None:
    record = tmp_path / "real_aa.jsonl"
    assert rows_on_disk(record) == []
    whole = [json.dumps(row(seed)) for seed in (5, 6)]
    record.write_text("\n".join([*whole, json.dumps(row(7))[:40]]))
    assert missing(rows_on_disk(record), "equal", "embedded", 5, 4) == [7, 8]
    assert missing(rows_on_disk(record), "slower", "embedded", 5, 1) == [5]


def test_no_block_in_150_runs_allows_two_percent() -> None:
    assert at_most(0, 150) == pytest.approx(1 - 0.05 ** (1 / 150))
    assert at_most(3, 3) == 1.0 and at_least(0, 3) == 0.0
    assert at_least(30, 30) == pytest.approx(0.05 ** (1 / 30))


def test_runs_that_were_not_sound_are_counted_and_bear_no_bound() -> None:
    rows = [*map(row, range(10)), row(11, "INVALID"), row(12, "BLOCK", load=3.0), row(13, "BLOCK", kind="slower")]
    busy, quiet, both, slower = table(rows)[2:]
    assert "| quiet | 11 | 0 | 10 | 0 | 1 | at most 26 %" in quiet
    assert "| busy | 1 | 1 | 0 |" in busy
    assert "| quiet or busy | 12 | 1 | 10 | 0 | 1 |" in both
    assert "BLOCK at least 5 %" in slower and "+20 %" in slower
    assert markdown(rows).count("a reason") == 2


def test_a_machine_is_quiet_where_few_of_its_cores_are_in_use_whatever_its_load_average() -> None:
    (quiet,) = table([{**row(1, load=3.0), "used_before": 0.02}])[2:]
    assert "| quiet | 1 |" in quiet


def test_the_table_is_put_between_its_marks_alone() -> None:
    page = f"before\n{real_aa.BEGIN}\nold\n{real_aa.END}\nafter\n"
    once = published(page, [row(1)])
    assert once.startswith("before\n") and once.endswith("\nafter\n") and "old" not in once
    assert published(once, [row(1)]) == once
    assert published(real_aa.PAGE.read_text(encoding="utf-8"), [row(1)])
    with pytest.raises(ValueError, match="expected"):
        published("no marks", [row(1)])


@pytest.mark.parametrize("lab", ["embedded", "ad"])
@pytest.mark.parametrize("kind", ["equal", "slower"])
def test_every_kind_of_run_is_one_that_a_lab_can_play(kind: Kind, lab: Any) -> None:
    update = run_of(kind, lab)
    scenario = scenario_of(update)
    lab_of(update, scenario)
    assert scenario.blocks.pairs > policy_of(update).looks.pass_from
    assert bool(update.fault.relay) == (kind == "slower")
