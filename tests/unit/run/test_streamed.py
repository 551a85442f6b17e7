"""A run read in pieces gives what the same run gives that is read as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.model.evidence import Evidence
from harness.model.scenario import Scenario
from harness.record import parquet
from harness.record.completeness import KEY, written_of
from harness.record.folder import RunFolder
from harness.record.parquet import COMPLETE, GroupedAttempts, schema_for
from harness.record.schema import ATTEMPTS
from harness.report.html import page
from harness.report.verdict_json import verdict_document
from harness.run import evidence, pieces
from harness.run.evidence import evidence_of
from tests.helpers.stored import SCENARIO, stored_run

pytestmark = pytest.mark.slow

PAIRS = 24
LONG = SCENARIO.model_copy(update={"blocks": SCENARIO.blocks.model_copy(update={"pairs": PAIRS})})
WITH_HEADROOM = Scenario.model_validate({**LONG.model_dump(), "headroom": {"factor": 1.5, "every": 3}})


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups and pieces of a few pairs."""
    monkeypatch.setattr(parquet, "GROUP_ROWS", 150)
    monkeypatch.setattr(pieces, "JOINED_AT_ONCE", 3)
    monkeypatch.setattr(pieces, "MANY_LOGINS", 400)


def whole(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    with monkeypatch.context() as patched:
        patched.setattr(evidence, "gathered_from_file", lambda *_: None)
        return evidence_of(folder)


def alike(one: Any, other: Any, where: str = "") -> None:
    """Equal but for rounding."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            alike(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for place, (here, there) in enumerate(zip(one, other, strict=True)):
            alike(here, there, f"{where}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-12), where
    else:
        assert one == other, where


@pytest.mark.parametrize("scenario", [LONG, WITH_HEADROOM], ids=["plain", "headroom"])
@pytest.mark.parametrize(("slower", "workers"), [(1.0, 3), (1.8, 1)])
def test_pieces_add_up_to_the_run(
    scenario: Scenario, slower: float, workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored_run(tmp_path, scenario, slower=slower, marks={"workers": workers})
    assert len(GroupedAttempts(folder.path / "attempts.parquet").groups) > 5
    in_pieces, at_once = evidence_of(folder), whole(folder, monkeypatch)
    assert in_pieces.verdict.kind == at_once.verdict.kind
    alike(verdict_document(in_pieces), verdict_document(at_once))
    assert in_pieces.health.keys() == at_once.health.keys()
    for arm, health in in_pieces.health.items():
        assert health.planned == at_once.health[arm].planned
        assert health.workers == at_once.health[arm].workers == workers
        assert health.send_lag_p99_ms == pytest.approx(at_once.health[arm].send_lag_p99_ms, rel=1e-3)
        for delay, other in zip(health.delays, at_once.health[arm].delays, strict=True):
            alike(dict(delay.by_pair), dict(other.by_pair))
    for key, kept in in_pieces.shown.kept.items():
        other_kept = at_once.shown.kept[key]
        assert len(kept.response_s) == len(other_kept.response_s)
        assert kept.done_s.least(0.95) == pytest.approx(other_kept.done_s.least(0.95), rel=1e-3)
        assert kept.blocks.p95 == pytest.approx(other_kept.blocks.p95)
        for q in (0.0, 0.5, 0.95, 1.0):
            assert kept.response_s.quantile(q) == pytest.approx(other_kept.response_s.quantile(q), rel=1e-3)


def test_a_run_is_read_in_pieces_where_nothing_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored_run(tmp_path, LONG)
    monkeypatch.setattr(RunFolder, "read", _no_attempts(RunFolder.read))
    assert evidence_of(folder).verdict.kind.name == "PASS"


def test_what_is_wrong_in_one_row_group_is_told_as_of_a_run_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored_run(tmp_path, LONG)
    path = folder.path / "attempts.parquet"
    table = pq.read_table(path)
    ended = table["ended"].to_numpy().copy()
    ended[len(ended) // 2] = 0
    column = table.schema.get_field_index("ended")
    with path.open("wb") as file:
        parquet.write_attempts(iter([table.set_column(column, table.schema.field(column), pa.array(ended))]), file)
    written = written_of(folder.manifest())
    assert written is not None
    folder.update_manifest(**{KEY: written.with_file(path).document})
    found = evidence_of(folder)
    assert found.verdict.kind.name == "INVALID"
    assert any("1 of " in reason and "ended before they began" in reason for reason in found.verdict.reasons)
    assert found.verdict.reasons == whole(folder, monkeypatch).verdict.reasons


def test_the_page_is_made_of_what_the_pieces_showed(tmp_path: Path) -> None:
    text = page(evidence_of(stored_run(tmp_path, LONG)))
    assert text.count("data:image/svg+xml") == 2 * 4, "each wide and narrow"


def test_the_page_states_times_with_and_without_the_generators_own(tmp_path: Path) -> None:
    found = evidence_of(stored_run(tmp_path, LONG))
    text = page(found)
    for quantile in ("p50", "p95", "p99"):
        assert f"without the generator&#39;s own time, {quantile}" in text
    kept = found.shown.kept["baseline", "cold"]
    assert len(kept.with_own_s) == len(kept.response_s) > 0


def test_logins_come_back_from_the_file_as_they_were_written(tmp_path: Path) -> None:
    folder = stored_run(tmp_path, LONG)
    file = GroupedAttempts(folder.path / "attempts.parquet")
    found = [row for table in file.tables(range(PAIRS)) for row in table.to_pylist()]
    assert found == folder.attempts().to_pylist()
    assert file.pairs_done(PAIRS).sum() == len(found)
    assert any("steps.list.element.status" in group.alike for group in file.groups), "nothing was made up"


def test_a_value_that_is_missing_is_written_as_that(tmp_path: Path) -> None:
    table = stored_run(tmp_path, LONG).attempts()
    users = table["user"].to_pylist()
    users[3] = None
    missing = table.set_column(table.schema.get_field_index("user"), "user", pa.array(users, pa.string()))
    assert (schema_for(table), schema_for(missing)) == (COMPLETE, ATTEMPTS)
    with (tmp_path / "attempts.parquet").open("wb") as file:
        parquet.write_attempts(iter([missing]), file, schema_for(missing))
    back = [
        row for part in GroupedAttempts(tmp_path / "attempts.parquet").tables(range(PAIRS)) for row in part.to_pylist()
    ]
    assert back == missing.to_pylist()


def _no_attempts(read: Any) -> Any:
    def without(folder: RunFolder, kind: str) -> Any:
        assert kind != "attempts", "the attempts were read as a whole"
        return read(folder, kind)

    return without
