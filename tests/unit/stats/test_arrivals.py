"""What starts and times of logins tell of how they came: planted truths, and how often each rule errs without one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.stats.arrivals import Arrivals, set_back, silences, waiting
from tests.helpers.arrivals import (
    MS,
    Simulated,
    closed_loop,
    crowds,
    lognormal,
    paced,
    poisson,
    pool,
    stalled,
    timetable,
)

pytestmark = pytest.mark.slow

S = 10**9
Rng = np.random.Generator


def steady(rng: Rng, mean_s: float, sigma: float = 0.3) -> Callable[[float], float]:
    return lambda _: float(mean_s * np.exp(rng.normal(0, sigma)))


OPEN: dict[str, Callable[[Rng], Arrivals]] = {
    "poisson": lambda rng: poisson(rng, 20, 200, lognormal(rng)).arrivals(),
    "poisson, many at once": lambda rng: poisson(rng, 10, 200, lognormal(rng, 2.0)).arrivals(threads=False),
    "timetable": lambda rng: timetable(rng, 20, 200, lognormal(rng)).arrivals(threads=False),
    "crowds": lambda rng: crowds(rng, 20, 200, lognormal(rng, 0.5)).arrivals(threads=False),
    "pool of threads": lambda rng: pool(40, poisson(rng, 20, 200, lognormal(rng))).arrivals(),
    "pool on a timetable": lambda rng: pool(60, timetable(rng, 20, 200, lognormal(rng))).arrivals(),
    "users at their pace": lambda rng: paced(rng, 50, 5, 300, lognormal(rng)).arrivals(),
}
CLOSED: dict[str, Callable[[Rng], Arrivals]] = {
    "no thinking": lambda rng: closed_loop(rng, 8, 120, steady(rng, 0.4), lambda: 0.0).arrivals(),
    "one user": lambda rng: closed_loop(rng, 1, 200, steady(rng, 0.2), lambda: 0.0).arrivals(),
    "thinking evenly": lambda rng: closed_loop(rng, 50, 200, steady(rng, 0.5), lambda: 3.0).arrivals(),
    "thinking between": lambda rng: closed_loop(rng, 50, 200, steady(rng, 1.0), lambda: rng.uniform(1, 5)).arrivals(),
    "no threads known": lambda rng: closed_loop(rng, 8, 120, steady(rng, 0.4), lambda: 0.0).arrivals(threads=False),
    "no threads, thinking": lambda rng: closed_loop(
        rng, 20, 300, steady(rng, 0.3), lambda: rng.exponential(1)
    ).arrivals(threads=False),
}


@pytest.mark.parametrize("how", OPEN)
def test_what_comes_by_itself_is_not_taken_for_a_closed_loop(how: str) -> None:
    assert not [
        seed for seed in range(20) if (found := waiting(OPEN[how](np.random.default_rng(seed)))) and found.shown
    ]


@pytest.mark.parametrize("how", CLOSED)
def test_a_closed_loop_is_known_by_what_follows_on_an_end(how: str) -> None:
    shown = [waiting(CLOSED[how](np.random.default_rng(seed))) for seed in range(10)]
    assert sum(found is not None and found.shown for found in shown) >= 9


def test_the_elasticity_of_a_closed_loop_is_the_share_of_time_that_users_wait() -> None:
    rng = np.random.default_rng(3)
    for users, takes_s, thinks_s in ((20, 0.5, 1.0), (50, 1.0, 4.0)):
        found = waiting(closed_loop(rng, users, 300, steady(rng, takes_s, 0.1), lambda: thinks_s).arrivals())  # noqa: B023
        assert found is not None
        assert found.elasticity == pytest.approx(takes_s / (takes_s + thinks_s), rel=0.1)


def test_a_loop_that_users_hardly_wait_in_is_as_good_as_open() -> None:
    rng = np.random.default_rng(3)
    found = waiting(closed_loop(rng, 100, 300, steady(rng, 0.1), lambda: rng.uniform(3, 7)).arrivals())
    assert found is not None
    assert not found.shown


def test_threads_of_two_machines_that_go_by_one_name_prove_nothing() -> None:
    rng = np.random.default_rng(3)
    one = poisson(rng, 20, 200, lognormal(rng))
    found = waiting(Simulated(one.start_s, one.elapsed_s, np.zeros(len(one.start_s), dtype=np.int64)).arrivals())
    assert found is None or not found.shown


def test_a_few_logins_tell_nothing_of_how_they_came() -> None:
    rng = np.random.default_rng(3)
    assert waiting(closed_loop(rng, 2, 10, steady(rng, 0.4), lambda: 0.0).arrivals()) is None


@pytest.mark.parametrize("how", OPEN)
def test_arrivals_without_a_stall_show_none(how: str) -> None:
    silent = [seed for seed in range(100) if silences(OPEN[how](np.random.default_rng(seed)))]
    assert len(silent) <= 1  # 1 to 2 of 1,000


@pytest.mark.parametrize(("rate", "length_s"), [(50, 0.6), (20, 1.5), (10, 3.0)])
def test_a_stall_is_seen_and_that_logins_were_held_up_with_it(rate: float, length_s: float) -> None:
    seen = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        arrivals = stalled(poisson(rng, rate, 200, lognormal(rng)), 100, length_s).arrivals()
        for silence in silences(arrivals):
            at_s = arrivals.start[silence.after] / S
            assert at_s == pytest.approx(100, abs=1)
            assert silence.length / S == pytest.approx(length_s, abs=1)
            seen += silence.frozen
    assert seen >= 30  # with 2 logins under way on average, 1 stall in 8 holds up none


def test_a_pause_that_was_meant_holds_up_no_login() -> None:
    rng = np.random.default_rng(3)
    one = poisson(rng, 20, 200, lognormal(rng))
    here = (one.start_s < 100) | (one.start_s > 110)
    paused = Simulated(one.start_s[here], one.elapsed_s[here], one.thread[here]).arrivals()
    (silence,) = silences(paused)
    assert silence.length / S == pytest.approx(10, abs=0.5)
    assert not silence.frozen


def test_pauses_between_turns_are_no_silences() -> None:
    rng = np.random.default_rng(3)
    one = poisson(rng, 20, 300, lognormal(rng))
    here = (one.start_s // 15) % 2 == 0
    start = np.rint(one.start_s[here] * S).astype(np.int64)
    turn = one.start_s[here] // 15
    elapsed = np.rint(one.elapsed_s[here] * S).astype(np.int64)
    arrivals = Arrivals(start, elapsed, np.diff(turn) == 0, MS)
    assert silences(arrivals) == ()
    assert waiting(arrivals) is not None


def written(back_s: float, seed: int, slow: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows as a tool writes them, in order of their end, of a clock that is set back in the middle."""
    rng = np.random.default_rng(seed)
    one = poisson(rng, 20, 300, lognormal(rng))
    start_s, elapsed_s = one.start_s, one.elapsed_s.copy()
    if slow:  # all logins of 3 s end together
        held = (start_s > 100) & (start_s < 103)
        elapsed_s[held] += 103 - start_s[held]
    order = np.argsort(start_s + elapsed_s)
    start_s, elapsed_s = start_s[order], elapsed_s[order]
    start_s = np.where(start_s + elapsed_s > 150, start_s - back_s, start_s)
    return tuple(np.rint(of * S).astype(np.int64) for of in (start_s, elapsed_s))  # type: ignore[return-value]


@pytest.mark.parametrize("back_s", [2.0, 30.0])
def test_a_clock_that_was_set_back_is_seen(back_s: float) -> None:
    for seed in range(10):
        start, elapsed = written(back_s, seed)
        ((row, by),) = set_back(start, elapsed)
        assert (start + elapsed)[row] / S == pytest.approx(150 - back_s, abs=1.5)
        assert by / S == pytest.approx(back_s, abs=1.5)


def test_a_clock_that_was_not_set_is_not_seen_whatever_the_order_of_the_rows() -> None:
    for seed in range(20):
        start, elapsed = written(0.0, seed, slow=True)
        assert set_back(start, elapsed) == ()
        by_start = np.argsort(start)
        assert set_back(start[by_start], elapsed[by_start]) == ()
        at_random = np.random.default_rng(seed).permutation(len(start))
        assert set_back(start[at_random], elapsed[at_random]) == ()
        # Two machines' files, one after the other, are no clock that was set.
        assert set_back(np.tile(start, 2), np.tile(elapsed, 2)) == ()
