"""Files of JMeter, k6 and Locust as two arms: read as their tools write them, paired by when they were measured."""

from __future__ import annotations

import gzip
import json
import random
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from harness.cli.main import main
from harness.errors import ConfigError
from harness.importers.samples import STEPS_AT_MOST, Samples, login_label, one_arm
from harness.importers.tools import read_samples
from harness.importers.turns import Cut, cut
from harness.importers.two_files import Importing, TwoFiles, read_two
from harness.model.attempt import STATUSES

PASS, BLOCK, INCONCLUSIVE, USAGE = 0, 10, 20, 2
EPOCH_S = 1_750_000_000
JTL_HEADER = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect"
)
K6_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,"
    "service,status,subproto,tls_version,url,extra_tags,metadata"
)
QUICK = """\
name: ci
quick: true
looks: {block_from: 3, pass_from: 6, pass_after_s: 0}
margins:
  login:
    p99: null
  failure_rate: 0.02
  slow_rate: 0.02
"""


class Row(NamedTuple):
    """One sample: start in s from EPOCH_S, time in ms, success, thread."""

    start_s: float
    elapsed_ms: float
    label: str = "login"
    ok: bool = True
    thread: int = 1


def jtl(rows: list[Row]) -> str:
    lines = [JTL_HEADER]
    for row in rows:
        at = round((EPOCH_S + row.start_s) * 1000)
        ok = "200,OK" if row.ok else "401,Unauthorized"
        lines.append(
            f"{at},{row.elapsed_ms:.0f},{row.label},{ok},Clinicians 1-{row.thread},text,{str(row.ok).lower()},,2781,"
            f"133,1,1,https://sso.test/{row.label},354,0,27"
        )
    return "\n".join(lines) + "\n"


def jtl_xml(rows: list[Row]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testResults version="1.2">']
    for row in rows:
        at = round((EPOCH_S + row.start_s) * 1000)
        lines.append(
            f'<httpSample t="{row.elapsed_ms:.0f}" lt="0" ts="{at}" s="{str(row.ok).lower()}" lb="{row.label}" '
            f'rc="200" rm="OK" tn="Clinicians 1-{row.thread}" dt="text"/>'
        )
    return "\n".join([*lines, "</testResults>"]) + "\n"


def k6_csv(rows: list[Row], time: Callable[[float], str] = lambda s: str(int(s))) -> str:
    lines = [K6_HEADER]
    for row in rows:
        end = time(EPOCH_S + row.start_s + row.elapsed_ms / 1000)
        ok = ",,,true" if row.ok else ",,1401,false"
        rest = f"{ok},,POST,{row.label},HTTP/1.1,default,,{'200' if row.ok else '401'},,tls1.3,https://sso.test/,,"
        lines.append(f"http_reqs,{end},1.000000,{rest}")
        lines.append(f"http_req_duration,{end},{row.elapsed_ms:f},{rest}")
        lines.append(f"http_req_waiting,{end},{row.elapsed_ms / 2:f},{rest}")
        lines.append(f"http_req_failed,{end},{float(not row.ok):f},{rest}")
    return "\n".join(lines) + "\n"


def k6_point(metric: str, row: Row, group: str = "", vu: bool = False) -> str:
    at = datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=row.start_s, milliseconds=row.elapsed_ms)
    data = {
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "000Z"),
        "value": row.elapsed_ms,
        "tags": {"group": group, "method": "POST", "name": row.label, "status": "200" if row.ok else "401",
                 "expected_response": str(row.ok).lower(), "url": "https://sso.test/", "scenario": "default"},
    }  # fmt: skip
    if metric == "group_duration":
        data["tags"] = {"group": group, "scenario": "default"}
    if vu:
        data["metadata"] = {"vu": str(row.thread)}
    return json.dumps({"metric": metric, "type": "Point", "data": data})


def k6_json(rows: list[Row]) -> str:
    lines = [
        '{"type":"Metric","data":{"name":"http_req_duration","type":"trend","contains":"time","thresholds":["avg<1"],'
        '"submetrics":null},"metric":"http_req_duration"}',
        '{"type":"Point","data":{"time":"2025-06-15T15:06:40.625742514+02:00","value":5,"tags":null},"metric":"vus"}',
    ]
    return "\n".join([*lines, *(k6_point("http_req_duration", row) for row in rows)]) + "\n"


def locust_csv(rows: list[Row]) -> str:
    lines = ["start_time,request_type,name,response_time,response_length,exception"]
    for row in rows:
        why = "" if row.ok else '"HTTPError(\'401 Client Error: Unauthorized\', ""x"")"'
        lines.append(f"{EPOCH_S + row.start_s:.6f},POST,{row.label},{row.elapsed_ms},2781,{why}")
    return "\n".join(lines) + "\n"


WRITERS = {"jtl": jtl, "xml": jtl_xml, "k6-csv": k6_csv, "k6-json": k6_json, "locust-csv": locust_csv}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own; ``main`` sets handlers for its process, which here is pytest's."""
    monkeypatch.chdir(tmp_path)
    Path("ci.yaml").write_text(QUICK)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def read(content: str | bytes, written: str = "auto") -> Samples:
    Path("a.log").write_bytes(content.encode() if isinstance(content, str) else content)
    return read_samples(Path("a.log"), written)


def refused(content: str | bytes, written: str = "auto") -> str:
    with pytest.raises(ConfigError) as caught:
        one_arm(read(content, written), None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def two(before: str, after: str, **how: float | str) -> TwoFiles:
    Path("before.log").write_text(before)
    Path("after.log").write_text(after)
    return read_two(Path("before.log"), Path("after.log"), Importing(**how))  # type: ignore[arg-type]


def compared(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(["compare", "--before", "before.log", "--after", "after.log", "--policy", "ci.yaml", *more])
    caught = capsys.readouterr()
    assert "Traceback" not in caught.out + caught.err
    return code, caught.out, caught.err


SOME = [Row(0.25, 120), Row(1.5, 80, ok=False), Row(2.75, 4500, label="search", thread=2)]


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


def test_a_file_without_a_login_label_has_each_row_as_a_login_and_its_label_as_step() -> None:
    arm = one_arm(read(jtl([Row(1, 10, "b"), Row(0, 20, "a"), Row(2, 30, "b", ok=False)])), None)
    assert arm.elapsed_s.tolist() == [0.02, 0.01, 0.03]
    assert [STATUSES[code] for code in arm.status] == ["ok", "ok", "error"]
    assert arm.steps["a"].row.tolist() == [0]
    assert arm.steps["b"].row.tolist() == [1, 2]
    assert arm.steps["b"].service_s.tolist() == [0.01, 0.03]


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
    assert one_arm(read(outer.replace("NAME", "page")), None).elapsed_s.tolist() == [0.009]
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
    found = two(jtl(rows), jtl(rows), login_label="sso", block_s=5.0)
    assert found.foreign.table.response_s.tolist() == [0.05, 0.05]
    assert found.foreign.steps == ("token",)
    with pytest.raises(
        ConfigError, match=r"before.log: label: expected samples of nobody in both files, got SSO, token"
    ):
        two(jtl(rows), jtl(rows), login_label="nobody")


def test_a_login_label_in_one_file_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"after.log: label: expected samples of login in both files, got search"):
        two(jtl([Row(0, 5)]), jtl([Row(0, 5, "search")]))


def test_urls_with_an_id_in_them_are_refused_and_the_remedy_said() -> None:
    said = refused(k6_csv([Row(i, 5, f"https://sso.test/user/{i}") for i in range(STEPS_AT_MOST + 1)]))
    assert said.startswith("a.log: label: expected at most 100 different labels, got 101: ")
    assert "the tag name" in said


def stretches(order: str, length_s: float = 15.0, rate: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Starts of both arms by the letters' order: A, B, D for both at once, or - for neither."""
    rng = np.random.default_rng(7)
    arms: tuple[list[float], list[float]] = ([], [])
    for place, letter in enumerate(order):
        for arm in range(2):
            if letter == "AB"[arm] or letter == "D":
                arms[arm].extend(np.sort(rng.uniform(0, length_s, int(length_s * rate))) + place * length_s)
    return np.array(arms[0]), np.array(arms[1])


def pair_of_blocks(found: Cut) -> list[list[int]]:
    """The pair of each arm's blocks in order of time."""
    return [
        [int(pair[block == b][0]) for b in np.unique(block)]
        for block, pair in zip(found.block, found.pair, strict=True)
    ]


@pytest.mark.parametrize(
    ("order", "how", "pairs"),
    [
        ("AB" * 6, "in turns", 6),
        ("ABBAABBABAAB", "in turns", 6),
        ("BA" * 4 + "B", "in turns", 4),
        ("A-B-" * 4, "in turns", 4),
        ("DDDDDD", "at once", 6),
        ("ADDDDB", "at once", 4),
        ("AAAABBBB", "one after the other", 4),
        ("BBBBBAAAA", "one after the other", 4),
        ("AAAA--------BBBB", "one after the other", 4),
        ("AA--AABB--BB", "one after the other", 4),
        ("AAADBBB", "one after the other", 4),
    ],
)
def test_pairs_follow_from_when_the_arms_were_loaded(order: str, how: str, pairs: int) -> None:
    found = cut(*stretches(order), 15.0)
    assert (found.how, found.pairs) == (how, pairs)
    for mine in pair_of_blocks(found):
        assert [pair for pair in mine if pair >= 0] == list(range(pairs))
    for arm in range(2):
        assert found.offset_s[arm].min() >= 0
        held = found.pair[arm] >= 0
        assert found.offset_s[arm][held].max() < 15.0 * 1.5


def test_blocks_of_a_pair_lie_side_by_side_in_turns_and_at_one_time_at_once() -> None:
    for order, apart_s in (("ABBAABBABAAB", 15.5), ("DDDDDD", 0.0)):
        found = cut(*stretches(order), 15.0)
        begins = [
            np.array([(s - o)[p == k][0] for k in range(found.pairs)])
            for s, o, p in zip(found.start_s, found.offset_s, found.pair, strict=True)
        ]
        assert np.abs(begins[0] - begins[1]).max() <= apart_s


def test_turns_of_many_blocks_are_blocks_themselves_since_only_neighbours_are_pairs() -> None:
    found = cut(*stretches("ABABABAB", length_s=60.0), 15.0)
    assert (found.how, found.pairs) == ("in turns", 4)
    assert found.block_s == pytest.approx(60, abs=2)


def test_a_stall_of_one_arm_is_no_turn_nor_is_a_pause_of_both() -> None:
    assert cut(*stretches("DDD--DDD"), 15.0).how == "at once"
    before, after = stretches("D" * 8)
    stalled = after[(after < 40) | (after > 60)]
    assert cut(before, stalled, 15.0).how == "at once"


def test_days_between_stored_files_are_not_the_candidates_age() -> None:
    before, after = stretches("AAAABBBB")
    found = cut(before, after + 86_400, 15.0)
    assert found.how == "one after the other"
    assert found.start_s[1].max() < 130


def logins(order: str, slower: float = 1.0, failing: float = 0.0) -> tuple[list[Row], list[Row]]:
    """Logins of both arms with times about 200 ms; the candidate's differ."""
    rng = np.random.default_rng(2016)
    arms: list[list[Row]] = []
    for arm, starts in enumerate(stretches(order)):
        times = 200 * np.exp(rng.normal(0, 0.2, len(starts))) * (slower if arm else 1.0)
        ok = rng.uniform(size=len(starts)) >= (failing if arm else 0.0)
        arms.append([Row(s, t, ok=bool(good)) for s, t, good in zip(starts, times, ok, strict=True)])
    return arms[0], arms[1]


def write_two(tool: str, arms: tuple[list[Row], list[Row]]) -> None:
    for name, rows in zip(("before.log", "after.log"), arms, strict=True):
        Path(name).write_text(WRITERS[tool](rows))


@pytest.mark.parametrize("tool", WRITERS)
def test_files_measured_in_turns_pass_where_nothing_changed_and_block_a_slowdown(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_two(tool, logins("ABBA" * 7))
    code, out, _ = compared(capsys)
    assert code == PASS, out
    assert "another tool measured" in " ".join(out.split())
    write_two(tool, logins("ABBA" * 7, slower=1.6))
    assert compared(capsys)[0] == BLOCK


def test_files_measured_at_once_pass_or_block_by_their_failures(capsys: pytest.CaptureFixture[str]) -> None:
    write_two("jtl", logins("D" * 14))
    code, out, _ = compared(capsys)
    assert code == PASS, out
    write_two("jtl", logins("D" * 14, failing=0.2))
    assert compared(capsys)[0] == BLOCK


@pytest.mark.parametrize("order", ["A" * 14 + "B" * 14, "B" * 14 + "A" * 14])
def test_a_stored_baseline_never_passes(order: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_two("k6-csv", logins(order))
    code, out, _ = compared(capsys)
    assert code == INCONCLUSIVE
    assert "one after the other" in " ".join(out.split())


def test_the_report_says_which_files_were_read_and_how(capsys: pytest.CaptureFixture[str]) -> None:
    arms = logins("AB" * 7)
    write_two("jtl", (arms[0] + [row._replace(label="bind", elapsed_ms=9) for row in arms[0]], arms[1]))
    assert compared(capsys, "--out", "reports")[0] in (PASS, BLOCK, INCONCLUSIVE)
    page = Path("reports/report.html").read_text()
    for words in ("before.log", "after.log", "jtl and jtl", "in turns, in 7 pairs of blocks of 15 s"):
        assert words in page


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
        ('{\n    "root_group": {"name": ""},\n    "metrics": {}\n}\n', "k6 run --out csv=FILE"),
    ],
    ids=["locust", "locust-history", "unboundid-csv", "unboundid", "opendj", "dsee", "jmeter-aggregate", "k6-summary"],
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
            one_arm(read(good[:at] + source.randbytes(9) + good[at:], written), None)
        except ConfigError as error:
            assert str(error).startswith("a.log")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--before", "a"], "expected --before FILE and --after FILE, got one of them"),
        (["--before", "a", "--after", "b", "--attempts", "c"], "expected one run, two runs, or --attempts FILE, or"),
        (["--before", "a", "--after", "b", "run"], "expected one run, two runs, or --attempts FILE, or --before FILE"),
        (["--before", "none", "--after", "none"], "none: expected a readable file, got: No such file or directory"),
        (["--before", ".", "--after", "."], ".: expected a readable file, got: Is a directory"),
        (["--before", "bad.gz", "--after", "bad.gz"], "bad.gz: expected a readable file, got: Not a gzipped file"),
        (["--before", "a", "--after", "b", "--block-s", "0"], "--block-s"),
        (["--before", "a", "--after", "b", "--format", "har"], "--format"),
    ],
)
def test_a_command_that_can_not_be_followed_exits_with_2(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.gz").write_text("plain")
    assert main(["compare", *argv]) == USAGE
    caught = capsys.readouterr()
    assert said in caught.err
    assert "Traceback" not in caught.err


def test_one_login_on_each_arm_is_an_answer_and_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    write_two("jtl", ([Row(0, 5)], [Row(30, 5)]))
    assert compared(capsys)[0] == INCONCLUSIVE


def test_many_rows_are_read_in_seconds() -> None:
    """A tenth of a million of k6's rows, so that a million take some seconds; a reader a row in Python takes longer."""
    row = k6_csv([Row(0, 5)]).partition("\n")[2]
    Path("many.csv").write_text(K6_HEADER + "\n" + row * 25_000)
    began = datetime.now(UTC)
    assert len(read_samples(Path("many.csv")).ok) == 25_000
    assert (datetime.now(UTC) - began).total_seconds() < 1.5
