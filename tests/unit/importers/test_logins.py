"""Which samples of JMeter's and k6's files are logins and which are steps, on cases from the field and on real files.

The files ``jmeter-2.13-*`` are JMeter's own: three users, a Transaction Controller "Login" of the samplers "GET form"
and "Login", 300 ms of think time between them, and a sampler "log out" after it; with and without "Generate parent
sample".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.importers.logins import OneArm, login_label, one_arm
from harness.importers.samples import Samples
from harness.importers.tools import read_samples
from harness.importers.two_files import Importing, read_two
from tests.helpers.foreign_files import EPOCH_S, JTL_HEADER, jtl_row

CASES = Path(__file__).parents[2] / "data" / "cases"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for the files that are read."""
    monkeypatch.chdir(tmp_path)


def samples(rows: list[str], header: str = JTL_HEADER, name: str = "a.jtl") -> Samples:
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return read_samples(Path(name))


def arm(found: Samples, label: str | None = None) -> OneArm:
    return one_arm(found, login_label([found], label))


def refused(*files: Samples, label: str | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        for found in files:
            one_arm(found, login_label(files, label))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def paused(at: float, thread: int = 1, idle_ms: int = 3000) -> list[str]:
    """A transaction as JMeter writes it: two samples with a pause between them, then the whole, then a log-out."""
    second = at + 0.1 + idle_ms / 1000
    return [
        jtl_row(at, 100, "GET form", thread),
        jtl_row(second, 200, "POST credentials", thread),
        jtl_row(at, 300, "Login", thread, held=2, idle_ms=idle_ms),
        jtl_row(second + 0.3, 10, "log out", thread),
    ]


def test_a_step_after_a_think_time_is_one_of_its_login_and_is_blamed() -> None:
    found = read_two(CASES / "think-time-before.jtl", CASES / "think-time-after.jtl", Importing())
    table = found.foreign.table
    assert found.foreign.steps == ("GET form", "POST credentials")
    for name in found.foreign.steps:
        assert sorted(table.steps[name].row.tolist()) == list(range(len(table)))
    steps_s = sum(np.bincount(step.row, weights=step.service_s) for step in table.steps.values())
    np.testing.assert_allclose(table.response_s, steps_s, atol=1e-9)
    assert found.foreign.notices == ()


@pytest.mark.parametrize("written", ["samples-csv", "samples-xml", "parents-xml"])
def test_jmeters_own_transactions_have_all_their_samples_as_steps(written: str) -> None:
    found = arm(read_samples(CASES / f"jmeter-2.13-{written}.jtl"))
    assert len(found.start_ns) == 36
    assert {name: len(steps.row) for name, steps in found.steps.items()} == {"GET form": 36, "Login (request)": 36}
    for steps in found.steps.values():
        assert sorted(steps.row.tolist()) == list(range(36))
    steps_s = sum(np.bincount(steps.row, weights=steps.service_s) for steps in found.steps.values())
    np.testing.assert_allclose(found.elapsed_s, steps_s, atol=5e-3)
    assert (found.left_out, found.missing) == ({"log out": 36}, 0)


def test_a_transaction_that_the_file_holds_without_its_samples_is_a_login_without_steps() -> None:
    found = arm(read_samples(CASES / "jmeter-2.13-parents-csv.jtl"))
    assert (len(found.start_ns), found.steps, found.missing) == (36, {}, 0)


def test_of_a_transaction_and_its_sampler_of_one_name_the_transaction_is_the_login() -> None:
    rows = [
        row
        for at in range(5)
        for row in (
            jtl_row(at, 40, "GET form"),
            jtl_row(at + 0.04, 60, "Login"),
            jtl_row(at, 100, "Login", held=2),
        )
    ]
    found = arm(samples(rows))
    assert found.elapsed_s.tolist() == [0.1] * 5
    assert {name: set(steps.service_s) for name, steps in found.steps.items()} == {
        "GET form": {0.04},
        "Login (request)": {0.06},
    }


def test_where_messages_were_not_kept_the_sample_around_another_of_its_name_is_the_login() -> None:
    header = "timeStamp,elapsed,label,threadName,success"
    at = [EPOCH_S * 1000 + place * 1000 for place in range(5)]
    inner = [f"{ms + 40},60,Login,Users 1-1,true" for ms in at]
    whole = [f"{ms},100,Login,Users 1-1,true" for ms in at]
    found = arm(samples([row for pair in zip(inner, whole, strict=True) for row in pair], header))
    assert found.elapsed_s.tolist() == [0.1] * 5
    assert found.steps["Login (request)"].service_s.tolist() == [0.06] * 5
    # Threads of two machines that go by one name overlap: none of their logins is a part of another.
    other = [f"{ms + 70},90,Login,Users 1-1,true" for ms in at]
    assert len(arm(samples([*inner, *whole, *other], header)).start_ns) == 15


def test_threads_of_several_machines_are_told_apart_by_the_machine() -> None:
    header = "timeStamp,elapsed,label,responseMessage,threadName,success,IdleTime,Hostname"
    rows = []
    for host, ms in (("a", 0), ("b", 50)):
        at = EPOCH_S * 1000 + ms
        rows += [f"{at},100,step of {host},OK,Users 1-1,true,0,{host}",
                 f'{at},100,Login,"Number of samples in transaction : 1",Users 1-1,true,0,{host}']  # fmt: skip
    found = arm(samples(rows, header))
    assert {name: steps.row.tolist() for name, steps in found.steps.items()} == {"step of a": [0], "step of b": [1]}


def journey(place: int, slow: float = 1.0) -> list[str]:
    """Three transactions with their samples, as in apache/jmeter#5780."""
    at = 10.0 * place
    rows = []
    for number, (label, sample, ms) in enumerate(
        (("TX01 Start", "GET /", 50), ("TX02_Logon", "POST /logon", 200 * slow), ("TX03 Open", "GET /record", 80))
    ):
        start = at + number
        rows += [jtl_row(start, ms, sample), jtl_row(start, ms, label, held=1)]
    return rows


def test_without_a_login_label_several_labels_are_refused_and_listed_with_their_counts() -> None:
    said = refused(samples([row for place in range(4) for row in journey(place)]))
    assert said == (
        "a.jtl: label: expected samples of login (or the name of a whole login by --login-label) in both files, got "
        "GET / 4, GET /record 4, POST /logon 4, TX01 Start (transaction) 4, TX02_Logon (transaction) 4, "
        "TX03 Open (transaction) 4"
    )


def test_a_transaction_is_its_samples_parent_and_others_are_left_out_and_counted() -> None:
    found = arm(samples([row for place in range(4) for row in journey(place)]), "tx02_logon")
    assert found.elapsed_s.tolist() == [0.2] * 4
    assert found.steps.keys() == {"POST /logon"}
    assert found.left_out == {"GET /": 4, "GET /record": 4}
    single = arm(samples([row for place in range(4) for row in journey(place)]), "POST /logon")
    assert (single.elapsed_s.tolist(), single.steps) == ([0.2] * 4, {})


def test_a_transaction_within_the_login_is_no_step_beside_its_own_samples() -> None:
    rows = [
        jtl_row(0, 40, "GET form"),
        jtl_row(0.04, 60, "POST"),
        jtl_row(0.04, 60, "inner", held=1),
        jtl_row(0, 100, "Login", held=2),
    ]
    assert arm(samples(rows)).steps.keys() == {"GET form", "POST"}


def test_a_login_that_is_a_transaction_in_one_file_alone_is_refused() -> None:
    whole = samples([jtl_row(0, 40, "GET"), jtl_row(0, 40, "Login", held=1)])
    single = samples([jtl_row(0, 40, "Login")], name="b.jtl")
    assert refused(whole, single) == (
        "b.jtl: label: expected login to be a transaction as in a.jtl, got single samples of it"
    )


def test_a_pause_of_unknown_length_is_refused_where_it_costs_steps() -> None:
    header = JTL_HEADER.replace(",IdleTime", "")
    rows = [",".join([*row.split(",")[:-2], row.split(",")[-1]]) for row in paused(0)]
    assert refused(samples(rows, header)) == (
        "a.jtl:4: IdleTime: expected how long the transaction paused, since it has 2 samples and its time holds 1: "
        "measure with jmeter.save.saveservice.idle_time=true"
    )
    rows = [",".join([*row.split(",")[:-2], row.split(",")[-1]]) for row in paused(0, idle_ms=0)]
    assert arm(samples(rows, header)).steps.keys() == {"GET form", "POST credentials"}


def test_samples_that_transactions_name_and_the_file_lacks_are_counted() -> None:
    rows = paused(0) + paused(10)
    found = arm(samples(rows[1:]))
    assert (found.missing, len(found.steps["GET form"].row)) == (1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_steps_find_their_login_whatever_the_order_of_the_rows_and_however_far_apart_runs_lie(seed: int) -> None:
    rows = [row for thread in (1, 2) for at in (0, 5, 800_000_000) for row in paused(at + thread / 10, thread)]
    np.random.default_rng(seed).shuffle(rows)
    found = arm(samples(rows))
    for steps in found.steps.values():
        assert sorted(steps.row.tolist()) == list(range(6))
    assert found.left_out == {"log out": 6}


def test_what_lies_within_a_step_is_part_of_that_step_and_no_step_of_its_own() -> None:
    message = "Number of samples in transaction : 1, number of failing samples : 0"
    Path("a.xml").write_text(
        '<testResults version="1.2">'
        f'<sample t="90" it="0" ts="{EPOCH_S}000" s="true" lb="Journey" rm="{message}" tn="1-1">'
        f'<sample t="50" it="0" ts="{EPOCH_S}000" s="true" lb="Login" rm="{message}" tn="1-1">'
        f'<httpSample t="50" it="0" ts="{EPOCH_S}000" s="true" lb="POST" rm="OK" tn="1-1">'
        f'<httpSample t="20" it="0" ts="{EPOCH_S}000" s="true" lb="POST-0" rm="Found" tn="1-1"/>'
        f"</httpSample></sample>"
        f'<httpSample t="40" it="0" ts="{EPOCH_S}050" s="true" lb="GET record" rm="OK" tn="1-1"/>'
        "</sample></testResults>"
    )
    found = arm(read_samples(Path("a.xml")))
    assert found.elapsed_s.tolist() == [0.05]
    assert {name: steps.service_s.tolist() for name, steps in found.steps.items()} == {"POST": [0.05]}
    assert found.left_out == {"GET record": 1}


@pytest.mark.parametrize("arm_of", ["before", "after"])
def test_sums_of_many_samples_are_refused_as_what_they_are(arm_of: str) -> None:
    path = CASES / f"statistical-{arm_of}.jtl"
    with pytest.raises(ConfigError) as caught:
        read_samples(path)
    assert str(caught.value).startswith(f"{path}:2: SampleCount: expected 1, a sample a row (mode=Statistical writes ")
    assert str(caught.value).endswith(f'got "{100 if arm_of == "before" else 50}"')
    sums = f'<testResults><sample t="9" ts="{EPOCH_S}000" s="true" lb="Login" sc="9"/></testResults>'
    Path("a.xml").write_text(sums)
    with pytest.raises(ConfigError, match=r"a.xml:1: SampleCount: expected 1, a sample a row"):
        read_samples(Path("a.xml"))
