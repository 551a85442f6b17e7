"""Numbers that no measurement has, in other tools' files: refused with their line, or told, and never computed with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.errors import ConfigError
from harness.importers.attempts_csv import COLUMNS, read_attempts
from harness.importers.loading import loading
from harness.importers.two_files import Importing, TwoFiles, read_two
from harness.model.policy import Limits
from tests.helpers.foreign_files import EPOCH_S, JTL_HEADER, jtl_row

USAGE = 2
DIGITS = "9" * 300
LONG = "x" * 200_000
SAID_AT_MOST = 320
ATTEMPTS = ",".join(COLUMNS)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own for the files that are read."""
    monkeypatch.chdir(tmp_path)


def rows(since_s: float) -> list[str]:
    times = np.random.default_rng(int(since_s)).uniform(50, 500, 300)
    return [jtl_row(since_s + 0.1 * place, ms, "login") for place, ms in enumerate(times)]


def two(before: list[str], after: list[str], block_s: float = 15.0) -> TwoFiles:
    for name, lines in (("b.jtl", before), ("a.jtl", after)):
        Path(name).write_text("\n".join([JTL_HEADER, *lines]) + "\n")
    return read_two(Path("b.jtl"), Path("a.jtl"), Importing(block_s=block_s))


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        run()
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) <= SAID_AT_MOST
    return said


def at_ms(stamp: object, elapsed: object = 5, idle: object = 0) -> str:
    return f"{stamp},{elapsed},login,200,OK,Users 1-1,text,true,,0,0,1,1,null,0,{idle},0"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (at_ms(8_640_000_000), 'timeStamp: expected a time from the years 2000 to 2099, got "8640000000"'),
        (at_ms(8_999_999_999_999), 'timeStamp: expected a time from the years 2000 to 2099, got "8999999999999"'),
        (at_ms(DIGITS), "timeStamp: expected a time in s, ms, µs or ns since 1970"),
        (at_ms(f"{EPOCH_S}000", DIGITS), "elapsed: expected milliseconds of 0 or more, at most 86,400,000"),
        (at_ms(f"{EPOCH_S}000", "1e300"), "elapsed: expected milliseconds of 0 or more, at most 86,400,000"),
        (at_ms(f"{EPOCH_S}000", 5, DIGITS), "IdleTime: expected milliseconds of 0 or more, at most 86,400,000"),
        (at_ms(LONG), "timeStamp: expected a time in s, ms, µs or ns since 1970"),
        (LONG, "expected fields of at most 131,072 characters"),
    ],
    ids=["1970", "2255", "stamp", "elapsed", "1e300", "idle", "long", "one field"],
)
@pytest.mark.parametrize("place", [0, 300])
def test_what_no_measurement_has_is_refused_with_its_line(row: str, said: str, place: int) -> None:
    lines = rows(0)
    lines.insert(place, row)
    assert refused(lambda: two(lines, rows(40))).startswith(f"b.jtl:{place + 2}: {said}")


def test_a_date_of_another_century_is_refused_with_its_line() -> None:
    lines = [at_ms("2025-06-15 12:00:00.000"), at_ms("1970-04-11 00:00:00.000")]
    assert refused(lambda: two(lines, rows(40))).startswith(
        "b.jtl:3: timeStamp: expected a time from the years 2000 to"
    )


def test_a_row_of_another_year_is_a_run_of_its_own_and_said_to_be_left_out() -> None:
    found = two(rows(0), [*rows(40), at_ms(3_800_000_000_000)])
    assert len(found.foreign.table) == 600
    assert found.foreign.notices == (
        "a.jtl: 2 runs in the file, 23726.9 days apart: that of line 2 and on was taken, begun 2025-06-15 15:07:20 "
        "UTC, with 300 of 301 logins.",
    )


def test_more_blocks_than_any_run_has_are_refused_with_the_lines_that_span_them() -> None:
    assert refused(lambda: two(rows(0), rows(40), block_s=1e-9)) == (
        "b.jtl: expected at most 100,000 blocks of 1e-09 s, got 29,900,000,000 from line 2 (2025-06-15 15:06:40) to "
        "line 301 (2025-06-15 15:07:09): take out rows of other times, or set --block-s"
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--block-s", "1e-9"),
        *((option, value) for option in ("--block-s", "--trim-s", "--timeout-s") for value in ("1e9", "nan", DIGITS)),
    ],
)
def test_lengths_of_blocks_trims_and_time_outs_are_those_of_a_measurement(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "--before", "b.jtl", "--after", "a.jtl", option, value]) == USAGE
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"arm,{LONG}\n", f"a.csv:1: expected columns {ATTEMPTS} (and login), got arm,xxx"),
        (f"{ATTEMPTS}\nbaseline,{DIGITS},1,login,1,1\n", "a.csv:2: block: expected a whole number of 0 or more"),
        (f"{ATTEMPTS}\nbaseline,0,{DIGITS},login,1,1\n", "a.csv:2: t_intended_s: expected seconds from"),
        (f"{ATTEMPTS}\nbaseline,0,-1e300,login,1,1\n", "a.csv:2: t_intended_s: expected seconds from"),
        (f"{ATTEMPTS}\nbaseline,0,1,login,{DIGITS},1\n", "a.csv:2: latency_s: expected seconds of 0 or more, at most"),
        (f"{ATTEMPTS}\nbaseline,0,1,login,1,{LONG}\n", "a.csv:2: ok: expected 1 or true or yes or 0 or false or no"),
        (f"{ATTEMPTS}\nbaseline,0,1,{LONG},1,1\nbaseline,0,2,login,1,1\n", "a.csv:2: step: expected a row with step"),
        (f"{ATTEMPTS}\n{LONG}\n", "a.csv:2: expected fields of at most 131,072 characters"),
    ],
)  # fmt: skip
def test_an_error_of_attempts_has_its_line_and_is_short(content: str, said: str) -> None:
    Path("a.csv").write_text(content)
    assert refused(lambda: read_attempts(Path("a.csv"), 0.0, 10.0)).startswith(said)


@pytest.mark.parametrize("value", ["1e300", "9" * 400])
def test_a_json_number_beyond_all_times_is_refused_with_its_line(value: str) -> None:
    point = '{"metric":"http_req_duration","type":"Point","data":{"time":"2025-06-15T15:06:40Z","value":%s,"tags":{}}}'
    Path("k.json").write_text(point % "5" + "\n" + point % value + "\n")
    Path("a.jtl").write_text("\n".join([JTL_HEADER, *rows(0)]) + "\n")
    said = refused(lambda: read_two(Path("k.json"), Path("a.jtl"), Importing()))
    assert said.startswith("k.json:2: value: expected milliseconds of 0 or more")


def test_labels_and_headers_of_any_length_are_quoted_shortly() -> None:
    assert refused(lambda: two([jtl_row(0, 5, LONG), jtl_row(0, 5, LONG[::-1] + "y")], rows(40)))
    Path("b.jtl").write_text(f"{LONG},timeStamp\n1,2\n")
    assert refused(lambda: read_two(Path("b.jtl"), Path("a.jtl"), Importing())).startswith("b.jtl:1: expected JMeter's")


def test_logins_of_no_pair_are_said_to_be_left_out() -> None:
    lines = [ATTEMPTS]
    for block in range(6):
        arm = ("baseline", "candidate")[block % 2]
        lines += [f"{arm},{block},{15 * block + 0.1 * place:.1f},login,{0.1 + place / 1000 + block / 1e5},1"
                  for place in range(100)]  # fmt: skip
    Path("a.csv").write_text("\n".join([*lines, "candidate,9,4e9,login,0.1,1"]) + "\n")
    told = loading(read_attempts(Path("a.csv"), 0.0, 10.0), Limits()).notices
    assert told == (
        "Logins of no pair, since the other arm has no block for theirs, are left out: 0 of the baseline and 1 of the "
        "candidate.",
    )
