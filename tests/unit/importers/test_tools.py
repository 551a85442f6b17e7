"""Files of JMeter, k6 and Locust as two arms: read as their tools write them, paired by when they were measured."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.importers.logins import STEPS_AT_MOST, login_label, one_arm
from harness.importers.samples import Samples
from harness.importers.tools import read_samples
from harness.importers.two_files import Importing, TwoFiles, read_two
from harness.model.attempt import STATUSES
from tests.helpers.calls import calls_of
from tests.helpers.foreign_files import (
    EPOCH_S,
    JTL_HEADER,
    K6_HEADER,
    SOME,
    WRITERS,
    Row,
    jtl,
    jtl_xml,
    k6_csv,
    k6_json,
    k6_point,
    locust_csv,
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for the files that are read."""
    monkeypatch.chdir(tmp_path)


def read(content: str | bytes, written: str = "auto") -> Samples:
    Path("a.log").write_bytes(content.encode() if isinstance(content, str) else content)
    return read_samples(Path("a.log"), written)


def refused(content: str | bytes, written: str = "auto") -> str:
    with pytest.raises(ConfigError) as caught:
        samples = read(content, written)
        one_arm(samples, login_label([samples], None))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def two(before: str, after: str, **how: float | str) -> TwoFiles:
    Path("before.log").write_text(before)
    Path("after.log").write_text(after)
    return read_two(Path("before.log"), Path("after.log"), Importing(**how))  # type: ignore[arg-type]


@pytest.mark.parametrize("tool", WRITERS)
def test_each_tool_tells_when_how_long_what_and_whether_it_failed(tool: str) -> None:
    found = read(WRITERS[tool](SOME))
    start_s = found.start_ns / 1e9 - EPOCH_S
    # k6's CSV gives the end in whole seconds.
    np.testing.assert_allclose(start_s, [0.25, 1.5, 2.75], atol=1.0 if tool == "k6-csv" else 1e-3)
    np.testing.assert_allclose(found.elapsed_s, [0.12, 0.08, 4.5])
    assert found.ok.tolist() == [True, False, True]
    assert [found.labels[code] for code in found.label] == ["login", "login", "search"]


def test_the_time_of_a_k6_point_is_the_end_of_its_request() -> None:
    found = read(k6_json([Row(10, 4000)]))
    assert found.start_ns.tolist() == [(EPOCH_S + 10) * 10**9]


@pytest.mark.parametrize(
    "time",
    [
        lambda s: str(int(s)),
        lambda s: str(int(s * 1000)),
        lambda s: str(int(s * 1e6)),
        lambda s: str(int(s) * 10**9),
        lambda s: datetime.fromtimestamp(int(s), UTC).isoformat().replace("+00:00", "Z"),
        lambda s: (datetime.fromtimestamp(int(s), UTC) + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00"),
    ],
    ids=["unix", "unix_milli", "unix_micro", "unix_nano", "rfc3339", "zone"],
)
def test_every_time_format_of_k6_is_the_same_instant(time: Callable[[float], str]) -> None:
    assert read(k6_csv([Row(10, 4000)], time)).start_ns.tolist() == [(EPOCH_S + 10) * 10**9]


@pytest.mark.parametrize("form", ["%Y/%m/%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ"])
def test_a_jtl_may_hold_dates(form: str) -> None:
    at = datetime.fromtimestamp(EPOCH_S, UTC).strftime(form)
    assert read(jtl([Row(0, 5)]).replace(f"{EPOCH_S}000", at)).start_ns.tolist() == [EPOCH_S * 10**9]


def test_a_jtl_with_another_delimiter_fewer_columns_and_quoted_line_ends_is_read() -> None:
    header = "timeStamp;elapsed;label;success;failureMessage\n"
    text = header + '1750000000000;5;"a;b";true;"one\ntwo"\n1750000001000;6;c;FALSE;\n'
    found = read(text)
    assert (found.labels, found.ok.tolist()) == (("a;b", "c"), [True, False])


@pytest.mark.parametrize("tool", ["jtl", "k6-csv", "k6-json"])
def test_a_packed_file_is_read(tool: str) -> None:
    Path("a.gz").write_bytes(gzip.compress(WRITERS[tool](SOME).encode()))
    assert read_samples(Path("a.gz")).elapsed_s.tolist() == [0.12, 0.08, 4.5]


def test_k6_counts_a_request_as_failed_by_its_tag_and_without_it_by_error_and_status() -> None:
    old = "metric_name,timestamp,metric_value,check,error,error_code,group,method,name,status,url,extra_tags"
    rows = [f"http_req_duration,1595325560,221.9,,{e},{c},,GET,x,{s},u," for e, c, s in
            [("", "", "200"), ("", "1404", "404"), ("dial: refused", "1212", "0"), ("", "", "503"), ("", "", "302")]
            ]  # fmt: skip
    assert read("\n".join([old, *rows])).ok.tolist() == [True, False, False, False, True]
    expected = k6_csv([Row(0, 5, ok=False)]).replace(",false,", ",true,")
    assert read(expected).ok.tolist() == [True]


def test_where_all_samples_have_one_label_each_is_a_login() -> None:
    samples = read(jtl([Row(1, 10, "sso"), Row(0, 20, "SSO"), Row(2, 30, "sso", ok=False)]))
    assert login_label([samples, samples], None).lower() == "sso"
    arm = one_arm(samples, "sso")
    assert arm.elapsed_s.tolist() == [0.02, 0.01, 0.03]
    assert [STATUSES[code] for code in arm.status] == ["ok", "ok", "error"]
    assert arm.steps == {}


def transaction(at: float, thread: int, slow: float = 1.0) -> list[Row]:
    """A transaction as JMeter writes it: its samples first, then the whole."""
    return [
        Row(at, 20 * slow, "bind", thread=thread),
        Row(at + 0.02 * slow, 30, "search", thread=thread),
        Row(at, 50 + 20 * (slow - 1), "Login", thread=thread),
        Row(at + 1, 7, "log out", thread=thread),
    ]


@pytest.mark.parametrize("tool", ["jtl", "xml"])
@pytest.mark.parametrize("seed", range(3))
def test_steps_belong_to_the_login_around_them_on_their_own_thread(tool: str, seed: int) -> None:
    rows = [row for at in range(5) for thread in (1, 2) for row in transaction(2 * at, thread, 1 + 10 * (thread - 1))]
    random.Random(seed).shuffle(rows)
    samples = read(WRITERS[tool](rows))
    arm = one_arm(samples, login_label([samples], None))
    assert len(arm.start_ns) == 10
    assert sorted(arm.steps) == ["bind", "search"]  # what comes after the login is none of its steps
    for name in arm.steps:
        assert sorted(arm.steps[name].row.tolist()) == list(range(10))
    bind = arm.steps["bind"]
    np.testing.assert_allclose(arm.elapsed_s[bind.row], bind.service_s + 0.03, atol=2e-3)


def test_samples_within_another_are_no_logins_of_their_own() -> None:
    inner = '<sample t="5" ts="1750000000000" s="true" lb="inner" tn="1-1"/>'
    outer = f'<testResults><sample t="9" ts="1750000000000" s="true" lb="NAME" tn="1-1">{inner}</sample></testResults>'
    assert one_arm(read(outer.replace("NAME", "page")), "page").elapsed_s.tolist() == [0.009]
    arm = one_arm(read(outer.replace("NAME", "login")), "login")
    assert (arm.elapsed_s.tolist(), arm.steps["inner"].service_s.tolist()) == ([0.009], [0.005])


@pytest.mark.parametrize("vu", [True, False])
def test_a_k6_group_named_login_is_the_whole_and_fails_with_its_requests(vu: bool) -> None:
    lines = []
    for thread, ok in ((1, True), (2, False)):
        at = 3.0 * thread
        lines += [
            k6_point("http_req_duration", Row(at, 100, "login", thread=thread), "::login", vu),
            k6_point("http_req_duration", Row(at + 0.1, 200, "groups", ok, thread), "::login::lookup", vu),
            k6_point("http_req_duration", Row(at + 0.1, 10, "beacon", False, thread), "", vu),
            k6_point("group_duration", Row(at + 0.1, 200, thread=thread), "::login::lookup", vu),
            k6_point("group_duration", Row(at, 320, thread=thread), "::login", vu),
        ]
    samples = read("\n".join(lines))
    arm = one_arm(samples, login_label([samples], None))
    assert arm.elapsed_s.tolist() == [0.32, 0.32]
    assert [STATUSES[code] for code in arm.status] == ["ok", "error"]
    assert sorted(arm.steps) == ["groups", "login (request)"]
    assert arm.steps["groups"].row.tolist() == [0, 1]


def test_the_users_own_label_of_a_login_counts() -> None:
    rows = [Row(0, 50, "SSO"), Row(0.01, 20, "token"), Row(5, 9, "token")]
    others = [row._replace(start_s=row.start_s + 1) for row in rows]
    found = two(jtl(rows), jtl(others), login_label="sso", block_s=5.0)
    assert found.foreign.table.response_s.tolist() == [0.05, 0.05]
    assert found.foreign.steps == ("token",)
    with pytest.raises(
        ConfigError, match=r"before.log: label: expected samples of nobody in both files, got token 2, SSO 1$"
    ):
        two(jtl(rows), jtl(others), login_label="nobody")


def test_a_login_label_in_one_file_alone_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"after.log: label: expected samples of login .* in both files, got search 1$"
    ):
        two(jtl([Row(0, 5)]), jtl([Row(0, 5, "search")]))


def test_urls_with_an_id_in_them_are_refused_and_the_remedy_said() -> None:
    urls = [Row(i / 100, 5, f"https://sso.test/user/{i}") for i in range(STEPS_AT_MOST + 1)]
    said = refused(jtl([Row(0, 5000), *urls]))
    assert said.startswith("a.log: label: expected at most 100 different labels, got 101: ")
    assert "the tag name" in said


@pytest.mark.parametrize(
    ("content", "instead"),
    [
        ('Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,'
         'Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%\nGET,/,51,0,4,3,2,6,12274,0.89,0,4,4\n',
         "event request, with columns start_time,name,response_time,exception"),
        ("Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,Total Request Count\n1,1,,Aggregated,0,0,1,1,1",
         "event request"),
        ("Recent Auths/Sec,Recent Avg Dur ms,Recent Errors/Sec,Overall Auths/Sec,Overall Avg Dur ms\n1,2,0,1,2\n",
         "keeps each operation"),
        ("      Recent       Recent       Recent      Overall      Overall \n   Auths/Sec   Avg Dur ms   Errors/Sec    "
         "Auths/Sec   Avg Dur ms\n", "keeps each operation"),
        ("    Throughput                            Response Time                       \n   (ops/second)              "
         "             (milliseconds)\nrecent  average  recent  average  99.9%\n", "keeps each operation"),
        ("Avg r=2584.00/thr (516.80/sec), total= 7752\n", "keeps each operation"),
        ("Label,# Samples,Average,Median,90% Line\nlogin,5,1,1,1\n", "jmeter -l"),
        ("sampler_label,aggregate_report_count,average,aggregate_report_median\nlogin,5,1,1\n", "jmeter -l"),
        ('{\n  "Total" : {\n    "transaction" : "Total",\n    "sampleCount" : 5\n  }\n}\n', "jmeter -l"),
        ("summary =    144 in     6s =   26.0/s Avg:    62 Min:    12 Max:   145 Err:     0 (0.00%)\n", "jmeter -l"),
        ("label,avg_ct,avg_lt,avg_rt,bytes,concurrency\n,0.1,0.2,0.3,5,1\n", "kpi.jtl"),
        ('[\n {\n  "name": "/",\n  "method": "GET",\n  "num_requests": 5\n }\n]\n', "event request"),
        ('{\n    "root_group": {"name": ""},\n    "metrics": {}\n}\n', "k6 run --out csv=FILE"),
    ],
    ids=["locust", "locust-history", "unboundid-csv", "unboundid", "opendj", "dsee", "jmeter-table",
         "jmeter-aggregate", "jmeter-dashboard", "jmeter-summariser", "taurus", "locust-json", "k6-summary"],
)  # fmt: skip
@pytest.mark.parametrize("written", ["auto", "locust-csv"])
def test_aggregates_are_refused_with_what_to_use_instead(content: str, instead: str, written: str) -> None:
    said = refused(content, written)
    assert said.startswith("a.log: expected samples, got aggregates: ")
    assert instead in said


GOOD_JTL, GOOD_K6, GOOD_LOCUST = (writer([Row(0, 5)]) for writer in (jtl, k6_csv, locust_csv))
EPOCH_MS = f"{EPOCH_S}000"
REST = ",,1,1,1,1,u,1,0,0\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD_JTL + f"soon,5,login,200,OK,t,text,true{REST}", 'a.log:3: timeStamp: expected a time in s, ms, '
         'µs or ns since 1970, or as 2026-01-31T08:00:00Z, got "soon"'),
        (GOOD_JTL + f"\n1750000000,5,login,200,OK,t,text,true{REST}", "a.log:4: timeStamp: expected a time in ms "
         'as in the rows before, got "1750000000"'),
        (GOOD_JTL + f"{EPOCH_MS},-5,login,200,OK,t,text,true{REST}", "a.log:3: elapsed: expected milliseconds "
         'of 0 or more, got "-5"'),
        (GOOD_JTL + f"{EPOCH_MS},5 ms,login,200,OK,t,text,true{REST}", "a.log:3: elapsed: expected "
         'milliseconds of 0 or more, got "5 ms"'),
        (GOOD_JTL + f"{EPOCH_MS},5,login,200,OK,t,text,yes{REST}", 'a.log:3: success: expected true or false, '
         'got "yes"'),
        (GOOD_JTL + f"{EPOCH_MS},5,login\n", "a.log:3: expected the header's 17 columns, got 3"),
        (GOOD_JTL.encode() + b"\xff\n", "a.log:3: expected text in UTF-8"),
        (JTL_HEADER + "\n", "a.log: expected samples, got none"),
        (f"{EPOCH_MS},5,login,200,OK,t,text,true\n", "a.log:1: expected JMeter's JTL with its header, k6's CSV or "
         f"JSON, or Locust's requests, got {EPOCH_MS},5,login"),
        ("timeStamp,elapsed,label\n1,2,x\n", "a.log:1: expected columns timeStamp,elapsed,label,success, got timeS"),
        (jtl_xml([Row(0, 5)]).replace('t="5"', 't="x"'), 'a.log:3: elapsed: expected milliseconds of 0 or more, got'),
        (jtl_xml([Row(0, 5)]).replace('t="5"', ""), 'a.log:3: elapsed: expected milliseconds of 0 or more, got ""'),
        (jtl_xml([Row(0, 5)]).removesuffix("</testResults>\n"), "a.log:4: expected XML to its end, got: no element"),
        ("<a/>", "a.log: expected elements httpSample or sample, got none"),
        (GOOD_K6 + GOOD_K6.partition("\n")[2].replace("5.000000", "inf"), "a.log:7: metric_value: expected "
         'milliseconds of 0 or more, got "inf"'),
        (K6_HEADER + "\n", "a.log: metric_name: expected points of http_req_duration, got none"),
        (k6_json([Row(0, 5)]) + "{", "a.log:4: expected a JSON object a line, to the file's end"),
        (k6_json([Row(0, 5)]) + "[1]\n", "a.log:4: expected an object with type, metric and data"),
        (k6_json([Row(0, 5)]) + k6_point("http_req_duration", Row(0, 5)).replace("5.0", "5").replace('"value": 5',
         '"value": "5"'), "a.log:4: value: expected milliseconds of 0 or more"),
        (k6_json([Row(0, 5)]) + "\n" + k6_point("http_req_duration", Row(0, -5)), "a.log:5: value: expected "
         'milliseconds of 0 or more, got "-5.0"'),
        (k6_json([]), "a.log: metric: expected points of http_req_duration, got none"),
        (GOOD_LOCUST + "x,POST,login,5,1,\n", 'a.log:3: start_time: expected a time in s, ms, µs or ns since 1970'),
        (GOOD_LOCUST + "1750000000.5,POST,login,,1,\n", 'a.log:3: response_time: expected milliseconds'),
        ("arm,block,t_intended_s,step,latency_s,ok\n", "a.log:1: expected one arm as another tool wrote it, got "
         "attempts: use --attempts"),
        ("", "a.log: expected samples, got an empty file"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_named_by_line_and_column(content: str | bytes, said: str) -> None:
    assert refused(content).startswith(said)


def test_a_line_is_right_far_into_a_file_that_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.importers.columns._BATCH_BYTES", 4096)
    lines = k6_csv([Row(i, 5) for i in range(200)]).splitlines()
    lines[4 * 150 + 2] = lines[4 * 150 + 2].replace("5.000000", "five")
    assert refused("\n".join(lines)).startswith("a.log:603: metric_value: expected milliseconds")


@pytest.mark.parametrize("written", ["auto", "jtl", "k6-csv", "k6-json", "locust-csv"])
@pytest.mark.parametrize("seed", range(8))
def test_junk_is_refused_and_never_a_crash(written: str, seed: int) -> None:
    source = random.Random(seed)
    assert refused(source.randbytes(300), written).startswith("a.log:")
    for writer in WRITERS.values():
        good = writer(SOME).encode()
        at = source.randrange(len(good))
        try:
            samples = read(good[:at] + source.randbytes(9) + good[at:], written)
            one_arm(samples, login_label([samples], None))
        except ConfigError as error:
            assert str(error).startswith("a.log")


def test_many_rows_are_read_by_the_column_and_not_by_the_row() -> None:
    """A tenth of a million of k6's rows; a reader of rows in Python would call a function for each at least."""
    row = k6_csv([Row(0, 5)]).partition("\n")[2]
    Path("many.csv").write_text(K6_HEADER + "\n" + row * 25_000)
    assert len(read_samples(Path("many.csv")).ok) == 25_000
    assert calls_of(lambda: read_samples(Path("many.csv"))) < 25_000 / 10
