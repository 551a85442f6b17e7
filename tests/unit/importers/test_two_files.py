"""`authgate compare --before FILE --after FILE`: what two files of another tool come to."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from tests.helpers.foreign_files import (
    WRITERS,
    Row,
    stretches,
)

pytestmark = pytest.mark.slow

PASS, BLOCK, INCONCLUSIVE, USAGE = 0, 10, 20, 2
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


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own; ``main`` sets handlers for its process, which here is pytest's."""
    monkeypatch.chdir(tmp_path)
    Path("ci.yaml").write_text(QUICK)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def compared(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    code = main(["compare", "--before", "before.log", "--after", "after.log", "--policy", "ci.yaml", *more])
    caught = capsys.readouterr()
    assert "Traceback" not in caught.out + caught.err
    return code, caught.out, caught.err


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
    ("argv", "said"),
    [
        (["--before", "a"], "expected --before FILE and --after FILE, got one of them"),
        (["--before", "a", "--after", "b", "--attempts", "c"], "expected one run, two runs, or --attempts FILE, or"),
        (["--before", "a", "--after", "b", "run"], "expected one run, two runs, or --attempts FILE, or --before FILE"),
        (["--before", "none", "--after", "none"], "none: expected a readable file, got: No such file or directory"),
        (["--before", ".", "--after", "."], ".: expected a readable file, got: Is a directory"),
        (["--before", "bad.gz", "--after", "bad.gz"], "bad.gz: expected a readable file, got: Not a gzipped file"),
        (["--before", "a", "--after", "b", "--block-s", "0"], "--block-s"),
        (["--before", "a", "--after", "b", "--read-as", "har"], "--read-as"),
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


def test_a_forgotten_run_before_the_wanted_one_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    baseline, candidate = logins("ABBA" * 7)
    forgotten = [row._replace(start_s=row.start_s - 20 * 3600, elapsed_ms=3 * row.elapsed_ms) for row in baseline]
    write_two("jtl", (forgotten + baseline, candidate))
    code, out, _ = compared(capsys, "--out", "reports")
    assert code == PASS, out
    told = "before.log: 2 runs in the file, 19.9 hours apart: the last was taken, begun 2025-06-15 15:06:40 UTC, with"
    assert told in " ".join(out.split())
    assert "2,100 of 4,200 logins" in Path("reports/report.html").read_text()
    # A few rows of a try that was given up are no run to be taken, before the wanted one or after it.
    for at_s in (-7200, 7200):
        write_two("jtl", (baseline + [row._replace(start_s=row.start_s + at_s) for row in baseline[:9]], candidate))
        code, out, _ = compared(capsys)
        assert code == PASS, out
        assert "with 2,100 of 2,109 logins" in " ".join(out.split())


def test_turns_of_hours_are_no_runs_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    arms = logins("ABBA" * 7)
    hourly = [[row._replace(start_s=row.start_s + 3600 * (row.start_s // 15)) for row in rows] for rows in arms]
    write_two("jtl", (hourly[0], hourly[1]))
    code, out, _ = compared(capsys)
    assert code == PASS, out
    assert "runs in the file" not in out


def test_the_last_run_of_a_stored_baseline_counts_even_where_the_candidate_ran_between(
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline, candidate = logins("A" * 14 + "B" * 14)
    earlier = [row._replace(start_s=row.start_s - 86_400, elapsed_ms=9 * row.elapsed_ms) for row in baseline]
    late = [row._replace(start_s=row.start_s - 40_000) for row in candidate]
    write_two("jtl", (earlier + baseline, late))
    code, out, _ = compared(capsys)
    assert code == INCONCLUSIVE
    assert "before.log: 2 runs in the file, 23.9 hours apart: the last was taken" in " ".join(out.split())


def test_of_two_sessions_of_both_arms_the_last_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    baseline, candidate = logins("ABBA" * 7)
    earlier = [[row._replace(start_s=row.start_s - 86_400, elapsed_ms=2 * row.elapsed_ms + at * 99) for row in rows]
               for at, rows in enumerate((baseline, candidate))]  # fmt: skip
    write_two("jtl", (earlier[0] + baseline, earlier[1] + candidate))
    code, out, _ = compared(capsys)
    assert code == PASS, out
    for name in ("before.log", "after.log"):
        assert f"{name}: 2 runs in the file, 23.9 hours apart: the last was taken" in " ".join(out.split())


@pytest.mark.parametrize("tool", WRITERS)
def test_what_power_shell_writes_and_what_was_packed_without_its_name_saying_so_is_read(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = (WRITERS[tool](rows) for rows in logins("ABBA" * 7))
    Path("before.log").write_bytes(before.replace("\n", "\r\n").encode("utf-16"))
    Path("after.log").write_bytes(gzip.compress(after.encode("utf-8-sig")))
    code, out, _ = compared(capsys)
    assert code == PASS, out


def test_text_that_is_cut_within_a_character_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    write_two("jtl", logins("AB"))
    Path("before.log").write_bytes(Path("before.log").read_text().encode("utf-16")[:-1])
    code, _, err = compared(capsys)
    assert (code, err) == (USAGE, "before.log: expected a readable file, got: UTF-16 damaged: truncated data\n")


def test_one_login_on_each_arm_is_an_answer_and_no_crash(capsys: pytest.CaptureFixture[str]) -> None:
    write_two("jtl", ([Row(0, 5)], [Row(30, 5)]))
    assert compared(capsys)[0] == INCONCLUSIVE
