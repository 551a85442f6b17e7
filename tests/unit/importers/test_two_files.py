"""`authgate compare --before FILE --after FILE`: what two files of another tool come to."""

from __future__ import annotations

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
