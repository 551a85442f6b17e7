"""What a run's live file tells a page, and what it costs a run that nobody looks at."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness.config import shipped
from harness.config.load import load_scenario
from harness.load.asked import AskedError
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.policy import Policy
from harness.model.progress import Preparing, Snapshot
from harness.model.target import ARMS
from harness.record.schema import ATTEMPTS, attempts_batch
from harness.system.cache import owner
from harness.system.process import Identity
from harness.webui.host import GateHost, wanted_of
from harness.webui.live import LIVE, WATCHED, LiveFile
from harness.webui.logins import LOGINS_AT_MOST, logins_as_json
from tests.helpers.journals import MS, attempt

BUSY = Outcome("error", "LDAP 51 busy")


def logins(*took_ms: int, failed: tuple[int, ...] = ()) -> object:
    """Logins due at once, each with its time; those numbered in ``failed`` failed."""
    return attempts_batch(
        [
            attempt(
                seq, intended=0, started=0, ended=ms * MS, outcome=BUSY if seq in failed else OK,
                steps=[StepTiming("ldap_bind", 0, ms * MS, BUSY if seq in failed else OK)],
            )
            for seq, ms in enumerate(took_ms)
        ]
    )  # fmt: skip


def test_the_slowest_that_went_well_and_the_latest_that_failed_are_shown_and_nobody_is_named() -> None:
    shown = logins_as_json(logins(5, 900, 30, 20, 10, 40, 50, 60, 70, 80, failed=(1, 3)))
    assert [login["took"] for login in shown["slowest"]] == ["80 ms", "70 ms", "60 ms", "50 ms", "40 ms", "30 ms"]
    assert [login["took_ms"] for login in shown["failed"]] == [900, 20]
    assert "u000001" not in json.dumps(shown)
    assert len(shown["slowest"]) == LOGINS_AT_MOST


def test_few_logins_or_none_are_shown_as_they_are() -> None:
    assert [login["took"] for login in logins_as_json(logins(5, 7))["slowest"]] == ["7 ms", "5 ms"]
    only_failed = logins_as_json(logins(5, failed=(0,)))
    assert (only_failed["slowest"], len(only_failed["failed"])) == ([], 1)
    assert logins_as_json(ATTEMPTS.empty_table()) == logins_as_json(None) == {"slowest": [], "failed": []}


def snapshot() -> Snapshot:
    return Snapshot(
        block=1, blocks=4, arms=("baseline",), pairs_judged=0, offered=1.0, achieved=1.0,
        latencies=dict.fromkeys(ARMS), look=None, left_s=1.0, recent=logins(5, 7),
    )  # fmt: skip


def live_in(folder: Path) -> LiveFile:
    live = LiveFile()
    scenario = load_scenario(shipped.find("morning-rush", shipped.SCENARIOS))
    live(Preparing(str(folder), scenario, Policy(), ARMS))
    return live


def test_a_run_that_nobody_looks_at_writes_nothing_of_itself(tmp_path: Path) -> None:
    live = live_in(tmp_path)
    before = (tmp_path / LIVE).stat().st_mtime_ns
    for _ in range(3):
        live(snapshot())
    assert (tmp_path / LIVE).stat().st_mtime_ns == before
    assert json.loads((tmp_path / LIVE).read_text())["phase"] == "preparing"
    (tmp_path / WATCHED).touch()
    live(snapshot())
    assert json.loads((tmp_path / LIVE).read_text())["phase"] == "running"
    long_ago = time.time() - 60
    os.utime(tmp_path / WATCHED, (long_ago, long_ago))
    live._written = 0.0
    stopped = (tmp_path / LIVE).stat().st_mtime_ns
    live(snapshot())
    assert (tmp_path / LIVE).stat().st_mtime_ns == stopped, "the page was closed"
    live.close()
    assert list(tmp_path.iterdir()) == []


def test_a_second_without_a_login_has_figures_of_the_generator_all_the_same_and_none_ends_the_run(
    tmp_path: Path,
) -> None:
    idle = {"started": 0, "send_lag_p99_ms": None, "hub_stall_p99_ms": 1.0, "cpu": 0.1, "busy_seats": 0, "rss_mb": 90.0}
    live = live_in(tmp_path)
    (tmp_path / WATCHED).touch()
    live(replace(snapshot(), generators={"baseline": idle}))
    told = json.loads((tmp_path / LIVE).read_text())["generators"]["baseline"]
    assert (told["send_lag_p99_ms"], told["cpu"]) == (None, 0.1)
    live._written = 0.0
    live(replace(snapshot(), generators={"baseline": {}}))  # whatever is wrong with a page, its run goes on


def test_a_run_that_goes_on_is_found_by_its_live_file_and_one_that_was_killed_is_not(tmp_path: Path) -> None:
    run = tmp_path / "20261128T000000Z-run-abc123"
    run.mkdir()
    state = {"process": asdict(Identity.of(os.getpid())), "run_id": "x", "phase": "running"}
    (run / LIVE).write_text(json.dumps(state))
    host = GateHost(tmp_path)
    try:
        told = json.loads(host.text())
        assert told["live"]["run_id"] == run.name and host.busy
        assert (run / WATCHED).exists(), "whoever asks is looking"
    finally:
        host.close()
    (run / LIVE).write_text(json.dumps({**state, "process": {"pid": 2**22 - 1, "started": 1}}))
    host = GateHost(tmp_path)
    try:
        assert not host.busy
    finally:
        host.close()


def test_what_a_page_that_was_killed_leaves_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "authgate/scratch").mkdir(parents=True)
    namespace, *_ = owner().split("-")
    killed = tmp_path / f"authgate/scratch/{namespace}-{2**22 - 1}-1-logs"
    killed.mkdir()
    GateHost(tmp_path).close()
    assert not list((tmp_path / "authgate/scratch").iterdir())


def test_only_a_run_s_own_name_leads_to_a_folder(tmp_path: Path) -> None:
    host = GateHost(tmp_path / "results")
    try:
        for name in ("..", ".", "", "../results", "a/../b", "/etc"):
            assert not host.has(name), name
    finally:
        host.close()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"update": "../../etc/passwd"}, {"update": "expected a name of the catalogue"}),
        ({"update": "no-such-update"}, {"update": "no-such-update"}),
        (
            {"scenario": "morning-rush", "policy": "default"},
            {"targets": "targets: expected a file, got none"},
        ),
        (
            {"scenario": "nobody-s", "targets": "missing.yaml", "policy": "none-such"},
            {"scenario": "nobody-s", "targets": "missing.yaml", "policy": "none-such"},
        ),
    ],
)
def test_what_is_wrong_with_a_form_stands_beside_its_field(fields: dict[str, str], wrong: dict[str, str]) -> None:
    with pytest.raises(AskedError) as refused:
        wanted_of(fields, Path("results"))
    assert refused.value.fields.keys() == wrong.keys()
    for field, said in wrong.items():
        assert said in refused.value.fields[field]


def test_a_form_asks_for_the_command_line_s_own_gate() -> None:
    wanted = wanted_of({"update": "uppsala-2016", "lang": "sv"}, Path("results"))
    assert wanted.arguments == ("updates", "run", "uppsala-2016", "--results", "results", "--lang", "sv")
    assert wanted_of({"update": "uppsala-2016", "lang": "--quiet"}, Path("r")).arguments[-1] == "en"
