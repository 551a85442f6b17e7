"""Simulated arrivals of one arm, each as starts and times in seconds and threads, in order of their start."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.model.attempt import Floats, Ints
from harness.model.plan import NS
from harness.stats.arrivals import Arrivals

MS = 1_000_000
Draw = Callable[[int], Floats]


@dataclass(frozen=True)
class Simulated:
    """Logins in order of their start: when they began (s), how long they took (s), on which thread (−1: one each)."""

    start_s: Floats
    elapsed_s: Floats
    thread: Ints

    def arrivals(self, tick: int = MS, threads: bool = True) -> Arrivals:
        """The same as a file with a clock of so many ns tells it."""
        start, elapsed = (np.rint(of * NS / tick).astype(np.int64) * tick for of in (self.start_s, self.elapsed_s))
        follows = np.ones(max(len(start) - 1, 0), dtype=bool)
        return Arrivals(start, elapsed, follows, tick, self.thread if threads else None)


def lognormal(rng: np.random.Generator, mean_s: float = 0.2, sigma: float = 0.3) -> Draw:
    """Times of logins."""
    return lambda count: mean_s * np.exp(rng.normal(0, sigma, count))


def of_starts(start_s: Floats, times: Draw) -> Simulated:
    """Logins that begin when they are due, each on a thread of its own."""
    return Simulated(np.sort(start_s), times(len(start_s)), np.arange(len(start_s)))


def poisson(rng: np.random.Generator, rate: float, length_s: float, times: Draw) -> Simulated:
    """Arrivals that know nothing of each other."""
    return of_starts(rng.uniform(0, length_s, rng.poisson(rate * length_s)), times)


def timetable(rng: np.random.Generator, rate: float, length_s: float, times: Draw) -> Simulated:
    """Arrivals at even distances, 1 ms early or late."""
    count = int(rate * length_s)
    return of_starts(np.arange(count) / rate + rng.normal(0, 1e-3, count), times)


def crowds(rng: np.random.Generator, rate: float, length_s: float, times: Draw) -> Simulated:
    """Poisson arrivals at a rate that changes every 5 s."""
    rates = rate * np.exp(rng.normal(0, 0.5, int(length_s / 5)))
    return of_starts(
        np.concatenate([5 * k + rng.uniform(0, 5, rng.poisson(5 * one)) for k, one in enumerate(rates)]), times
    )


def closed_loop(
    rng: np.random.Generator,
    users: int,
    length_s: float,
    time_at: Callable[[float], float],
    think: Callable[[], float],
) -> Simulated:
    """Users who log in, think and log in again; ``time_at`` gives the time of a login that begins at an instant."""
    waiting = [(float(at), user) for user, at in enumerate(rng.uniform(0, 1, users))]
    heapq.heapify(waiting)
    rows = []
    while waiting:
        at, user = heapq.heappop(waiting)
        if at < length_s:
            rows.append((at, time_at(at), user))
            heapq.heappush(waiting, (at + rows[-1][1] + think(), user))
    start_s, elapsed_s, thread = (np.array(column) for column in zip(*rows, strict=True))
    return Simulated(start_s, elapsed_s, thread.astype(np.int64))


def paced(rng: np.random.Generator, users: int, every_s: float, length_s: float, times: Draw) -> Simulated:
    """Users who each log in as often, however long a login takes."""
    turns = int(length_s / every_s)
    start_s = (rng.uniform(0, every_s, users)[:, None] + every_s * np.arange(turns)).ravel()
    order = np.argsort(start_s)
    return Simulated(start_s[order], times(len(order)), np.repeat(np.arange(users), turns)[order])


def pool(threads: int, arrivals: Simulated) -> Simulated:
    """The same logins on threads that are taken up in the order in which they became free, as k6 does."""
    free: deque[int] = deque(range(threads))
    busy: list[tuple[float, int]] = []
    taken = np.full(len(arrivals.start_s), -1, dtype=np.int64)
    for place, (at, lasts) in enumerate(zip(arrivals.start_s, arrivals.elapsed_s, strict=True)):
        while busy and busy[0][0] <= at:
            free.append(heapq.heappop(busy)[1])
        if free:
            taken[place] = free.popleft()
            heapq.heappush(busy, (at + lasts, int(taken[place])))
    here = taken >= 0
    return Simulated(arrivals.start_s[here], arrivals.elapsed_s[here], taken[here])


def stalled(arrivals: Simulated, from_s: float, length_s: float) -> Simulated:
    """The same where the generator stood still: nothing begins, and what is under way ends so much later."""
    start_s, elapsed_s = arrivals.start_s, arrivals.elapsed_s
    held = (start_s < from_s) & (start_s + elapsed_s > from_s)
    here = (start_s < from_s) | (start_s >= from_s + length_s)
    return Simulated(start_s[here], np.where(held, elapsed_s + length_s, elapsed_s)[here], arrivals.thread[here])
