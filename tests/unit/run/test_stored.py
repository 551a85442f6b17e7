"""What is missing, damaged or can't have happened makes a stored run INVALID by name, and never a PASS."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from harness.cli.main import main
from harness.errors import RunError
from harness.model.evidence import Evidence
from harness.model.plan import NS, make_plan
from harness.model.verdict import Kind
from harness.record.completeness import KEY, written_of
from harness.record.folder import FORMAT, UNCOUNTED, RunFolder
from harness.record.journal import HEAD, JournalReader, JournalWriter
from harness.record.schema import ATTEMPTS, HEALTH, HealthSecond
from harness.run.audit import AttemptAudit, audit_health
from harness.run.evidence import evidence_of
from harness.run.stored import OF_AN_OLDER_VERSION, read_run
from harness.run.two_runs import evidence_of_two
from harness.studies.planning import read_noise
from harness.studies.trend import trend
from tests.helpers.stored import POLICY, SCENARIO, stored_run

pytestmark = pytest.mark.slow

MS = 1_000_000
Damage = Callable[[RunFolder], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that passes."""
    folder = stored_run(tmp_path_factory.mktemp("results"))
    assert evidence_of(folder).verdict.kind is Kind.PASS
    return folder


@pytest.fixture
def run(whole: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of it, to be damaged."""
    return RunFolder(Path(shutil.copytree(whole.path, tmp_path / whole.run_id)))


def stalled(second: HealthSecond) -> HealthSecond:
    """The health of a candidate's generator that stalls."""
    return replace(second, hub_stall_p99_ms=400.0) if second.arm == "candidate" else second


def invalid(folder: RunFolder) -> Evidence:
    found = evidence_of(RunFolder.open(folder.path))
    assert found.verdict.kind is Kind.INVALID, found.verdict
    assert all(evidence_of(folder, policy).verdict.kind is Kind.INVALID for policy in (POLICY,))
    return found


def reasons(folder: RunFolder) -> str:
    return "\n".join(invalid(folder).verdict.reasons)


def changed(folder: RunFolder, kind: str, change: Callable[[Any], Any], recounted: bool = False) -> None:
    """Rewrite a Parquet file; ``recounted``: by somebody who also writes down the new counts and digest."""
    path = folder.path / f"{kind}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    if recounted:
        written = written_of(folder.manifest())
        assert written is not None
        table = folder_table(path)
        counts = {arm: int(pc.sum(pc.equal(table["arm"], arm)).as_py() or 0) for arm in written.planned}
        folder.update_manifest(**{KEY: replace(written.with_file(path), **{kind: counts}).document})


def folder_table(path: Path) -> Any:
    return pq.read_table(path)


def with_column(name: str, change: Callable[[Any], Any], where: str = "") -> Callable[[Any], Any]:
    """A change of one column's values, of one arm's rows or of all."""

    def made(table: Any) -> Any:
        values = table[name].to_pylist()
        mine = [not where or arm == where for arm in table["arm"].to_pylist()]
        new = [change(value) if hit else value for value, hit in zip(values, mine, strict=True)]
        return table.set_column(table.schema.get_field_index(name), name, pa.array(new, table.schema.field(name).type))

    return made


def without_arm(arm: str) -> Callable[[Any], Any]:
    return lambda table: table.filter(pc.not_equal(table["arm"], arm))


HEALTH_DAMAGE: dict[str, Callable[[Any], Any]] = {
    "emptied": lambda table: table.slice(0, 0),
    "cut to an eighth": lambda table: table.slice(0, len(table) // 8),
    "without the candidate's": without_arm("candidate"),
    "the other arm's": with_column("arm", lambda arm: "baseline", "candidate"),
    "every row twice": lambda table: pa.concat_tables([table, table]),
    "stalls removed": with_column("hub_stall_p99_ms", lambda _: None),
    "no number": with_column("hub_stall_p99_ms", lambda _: math.nan),
    "another time": with_column("t", lambda t: t + 10**17),
}


@pytest.mark.parametrize("recounted", [False, True], ids=["", "recounted"])
@pytest.mark.parametrize("damage", HEALTH_DAMAGE)
def test_health_that_is_damaged_in_any_way_does_not_turn_a_stalled_generator_into_a_pass(
    tmp_path: Path, damage: str, recounted: bool
) -> None:
    run = stored_run(tmp_path, health=stalled)
    assert "event loop stalled" in reasons(run)
    changed(run, "health", HEALTH_DAMAGE[damage], recounted)
    said = reasons(run)
    assert recounted or "health.parquet: it is not the file that the run wrote" in said


@pytest.mark.parametrize("name", ["health.parquet", "attempts.parquet", "protocol.json"])
def test_a_file_that_is_missing_is_named(run: RunFolder, name: str) -> None:
    (run.path / name).unlink()
    assert f"{name}: it is missing" in reasons(run)


@pytest.mark.parametrize("name", ["health.parquet", "attempts.parquet", "protocol.json"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"\0" * 5000, b"{}"])
def test_a_file_that_is_another_is_named_and_not_read(run: RunFolder, name: str, content: bytes) -> None:
    (run.path / name).write_bytes(content)
    assert f"{name}: it is not the file that the run wrote" in reasons(run)


def moved(ns: int) -> Callable[[Any], Any]:
    def made(table: Any) -> Any:
        for name in ("started", "ended"):
            table = with_column(name, lambda at: at + ns)(table)
        return table

    return made


IMPOSSIBLE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "early": (moved(-5 * NS), "began before they were due"),
    "no steps": (with_column("steps", lambda _: []), "lack steps of their way"),
    "null steps": (with_column("steps", lambda _: None), "lack steps of their way"),
    "a step less": (with_column("steps", lambda steps: steps[:-1]), "lack steps of their way"),
    "steps reversed": (with_column("steps", lambda steps: steps[::-1]), "have steps that are not their way's"),
    "a step that ended before it began": (
        with_column("steps", lambda steps: [*steps[:-1], {**steps[-1], "ended": steps[-1]["started"] - 1}]),
        "have steps that can't have happened",
    ),
    "steps of another time": (
        with_column("steps", lambda steps: [{**s, "started": 0, "ended": 1} for s in steps]),
        "have steps outside their own time",
    ),
    "twice": (lambda table: pa.concat_tables([table, table]), "are there twice"),
    "blocks shifted": (with_column("block", lambda block: block + 1), "are not as they were planned"),
    "block 2^31-1": (with_column("block", lambda _: 2**31 - 1), "are not as they were planned"),
    "pairs shifted": (with_column("pair", lambda pair: pair - 1), "are not as they were planned"),
    "arms exchanged": (
        with_column("arm", lambda arm: {"baseline": "candidate", "candidate": "baseline"}[arm]),
        "are not as they were planned",
    ),
    "another due time": (with_column("intended", lambda at: at - 1), "are not as they were planned"),
    "no arm": (with_column("arm", lambda _: "third"), "are not as they were planned"),
    "seq of another plan": (with_column("seq", lambda seq: seq + 10**9), "are none of the plan's"),
    "ended never": (with_column("ended", lambda _: 2**62), "ended long after the run"),
    "ended before": (with_column("ended", lambda at: at - 100 * NS), "ended before they began"),
    "no such status": (with_column("status", lambda _: "fine"), "ended in no known way"),
    "no status": (with_column("status", lambda _: None), "lack a value"),
    "a wait for a seat that was not": (with_column("seat_wait", lambda _: 10**12), "waited longer for a seat"),
    "tries": (with_column("tries", lambda _: 7), "were tried more often than they may be"),
    "none": (lambda table: table.slice(0, 0), "0 pairs are there whole, the run ended with 6 of 6"),
    "a half": (lambda table: table.slice(0, len(table) // 2), "pairs are there whole, the run ended with 6 of 6"),
    "one arm": (without_arm("candidate"), "0 pairs are there whole, the run ended with 6 of 6"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_attempts_that_can_not_be_true_are_invalid_by_name_even_where_they_were_counted_again(
    run: RunFolder, what: str
) -> None:
    change, said = IMPOSSIBLE[what]
    changed(run, "attempts", change, recounted=True)
    assert said in reasons(run)


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_attempts_that_were_changed_are_not_the_runs(run: RunFolder, what: str) -> None:
    changed(run, "attempts", IMPOSSIBLE[what][0])
    assert "attempts.parquet: it is not the file that the run wrote" in reasons(run)


def test_rows_that_are_fewer_than_the_run_counted_are_told_by_arm(run: RunFolder) -> None:
    written = written_of(run.manifest())
    assert written is not None
    changed(run, "attempts", lambda table: table.slice(0, len(table) - 5))
    again = replace(written.with_file(run.path / "attempts.parquet"))
    run.update_manifest(**{KEY: again.document})
    assert "logins are there, the run wrote" in reasons(run)


MANIFESTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a margin": lambda m: {**m, "policy": {**m["policy"], "slow_after_s": 3.0}},
    "a limit": lambda m: {**m, "policy": {**m["policy"], "limits": {**m["policy"]["limits"], "hub_stall_p99_ms": 900}}},
    "no counts": lambda m: {key: value for key, value in m.items() if key != KEY},
    "no digest": lambda m: {key: value for key, value in m.items() if key != "digest"},
    "the seed": lambda m: {**m, "scenario": {**m["scenario"], "seed": 7}},
    "the ending": lambda m: {**m, "ending": {**m["ending"], "pairs": 4}},
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_that_is_not_as_the_run_wrote_it_gives_no_verdict(run: RunFolder, what: str) -> None:
    path = run.path / "manifest.json"
    path.write_text(json.dumps(MANIFESTS[what](json.loads(path.read_text()))))
    assert "manifest.json: " in reasons(run)


def test_a_run_of_an_older_version_can_be_read_and_gives_no_verdict(run: RunFolder) -> None:
    """What it had to hold was not written down, so that nobody can tell whether it is all there."""
    manifest = {key: value for key, value in run.manifest().items() if key not in (KEY, "digest")}
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "format": UNCOUNTED}))
    assert OF_AN_OLDER_VERSION in reasons(run)
    found = evidence_of(run)
    assert found.shown.logins == sum(len(block.arrivals) for block in make_plan(SCENARIO).blocks)
    assert found.comparison is not None and found.comparison.shifts


def test_a_killed_run_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    run = stored_run(tmp_path, finished=False)
    rows = len(run.attempts())
    for path in run.path.glob("*.arrows"):
        kind = path.stem.partition("-")[0]
        schema = {"attempts": ATTEMPTS, "health": HEALTH}[kind]
        batches = JournalReader(path, schema).new_batches()
        with pa.ipc.new_stream(path, schema) as stream:
            for batch in batches:
                stream.write_batch(batch)
    manifest = {key: value for key, value in run.manifest().items() if key not in (KEY, "digest")}
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "format": UNCOUNTED}))
    assert len(run.attempts()) == rows
    assert OF_AN_OLDER_VERSION in reasons(run)


def test_a_killed_run_that_had_more_than_is_there_now_is_told(tmp_path: Path) -> None:
    run = stored_run(tmp_path, finished=False)
    found = evidence_of(run)
    assert (found.verdict.kind, bool(found.partial)) == (Kind.INCONCLUSIVE, True)
    path = run.journal("health", "candidate")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "candidate: " in reasons(run)
    path.unlink()
    assert "candidate: 0 seconds of the generator's health are there" in reasons(run)


def batches_lost(path: Path, number: int, data: bytes) -> None:
    """Flip a bit in the middle of a record's body."""
    at, seen = 0, -1
    while seen < number:
        start = at
        at = start + HEAD + int.from_bytes(data[start + 8 : start + 12], "little")
        seen += 1
    middle = (start + HEAD + at) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :])


@pytest.mark.parametrize("kind", ["attempts", "health"])
def test_a_damaged_batch_costs_that_batch_and_the_run_says_so_before_and_after_it_is_finished(
    tmp_path: Path, kind: str
) -> None:
    run = stored_run(tmp_path, finished=False)
    path = run.journal(kind, "candidate")
    batches = JournalReader(path, {"attempts": ATTEMPTS, "health": HEALTH}[kind]).new_batches()
    before = len(getattr(run, kind)())
    batches_lost(path, 3, path.read_bytes())
    assert len(getattr(run, kind)()) == before - len(batches[2])
    said = f"{kind}-candidate-0.arrows: batch 3 does not match its checksum"
    assert said in reasons(run)
    run.finish(status="complete", ending={"complete": True, "interrupted": "", "stopped_for_denials": False,
                                          "lost": [], "pairs": 2})  # fmt: skip
    assert not list(run.path.glob("*.arrows"))
    assert said in reasons(run)


def test_one_flipped_bit_anywhere_in_a_journal_costs_one_batch_at_most(tmp_path: Path) -> None:
    run = stored_run(tmp_path, finished=False)
    path, other = run.journal("attempts", "baseline"), tmp_path / "flipped"
    data = path.read_bytes()
    sizes = [len(batch) for batch in JournalReader(path, ATTEMPTS).new_batches()]
    for bit in range(0, len(data) * 8, 4_999):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        other.write_bytes(flipped)
        reader = JournalReader(other, ATTEMPTS)
        lost = sum(sizes) - sum(map(len, reader.new_batches()))
        assert lost <= max(sizes)
        assert reader.damage or bit // 8 >= len(data) - max(sizes) * 1_000


@pytest.mark.parametrize("what", ["removed", "repeated", "zeroed", "another's"])
def test_batches_that_were_removed_repeated_or_overwritten_are_told(tmp_path: Path, what: str) -> None:
    run = stored_run(tmp_path, finished=False)
    path = run.journal("attempts", "baseline")
    data = path.read_bytes()
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + HEAD + int.from_bytes(data[ends[-1] + 8 : ends[-1] + 12], "little"))
    first, last = ends[4], ends[6]
    middle = {
        "removed": b"",
        "repeated": data[first:last] * 2,
        "zeroed": bytes(last - first),
        "another's": run.journal("health", "baseline").read_bytes()[-(last - first) :],
    }[what]
    path.write_bytes(data[:first] + middle + data[last:])
    said = {"removed": "2 of its batches before batch 6 are not there", "repeated": "batch 4 is there again"}
    assert f"attempts-baseline-0.arrows: {said.get(what, '')}" in reasons(run)


def test_a_batch_whose_checksum_is_right_and_whose_rows_arrow_refuses_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    writer = JournalWriter(path, HEALTH)
    strings = pa.StringArray.from_buffers(1, pa.array([0, 1], pa.int32()).buffers()[1], pa.py_buffer(b"\xff"))
    broken = pa.RecordBatch.from_arrays(
        [strings, *(pa.nulls(1, field.type) for field in list(HEALTH)[1:])], schema=HEALTH
    )
    writer.write(broken)
    writer.close()
    reader = JournalReader(path, HEALTH)
    assert reader.new_batches() == []
    assert reader.damage == ("journal: batch 1 is none of this journal's: ArrowInvalid",)


def test_two_runs_a_trend_and_a_plan_do_not_rest_on_a_damaged_run(tmp_path: Path) -> None:
    before, after = (stored_run(tmp_path, arms=[arm]) for arm in ("baseline", "candidate"))
    assert evidence_of_two(before, after).verdict.kind is Kind.INCONCLUSIVE
    changed(after, "health", HEALTH_DAMAGE["cut to an eighth"])
    found = evidence_of_two(before, after).verdict
    assert found.kind is Kind.INVALID
    assert any(f"{after.run_id}: health.parquet" in reason for reason in found.reasons)
    assert [point.verdict for point in trend([after])] == ["INVALID"] * 2
    both = stored_run(tmp_path)
    assert read_noise(both.path)
    changed(both, "attempts", IMPOSSIBLE["a half"][0])
    with pytest.raises(RunError, match=r"expected a run whose files are whole, got: attempts\.parquet"):
        read_noise(both.path)


def test_what_is_sound_is_left_alone() -> None:
    plan = make_plan(SCENARIO)
    audit = AttemptAudit(SCENARIO, plan).of(ATTEMPTS.empty_table())
    assert (len(audit.table), audit.faults) == (0, ())
    assert audit_health(HEALTH.empty_table(), plan, ("baseline",)).faults == ()


def test_a_damaged_run_exits_with_30_by_the_command_line(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_run(run).faults == ()
    (run.path / "health.parquet").unlink()
    assert main(["compare", str(run.path)]) == Kind.INVALID.exit_code
    assert "health.parquet: it is missing" in capsys.readouterr().out
    assert run.manifest()["format"] == FORMAT
