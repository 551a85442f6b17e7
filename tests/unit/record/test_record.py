"""What was measured stays readable, however the process that wrote it ended."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.config.load import load_policy, load_scenario, load_targets
from harness.errors import RunError
from harness.model.attempt import OK, STATUSES, Outcome, StepTiming
from harness.model.plan import make_plan
from harness.model.steps import EARLIER_TRIES
from harness.model.target import ARMS
from harness.record import folder as folder_module
from harness.record.columns import attempt_table
from harness.record.folder import RunFolder
from harness.record.journal import JournalReader, JournalWriter
from harness.record.schema import ATTEMPTS, HEALTH, attempts_batch
from harness.run.evidence import evidence_of
from harness.run.stored import ending_of
from tests.helpers.documents import CANARY, POLICY, SCENARIO, TARGETS
from tests.helpers.journals import AS, LOGINS, MS, attempt, batch, fill, written


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run's folder as the moment before its load."""
    for name, text in (("s", SCENARIO), ("t", TARGETS), ("p", POLICY)):
        (tmp_path / f"{name}.yaml").write_text(text)
    scenario, targets = load_scenario(tmp_path / "s.yaml"), load_targets(tmp_path / "t.yaml")
    return RunFolder.create(tmp_path / "results", scenario, targets, load_policy(tmp_path / "p.yaml"), ARMS)


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    batches = [batch(0, 1, 2), batch(3), batch(4, 5)]
    found = JournalReader(written(tmp_path / "j", batches), ATTEMPTS).new_batches()
    assert [each.to_pylist() for each in found] == [each.to_pylist() for each in batches]
    assert found[0].schema == ATTEMPTS


def test_a_journal_without_a_batch_or_a_file_has_none(tmp_path: Path) -> None:
    assert JournalReader(written(tmp_path / "empty", []), ATTEMPTS).new_batches() == []
    assert JournalReader(tmp_path / "missing", ATTEMPTS).new_batches() == []
    (tmp_path / "nothing").touch()
    assert JournalReader(tmp_path / "nothing", ATTEMPTS).new_batches() == []


def test_a_batch_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """A killed worker loses nothing that it has handed over."""
    writer = JournalWriter(tmp_path / "j", ATTEMPTS)
    writer.write(batch(0, 1))
    assert [len(each) for each in JournalReader(tmp_path / "j", ATTEMPTS).new_batches()] == [2]
    writer.close()


def test_a_journal_is_never_overwritten(tmp_path: Path) -> None:
    written(tmp_path / "j", [batch(0)])
    with pytest.raises(FileExistsError):
        JournalWriter(tmp_path / "j", ATTEMPTS)
    assert len(JournalReader(tmp_path / "j", ATTEMPTS).new_batches()) == 1


@pytest.mark.slow
def test_a_journal_cut_at_any_byte_gives_every_batch_before_the_cut(tmp_path: Path) -> None:
    batches = [batch(0, 1), batch(2), batch(3, 4, 5)]
    ends = []
    for count in range(len(batches) + 1):
        writer = JournalWriter(tmp_path / f"whole{count}", ATTEMPTS)
        for each in batches[:count]:
            writer.write(each)
        ends.append((tmp_path / f"whole{count}").stat().st_size)
        writer.close()
    data = (tmp_path / "whole3").read_bytes()
    cut = tmp_path / "cut"
    for size in range(len(data) + 1):
        cut.write_bytes(data[:size])
        found = JournalReader(cut, ATTEMPTS).new_batches()
        whole = sum(size >= end for end in ends[1:])
        assert len(found) == whole, f"cut at {size} of {len(data)}, batches end at {ends}"
        assert all(one.equals(other) for one, other in zip(found, batches, strict=False))


@pytest.mark.parametrize("stride", [1, 7, 64, 500])
def test_a_reader_that_follows_a_growing_journal_sees_each_batch_once_and_in_order(tmp_path: Path, stride: int) -> None:
    batches = [batch(0, 1), batch(2), batch(3, 4, 5)]
    data = written(tmp_path / "j", batches).read_bytes()
    reader = JournalReader(tmp_path / "growing", ATTEMPTS)
    found = []
    with (tmp_path / "growing").open("wb", buffering=0) as file:
        for at in range(0, len(data), stride):
            file.write(data[at : at + stride])
            found += reader.new_batches()
    assert [row["seq"] for each in found for row in each.to_pylist()] == [0, 1, 2, 3, 4, 5]
    assert reader.new_batches() == []


def test_attempts_keep_times_codes_and_steps_on_the_way_to_the_statistics() -> None:
    arrow = pa.Table.from_batches([attempts_batch(LOGINS[:2]), attempts_batch(LOGINS[2:])])
    table = attempt_table(arrow, {0: 0, 1: 1_000 * MS, 2: 3_000 * MS, 3: 5_000 * MS})
    assert len(table) == 4
    assert table.arm.tolist() == [0, 1, 1, 0]
    assert table.block.tolist() == [0, 3, 3, 0]
    assert table.pair.tolist() == [0, 1, 1, 0]
    assert table.cohort.tolist() == [0, 1, 1, 0]
    assert [STATUSES[code] for code in table.status] == ["ok", "denied", "withheld", "timeout"]
    np.testing.assert_allclose(table.intended_s, [0.100, 5.001, 5.002, 0.100])
    np.testing.assert_allclose(table.offset_s, [0.100, 0.001, 0.002, 0.100], atol=1e-12)
    np.testing.assert_allclose(table.response_s, [0.032, 0.014, 0.0, 10.002])
    np.testing.assert_allclose(table.service_s, [0.030, 0.005, 0.0, 10.0])
    assert set(table.steps) == {"kdc_as", "ldap_bind"}
    assert table.steps["kdc_as"].row.tolist() == [0, 3]
    np.testing.assert_allclose(table.steps["kdc_as"].service_s, [0.010, 0.010])
    assert table.steps["ldap_bind"].row.tolist() == [0, 1]
    np.testing.assert_allclose(table.steps["ldap_bind"].service_s, [0.020, 0.005])
    assert [STATUSES[code] for code in table.steps["ldap_bind"].status] == ["ok", "denied"]


def test_runs_from_before_there_were_cohorts_are_read_by_their_column_cache(run: RunFolder) -> None:
    """Killed ones from their journals, whole ones from Parquet."""
    now = attempts_batch(LOGINS)
    then = now.rename_columns(["cache" if name == "cohort" else name for name in now.schema.names])
    written(run.journal("attempts", "baseline"), [then], then.schema)
    assert run.attempts()["cohort"].to_pylist() == ["cold", "warm", "warm", "cold"]
    run.journal("attempts", "baseline").unlink()
    pq.write_table(pa.Table.from_batches([then]), run.path / "attempts.parquet")
    assert run.attempts().equals(pa.Table.from_batches([now]).sort_by("seq"))


def test_each_step_names_the_server_that_it_spoke_to() -> None:
    arrow = pa.Table.from_batches([attempts_batch(LOGINS)])
    assert [step["server"] for step in arrow["steps"][0].as_py()] == ["", "127.0.0.2:389"]


def test_a_wait_for_a_seat_is_charged_to_the_login_and_a_wait_for_the_pool_not_to_its_step() -> None:
    arrow = pa.Table.from_batches([attempts_batch(LOGINS)])
    assert arrow["seat_wait"].to_pylist() == [0, 9 * MS, 0, 0]
    assert arrow["steps"][0].as_py()[0]["pool_wait"] == MS
    table = attempt_table(arrow, {0: 0, 3: 0})
    assert math.isclose(table.response_s[1] - table.service_s[1], 0.009)
    assert math.isclose(table.steps["kdc_as"].service_s[0], 0.010)


def test_no_attempts_are_a_table_of_none() -> None:
    table = attempt_table(ATTEMPTS.empty_table(), {0: 0})
    assert len(table) == 0
    assert table.steps == {}
    assert len(attempt_table(pa.Table.from_batches([], ATTEMPTS), {})) == 0


def test_logins_of_which_none_took_a_step_have_no_steps() -> None:
    arrow = pa.Table.from_batches([attempts_batch(LOGINS)])
    assert attempt_table(arrow.slice(2, 1), {3: 0}).steps == {}


def test_a_part_of_the_attempts_has_the_steps_of_that_part() -> None:
    """What is judged while a run goes on is a filtered table; a slice's lists begin in the middle of their values."""
    arrow = pa.Table.from_batches([attempts_batch(LOGINS)])
    for part in (arrow.slice(1, 3), arrow.filter(pa.array([False, True, True, True]))):
        steps = attempt_table(part, {0: 0, 3: 0}).steps
        assert steps["kdc_as"].row.tolist() == [2]
        assert steps["ldap_bind"].row.tolist() == [0]
        np.testing.assert_allclose(steps["ldap_bind"].service_s, [0.005])


def test_a_code_that_nobody_knows_is_refused_and_not_read_as_another() -> None:
    arrow = pa.Table.from_batches([attempts_batch(LOGINS)])
    column = arrow.schema.get_field_index("status")
    strange = arrow.set_column(column, "status", pa.array(["ok", "fine", "ok", "ok"]))
    with pytest.raises(ValueError, match="expected one of ok, denied"):
        attempt_table(strange, {0: 0, 3: 0})


def test_the_columns_of_a_table_can_not_be_written_to() -> None:
    table = attempt_table(pa.Table.from_batches([attempts_batch(LOGINS)]), {0: 0, 3: 0})
    with pytest.raises(ValueError, match="read-only"):
        table.response_s[0] = 0.0


@pytest.mark.parametrize(
    "make",
    [
        lambda: attempt(started=99 * MS),
        lambda: attempt(ended=101 * MS),
        lambda: StepTiming("kdc_as", 2, 1, OK),
    ],
)
def test_a_login_that_ended_before_it_began_can_not_be_told(make: Any) -> None:
    with pytest.raises(ValueError, match=r"expected intended <= started <= ended|ended 1 before it started 2"):
        make()


def test_the_attempts_of_both_workers_are_in_the_order_of_the_plan(run: RunFolder) -> None:
    fill(run)
    assert run.attempts()["seq"].to_pylist() == [0, 1, 2, 3]
    assert run.health()["t"].to_pylist() == [0, 1, 2, 3]


def test_finishing_keeps_every_row_and_leaves_no_journal(run: RunFolder) -> None:
    fill(run)
    before, health = run.attempts(), run.health()
    run.finish()
    assert run.attempts().equals(before)
    assert run.health().equals(health)
    assert sorted(path.name for path in run.path.iterdir()) == ["attempts.parquet", "health.parquet", "manifest.json"]


def test_finishing_twice_is_harmless(run: RunFolder) -> None:
    fill(run)
    run.finish()
    before = run.attempts()
    run.finish()
    assert run.attempts().equals(before)


def test_a_run_without_attempts_is_finished_with_none(run: RunFolder) -> None:
    run.finish()
    assert len(run.attempts()) == 0
    assert run.attempts().schema == ATTEMPTS


def test_the_journals_stay_until_their_parquet_is_whole(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(run)
    before = run.attempts()

    def full_disk(table: Any, path: Path, **_: Any) -> None:
        path.write_bytes(b"PAR1 and no more")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(folder_module.pq, "write_table", full_disk)
        run.finish()
    assert run.journal("attempts", "baseline").exists()
    assert run.attempts().equals(before)
    run.finish()
    assert run.attempts().equals(before)


def test_a_run_that_was_killed_between_parquet_and_the_journals_end_counts_nothing_twice(run: RunFolder) -> None:
    fill(run)
    kept = {path: path.read_bytes() for path in run.path.glob("*.arrows")}
    before = run.attempts()
    run.finish()
    for path, content in kept.items():
        path.write_bytes(content)
    assert run.attempts().equals(before)
    run.finish()
    assert run.attempts().equals(before)
    assert not list(run.path.glob("*.arrows"))


def test_a_parquet_file_that_is_none_or_anothers_is_an_error_of_the_user(run: RunFolder) -> None:
    (run.path / "attempts.parquet").write_bytes(b"not Parquet")
    with pytest.raises(RunError, match=r"attempts\.parquet: expected a Parquet file of attempts, got: "):
        run.attempts()
    folder_module.pq.write_table(pa.table({"seq": ["a"]}), run.path / "attempts.parquet")
    with pytest.raises(RunError, match=r"attempts\.parquet: expected a Parquet file of attempts, got: "):
        run.attempts()


def test_a_run_is_opened_as_it_was_created(run: RunFolder) -> None:
    found = RunFolder.open(run.path)
    assert found.scenario() == run.scenario()
    assert found.scenario().digest == found.manifest()["scenario_digest"]
    assert found.targets() == run.targets()
    assert found.policy() == run.policy()
    assert found.arms() == ARMS


def test_the_manifest_is_replaced_whole_or_not_at_all(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run.manifest()
    with pytest.raises(TypeError):
        run.update_manifest(ending={"lost": {"a", "set"}})
    assert run.manifest() == before
    run.update_manifest(status="complete")
    after = run.manifest()
    assert after.pop("digest") != before.pop("digest")
    assert after == {**before, "status": "complete"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected JSON"),
        (b"{", "expected JSON"),
        (b"\xff\xfe\x00binary", "expected JSON"),
        (b"[1, 2]", "expected a JSON object"),
        (b"{}", "expected format 1 or 2"),
        (b'{"format": 3}', "expected format 1 or 2"),
        (b'{"format": 2}', "created: expected what a run writes there"),
        (b'{"format": 1}', "created: expected what a run writes there"),
        (b'{"format": 1, "created": "now", "status": "complete"}', "scenario: expected what a run writes there"),
    ],
)
def test_a_broken_manifest_is_an_error_of_the_user(run: RunFolder, content: bytes, said: str) -> None:
    (run.path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError) as caught:
        RunFolder.open(run.path)
    assert str(caught.value).startswith(f"{run.path / 'manifest.json'}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("key", ["created", "status", "scenario", "targets", "policy", "arms"])
@pytest.mark.parametrize("value", [None, 5, {"name": 5}])
def test_a_manifest_with_any_part_broken_is_an_error_of_the_user(run: RunFolder, key: str, value: object) -> None:
    run.update_manifest(**{key: value})
    with pytest.raises(RunError, match=rf"manifest\.json: {key}: expected what a run writes there"):
        RunFolder.open(run.path)


def test_a_run_that_began_at_no_time_is_an_error_of_the_user(run: RunFolder) -> None:
    run.update_manifest(created="yesterday")
    with pytest.raises(RunError, match=r"manifest\.json: created: expected an ISO 8601 time, got yesterday"):
        run.created()


def test_an_ending_that_no_run_writes_is_an_error_of_the_user() -> None:
    for ending in (5, {}, {"lost": []}, {"complete": True, "lost": [], "mood": "good"}):
        with pytest.raises(RunError, match="ending: expected what a run writes there"):
            ending_of({"ending": ending})


def test_a_folder_that_is_no_run_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a run's manifest, got: No such file or directory"):
        RunFolder.open(tmp_path)


def test_results_that_can_not_be_written_are_an_error_before_the_load(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="expected a folder to write results to, got: Not a directory"):
        RunFolder.create(tmp_path / "file", run.scenario(), run.targets(), run.policy(), ARMS)


def test_the_folder_of_a_run_holds_no_secret(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are named by their source; what the source holds goes nowhere."""
    monkeypatch.setenv("CLINIC_ACCOUNTS", f"u000001,{CANARY}")
    (tmp_path / "t.yaml").write_text(TARGETS.replace("csv: secrets/accounts.csv", "env: CLINIC_ACCOUNTS"))
    targets = load_targets(tmp_path / "t.yaml")
    made = RunFolder.create(tmp_path / "results", run.scenario(), targets, run.policy(), ARMS)
    fill(made)
    made.finish()
    assert made.manifest()["targets"]["arms"]["baseline"]["credentials"]["env"] == "CLINIC_ACCOUNTS"
    for path in made.path.rglob("*"):
        assert CANARY.encode() not in path.read_bytes(), path


def test_every_run_has_a_folder_of_its_own(run: RunFolder, tmp_path: Path) -> None:
    made = {
        RunFolder.create(tmp_path / "results", run.scenario(), run.targets(), run.policy(), ARMS).path
        for _ in range(20)
    }
    assert len(made) == 20


def test_a_killed_run_still_gives_evidence_and_says_that_it_is_partial(run: RunFolder) -> None:
    fill(run)
    assert json.loads((run.path / "manifest.json").read_text())["status"] == "running"
    found = evidence_of(RunFolder.open(run.path))
    assert "killed" in found.partial
    assert found.verdict.exit_code != 0
    assert found.shown.logins == 0, "these rows are not of its plan"
    assert found.design.horizon_pairs == len(make_plan(run.scenario()).blocks) // 2


GIVEN_UP = StepTiming(EARLIER_TRIES, 102 * MS, 202 * MS, Outcome("timeout", "ldap_bind"))


def test_how_often_a_login_was_tried_and_where_it_was_given_up_outlive_the_run(run: RunFolder) -> None:
    again = attempt(1, steps=[GIVEN_UP, GIVEN_UP, AS], ended=400 * MS)
    assert (LOGINS[0].tries, again.tries) == (1, 3)
    written(run.journal("attempts", "baseline"), [attempts_batch([LOGINS[0], again])])
    written(run.journal("health", "baseline"), [], HEALTH)
    run.finish()
    assert run.attempts()["tries"].to_pylist() == [1, 3]
    given_up = attempt_table(run.attempts(), {0: 0}).given_up
    assert given_up is not None
    assert [given_up.steps[place] for place in given_up.step] == ["ldap_bind", "ldap_bind"]
    assert list(given_up.row) == [1, 1]


@pytest.mark.parametrize("finished", [False, True], ids=["journal", "parquet"])
def test_a_run_from_before_there_were_tries_is_one_of_logins_tried_once(run: RunFolder, finished: bool) -> None:
    older = pa.schema([field for field in ATTEMPTS if field.name != "tries"])
    rows = attempts_batch(LOGINS).select(older.names)
    if finished:
        pq.write_table(pa.Table.from_batches([rows], older), run.path / "attempts.parquet")
    else:
        written(run.journal("attempts", "baseline"), [rows], older)
    found = run.attempts()
    assert found.schema == ATTEMPTS
    assert found["tries"].to_pylist() == [1] * len(LOGINS)
    assert found.drop_columns("tries").to_pylist() == rows.to_pylist()
    assert attempt_table(found, {0: 0, 3: 0}).given_up is None
