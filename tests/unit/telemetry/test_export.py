"""A run sent to a real OTLP receiver is what was recorded, no more and no less."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness.cli.main import main
from harness.cli.otlp import Exporter, passed_on
from harness.model.plan import NS
from harness.model.progress import Preparing
from harness.record.completeness import KEY, Written, written_of
from harness.record.folder import RunFolder
from harness.run.assess import Ending
from harness.system.process import free_ports
from harness.telemetry.settings import Otlp, checked_url
from harness.telemetry.traces import trace_id
from tests.helpers.collector import Collector, collector, counted, told
from tests.helpers.stored import POLICY, SCENARIO, stored_run

pytestmark = pytest.mark.slow

BEGAN_S = 1_790_000_000.25
ORIGIN = round(BEGAN_S * NS)
MARKS = {"origin_wall": BEGAN_S}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return stored_run(tmp_path_factory.mktemp("results"), marks=MARKS)


@pytest.fixture(scope="module")
def logins(folder: RunFolder) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = folder.attempts().to_pylist()
    return rows


@pytest.fixture(autouse=True)
def _no_variable_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in passed_on(dict(os.environ)):
        monkeypatch.delenv(name)
    monkeypatch.setattr("harness.cli.otlp.END_WITHIN_S", 60.0)  # beside other tests its imports alone take seconds


def test_histograms_hold_every_login_and_every_step_of_the_run(folder: RunFolder, logins: list[dict[str, Any]]) -> None:
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    keys = "authgate.arm", "authgate.cohort", "authgate.result"
    by_login = Counter((login["arm"], login["cohort"], login["status"]) for login in logins)
    assert its.counts("authgate.login.duration", *keys) == by_login
    assert its.counts("authgate.login.send_lag", *keys[:2]) == Counter(
        (arm, cohort) for arm, cohort, _ in by_login.elements()
    )
    steps = Counter((login["arm"], login["cohort"], step["step"]) for login in logins for step in login["steps"])
    assert its.counts("authgate.step.duration", *keys[:2], "authgate.step") == steps
    total = sum(point.sum for point in its.points("authgate.login.duration")[-1])
    assert total == pytest.approx(sum(it["ended"] - it["intended"] - it["own"] for it in logins) / NS)


def test_points_are_dated_by_the_run_and_not_by_the_export(folder: RunFolder, logins: list[dict[str, Any]]) -> None:
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    each = its.points("authgate.login.duration")
    times = [{point.time_unix_nano for point in points} for points in each]
    assert all(len(one) == 1 for one in times), "one collection has one time"
    in_order = [time_ for one in times for time_ in one]
    assert in_order == sorted(in_order)
    assert in_order[-1] == ORIGIN + max(login["ended"] for login in logins)
    assert {point.start_time_unix_nano for points in each for point in points} == {ORIGIN}
    assert len(each) == 36 // 10 + 1, "every ten seconds of the run"


def test_spans_begin_and_end_when_the_login_and_its_steps_did(
    folder: RunFolder, logins: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    assert len(its.spans) == sum(1 + len(login["steps"]) for login in logins)
    traces: dict[bytes, list[Any]] = {}
    for span in its.spans:
        traces.setdefault(span.trace_id, []).append(span)
    for login in logins:
        spans = traces[trace_id(folder.run_id, login["arm"], login["seq"]).to_bytes(16, "big")]
        (root,) = (span for span in spans if not span.parent_span_id)
        assert (root.start_time_unix_nano, root.end_time_unix_nano) == (
            ORIGIN + login["intended"],
            ORIGIN + login["ended"],
        )
        (sent,) = root.events
        assert sent.time_unix_nano == ORIGIN + login["started"]
        inside = [span for span in spans if span.parent_span_id == root.span_id]
        assert [(span.name, span.start_time_unix_nano, span.end_time_unix_nano) for span in inside] == [
            (step["step"], ORIGIN + step["started"], ORIGIN + step["ended"]) for step in login["steps"]
        ]
        assert len({span.span_id for span in spans}) == len(spans)
        assert told(inside[0].attributes)["server.port"] == 1


def test_a_share_is_traced_and_every_slow_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = POLICY.model_copy(update={"slow_after_s": 0.06})
    folder = stored_run(tmp_path, policy=slow, slower=2.0, marks=MARKS)
    late = {(it["arm"], it["seq"]) for it in folder.attempts().to_pylist() if it["ended"] - it["intended"] > 0.06 * NS}
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.1")
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    roots = [told(span.attributes) for span in its.spans if not span.parent_span_id]
    assert late and {(it["authgate.arm"], it["authgate.seq"]) for it in roots if it["authgate.slow"]} == late
    sampled = sum(it["authgate.sampled"] for it in roots)
    assert 0.05 < sampled / len(folder.attempts()) < 0.15
    assert all(it["authgate.slow"] or it["authgate.sampled"] for it in roots)


def test_no_account_is_named_unless_it_is_asked_for(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    users = {name.encode() for name in folder.attempts()["user"].to_pylist()}
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
        assert its.raw and not [name for name in users for body in its.raw if name in body]
        assert main(["export", str(folder.path), "--otlp", its.url, "--otlp-accounts"]) == 0
    assert {told(span.attributes).get("user.name", "").encode() for span in its.spans} == users | {b""}


def test_what_the_telemetry_is_of_is_said_and_may_be_said_otherwise(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
        first = its.resources[0]
        monkeypatch.setenv("OTEL_SERVICE_NAME", "logon-gate")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", its.url)
        assert main(["export", str(folder.path), "--otlp", "env"]) == 0
    assert first["service.name"] == "authgate" and first["authgate.run.id"] == folder.run_id
    assert first["authgate.scenario"] == SCENARIO.name
    assert its.resources[-1]["service.name"] == "logon-gate"
    assert its.headers[-1]["authorization"] == "Bearer x"


@pytest.mark.parametrize("shape", ["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
def test_deltas_add_up_to_the_run(
    folder: RunFolder, logins: list[dict[str, Any]], shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", shape)
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    each = its.points("authgate.login.duration")
    assert len(each) > 1
    assert counted([point for points in each for point in points], "authgate.arm") == Counter(
        (login["arm"],) for login in logins
    )


def test_failures_are_counted_by_the_step_and_the_answer(tmp_path: Path) -> None:
    folder = stored_run(tmp_path, finished=True, marks=MARKS)
    path = folder.path / "attempts.parquet"
    rows = folder.attempts().to_pylist()
    for login in rows[:7]:
        login.update(status="denied", code="KRB5KDC_ERR_CLIENT_REVOKED")
        login["steps"][0].update(status="denied", code="KRB5KDC_ERR_CLIENT_REVOKED")
    rows[7]["status"] = "withheld"
    pq.write_table(folder.attempts().from_pylist(rows, schema=folder.attempts().schema), path)
    before = written_of(folder.manifest())
    assert isinstance(before, Written)
    folder.update_manifest(**{KEY: before.with_file(path).document})
    with collector() as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 0
    counts = its.counts("authgate.login.failures", "authgate.step", "error.type")
    assert counts == Counter((login["steps"][0]["step"], "KRB5KDC_ERR_CLIENT_REVOKED") for login in rows[:7])
    assert its.counts("authgate.login.duration").total() == len(rows) - 1, "a login that was never sent has no time"
    failed = [span for span in its.spans if not span.parent_span_id and told(span.attributes)["authgate.slow"]]
    assert len(failed) == 7 and {span.status.message for span in failed} == {"KRB5KDC_ERR_CLIENT_REVOKED"}


# What can go wrong.


def test_a_collector_that_is_not_there_is_told_with_how_far_it_came(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    (port,) = free_ports(1)
    assert main(["export", str(folder.path), "--otlp", f"http://127.0.0.1:{port}"]) == 2
    said = capsys.readouterr().err
    assert f"0 of {len(folder.attempts())} logins" in said and said.endswith("spans were sent: Connection refused\n")


def test_a_collector_that_refuses_is_told_with_its_answer(
    folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector(answers=401) as its:
        assert main(["export", str(folder.path), "--otlp", its.url]) == 2
    assert "401" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["127.0.0.1:4318", "ftp://collector", "http://", "http://me:hunter2@collector:4318", "http://c/?key=hunter2"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_showing_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError):
        checked_url(url)
    assert main(["export", str(tmp_path), "--otlp", url]) == 2
    said = capsys.readouterr().err
    assert "--otlp" in said and "hunter2" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_TRACES_SAMPLER_ARG", "2"), ("OTEL_METRIC_EXPORT_INTERVAL", "soon"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1")],
)
def test_a_variable_that_says_nothing_usable_is_refused_before_any_load(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["export", str(tmp_path), "--otlp", "env"]) == 2
    assert name in capsys.readouterr().err


def test_without_the_extra_the_option_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert main(["export", str(tmp_path), "--otlp", "env"]) == 2
    assert "pip install 'authgate[otel]'" in capsys.readouterr().err


# A run that goes on.


def shown(folder: RunFolder) -> Preparing:
    return Preparing(str(folder.path), SCENARIO, POLICY, folder.arms())


def until(its: Collector, count: int) -> None:
    for _ in range(600):
        if its.points("authgate.login.duration") and its.counts("authgate.login.duration").total() >= count:
            return
        time.sleep(0.1)
    raise AssertionError("nothing came")


def test_a_run_is_followed_and_its_end_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    folder = stored_run(tmp_path, finished=False, marks=MARKS)
    total = len(folder.attempts())
    with collector() as its:
        exporter = Exporter(Otlp(its.url))
        exporter.watch(shown(folder))
        until(its, total)
        ending = threading.Thread(target=folder.finish, kwargs=_end())
        ending.start()
        assert exporter.end() == ""
        ending.join()
    assert its.counts("authgate.login.duration").total() == total, "each login once"


def test_a_run_that_ends_before_it_was_ever_read_is_sent_from_what_it_left(tmp_path: Path) -> None:
    folder = stored_run(tmp_path, finished=False, marks=MARKS)
    with collector() as its:
        exporter = Exporter(Otlp(its.url))
        exporter.watch(shown(folder))
        folder.finish(**_end())
        assert exporter.end() == ""
    assert its.counts("authgate.login.duration").total() == len(folder.attempts())


def test_what_a_collector_missed_while_it_was_down_is_sent_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    folder = stored_run(tmp_path, finished=False, marks=MARKS)
    total = len(folder.attempts())
    with collector(answers=400) as its:
        exporter = Exporter(Otlp(its.url))
        exporter.watch(shown(folder))
        time.sleep(3)
        its.answers = 200
        until(its, total)
        folder.finish(**_end())
        assert exporter.end() == ""


def test_an_exporter_that_is_killed_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    folder = stored_run(tmp_path, marks=MARKS)
    exporter = Exporter(Otlp("http://127.0.0.1:9"))
    exporter.watch(shown(folder))
    assert exporter._child is not None
    exporter._child.send_signal(signal.SIGKILL)
    assert "ended by itself" in exporter.end()


def test_only_the_variables_that_exporters_read_are_passed_on() -> None:
    given = {"OTEL_SERVICE_NAME": "x", "https_proxy": "y", "AUTHGATE_PASSWORD": "z", "HOME": "/"}
    assert passed_on(given) == {"OTEL_SERVICE_NAME": "x", "https_proxy": "y"}


def test_the_options_need_nothing_of_the_extra_to_be_shown() -> None:
    code = "import sys; import harness.cli.gate; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def _end() -> dict[str, Any]:
    return {"status": "complete", "ending": asdict(Ending(complete=True, pairs=SCENARIO.blocks.pairs))}
