"""Another tool's measurement is held to what authgate's own must keep, as far as its files show it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.cli.main import main
from harness.importers.attempts_csv import COLUMNS, read_attempts
from harness.importers.loading import Loading, loading
from harness.importers.two_files import Importing, read_two
from harness.model.policy import Limits
from tests.helpers.arrivals import Simulated, closed_loop, lognormal, poisson, stalled
from tests.helpers.foreign_files import EPOCH_S

pytestmark = pytest.mark.slow

PASS, BLOCK, INCONCLUSIVE, INVALID = 0, 10, 20, 30
POLICY = """\
name: ci
quick: true
looks: {block_from: 3, pass_from: 6, pass_after_s: 0}
margins:
  login: {p50: {relative: 0.2}, p95: {relative: 0.3}, p99: {relative: 0.5}}
  failure_rate: 0.02
  slow_rate: 0.02
"""
RATE, LENGTH_S = 20.0, 300.0
Rng = np.random.Generator


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own; ``main`` sets handlers for its process, which here is pytest's."""
    monkeypatch.chdir(tmp_path)
    Path("ci.yaml").write_text(POLICY)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def write(arms: tuple[Simulated, Simulated], clock: Callable[[np.ndarray], np.ndarray] = lambda s: s) -> None:
    """Both arms as JMeter writes them, in order of their ends; the candidate's by a ``clock``."""
    for name, arm in zip(("b.jtl", "a.jtl"), arms, strict=True):
        end_s = arm.start_s + arm.elapsed_s
        start_s = clock(end_s) - arm.elapsed_s if name == "a.jtl" else arm.start_s
        rows = [
            f"{round((EPOCH_S + start_s[row]) * 1000)},{round(arm.elapsed_s[row] * 1000)},login,Users 1-"
            f"{arm.thread[row]},true"
            for row in np.argsort(end_s)
        ]
        Path(name).write_text("\n".join(["timeStamp,elapsed,label,threadName,success", *rows]) + "\n")


def compared(capsys: pytest.CaptureFixture[str], *what: str) -> tuple[int, str]:
    code = main(["compare", *(what or ("--before", "b.jtl", "--after", "a.jtl")), "--policy", "ci.yaml"])
    caught = capsys.readouterr()
    assert caught.err == ""
    return code, " ".join(caught.out.split())


def loaded(block_s: float = 15.0) -> Loading:
    return loading(read_two(Path("b.jtl"), Path("a.jtl"), Importing(block_s=block_s)).foreign, Limits())


def served(rng: Rng, rate: float = RATE, length_s: float = LENGTH_S, slower: float = 1.0) -> Simulated:
    """Poisson arrivals of logins of about 200 ms."""
    return poisson(rng, rate, length_s, lognormal(rng, 0.2 * slower, 0.2))


def in_loop(rng: Rng, slower: float = 1.0, stall: tuple[float, float] = (0, 0)) -> Simulated:
    """Eight users who log in again as soon as they are in; with a stall of the servers, from and to (s)."""

    def takes(at: float) -> float:
        waits = max(stall[1] - at, 0) if at >= stall[0] else 0.0
        return float(waits + 0.4 * slower * np.exp(rng.normal(0, 0.2)))

    return closed_loop(rng, 8, LENGTH_S, takes, lambda: 0.0)


def joined(parts: list[Simulated]) -> Simulated:
    columns = [np.concatenate([getattr(part, of) for part in parts]) for of in ("start_s", "elapsed_s", "thread")]
    return Simulated(*columns)


def test_files_of_equal_arms_stay_judged() -> None:
    unsound = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        write((served(rng, length_s=90.0), served(rng, length_s=90.0)))
        found = loaded()
        assert not found.waits
        unsound += found.faults
    assert len(unsound) <= 1  # 1 of 200 was measured, of 5 minutes each


def test_equal_arms_pass_with_nothing_said_of_their_load(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((served(rng), served(rng)))
    code, out = compared(capsys)
    assert code == PASS, out
    assert "closed loop" not in out


@pytest.mark.parametrize("rate", [0.85, 1.15])
def test_arms_that_were_not_sent_equally_many_logins_are_no_comparison(
    rate: float, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    write((served(rng), served(rng, RATE * rate)))
    code, out = compared(capsys)
    assert code == INVALID, out
    assert re.search(r"the arms were not loaded alike: [56],\d+ logins on the baseline and [56],\d+ on the cand", out)


def test_a_slower_candidate_is_blocked_though_it_was_asked_less(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((served(rng), served(rng, RATE * 0.85, slower=1.6)))
    code, out = compared(capsys)
    assert code == BLOCK, out
    assert "this can only have made the candidate look better" in out


def attempts(rng: Rng, kept: float, pairs: int = 12, rate: float = 10.0) -> Path:
    """Attempts of equal service times, from one list of arrivals of which the candidate got a part."""
    rows = [",".join(COLUMNS)]
    for pair in range(pairs):
        offsets = np.sort(rng.uniform(0, 15, rng.poisson(15 * rate)))
        for place, arm in enumerate(("baseline", "candidate")):
            block = 2 * pair + place
            due = offsets if place == 0 else offsets[rng.uniform(size=len(offsets)) < kept]
            times = 0.2 * np.exp(rng.normal(0, 0.2, len(due)))
            rows += [f"{arm},{block},{15 * block + at:.6f},login,{took:.6f},1"
                     for at, took in zip(due, times, strict=True)]  # fmt: skip
    path = Path("attempts.csv")
    path.write_text("\n".join(rows) + "\n")
    return path


def test_attempts_of_which_the_candidate_got_fewer_never_pass(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [compared(capsys, "--attempts", str(attempts(np.random.default_rng(seed), 0.85)))[0] for seed in range(8)]
    assert codes == [INVALID] * 8
    equal = [compared(capsys, "--attempts", str(attempts(np.random.default_rng(seed), 1.0)))[0] for seed in range(8)]
    assert set(equal) <= {PASS, INCONCLUSIVE}
    assert equal.count(PASS) >= 6


def test_a_closed_loop_is_said_and_passes_without_what_it_can_not_show(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((in_loop(rng), in_loop(rng)))
    code, out = compared(capsys)
    assert code == PASS, out
    assert (
        "A closed loop: logins begin when others have ended (where each takes 1 % longer, there are fewer by 1.0 %"
        in out
    )
    assert "Not judged (each finding says why): cold login p99, login p50 growth, login slow rate" in out


def test_a_slower_candidate_in_a_closed_loop_never_passes(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((in_loop(rng), in_loop(rng, slower=1.6)))
    assert compared(capsys)[0] == BLOCK
    write((in_loop(rng), in_loop(rng, slower=1.05)))
    code, out = compared(capsys)
    assert code == INVALID, out
    assert "as in a closed loop whose servers are slower" in out


def test_a_faster_candidate_in_a_closed_loop_passes_though_it_was_asked_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(1)
    write((in_loop(rng), in_loop(rng, slower=0.8)))
    code, out = compared(capsys)
    assert code == PASS, out


def test_a_stall_of_the_servers_in_a_closed_loop_is_not_laid_to_the_generator() -> None:
    rng = np.random.default_rng(1)
    write((in_loop(rng), in_loop(rng, stall=(100, 102.5))))
    assert not loaded().faults


def test_a_generator_that_stalled_is_named_with_the_line_and_the_instant(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((served(rng), stalled(served(rng), 150, 4)))
    code, out = compared(capsys)
    assert code == INVALID, out
    assert "candidate: no login began for 4" in out
    assert "its generator stalled, or its clock was set" in out
    assert "15:09:" in out
    assert "a.jtl:3" in out


def test_a_pause_of_both_arms_is_no_stall_and_one_of_one_arm_is(capsys: pytest.CaptureFixture[str]) -> None:
    def without(arm: Simulated) -> Simulated:
        here = (arm.start_s < 150) | (arm.start_s > 162)
        return Simulated(arm.start_s[here], arm.elapsed_s[here], arm.thread[here])

    rng = np.random.default_rng(1)
    both = without(served(rng)), without(served(rng))
    write(both)
    assert compared(capsys)[0] == PASS
    write((both[0], served(rng)))
    code, out = compared(capsys)
    assert code == INVALID, out
    assert "baseline: no login began for 12" in out


def test_a_clock_that_was_set_back_is_named_with_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    write((served(rng), served(rng)), clock=lambda end_s: np.where(end_s > 150, end_s - 5, end_s))
    code, out = compared(capsys)
    assert code == INVALID, out
    assert re.search(
        r"candidate: the clock of its generator was set back by (5|4\.9\d?|5\.0\d?) s before a.jtl:\d+", out
    )


def test_turns_that_last_longer_on_one_arm_at_equal_counts_are_not_loaded_alike() -> None:
    rng = np.random.default_rng(1)
    parts: tuple[list[Simulated], list[Simulated]] = ([], [])
    at_s = 0.0
    for turn in range(12):
        for arm, lasts_s in ((0, 60.0), (1, 75.0)) if turn % 2 else ((1, 75.0), (0, 60.0)):
            start_s = np.sort(rng.uniform(0, lasts_s, 600)) + at_s
            parts[arm].append(Simulated(start_s, lognormal(rng)(600), np.arange(600)))
            at_s += lasts_s
    write((joined(parts[0]), joined(parts[1])))
    (fault,) = loaded(block_s=200.0).faults
    assert fault.reason.startswith("the arms were not loaded alike: ")
    assert "logins a second on the baseline" in fault.reason


def test_whole_seconds_tell_nothing_of_what_was_under_way(tmp_path: Path) -> None:
    rows = [",".join(COLUMNS)]
    rng = np.random.default_rng(1)
    for block in range(12):
        arm = ("baseline", "candidate")[block % 2]
        rows += [f"{arm},{block},{15 * block + place // 20},login,{took:.6f},1"
                 for place, took in enumerate(0.2 * np.exp(rng.normal(0, 0.2, 300)))]  # fmt: skip
    Path("attempts.csv").write_text("\n".join(rows) + "\n")
    found = loading(read_attempts(Path("attempts.csv"), 0.0, 10.0), Limits())
    assert (found.faults, found.notices) == ((), ())
