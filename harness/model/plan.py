"""The plan of arrivals: an open Poisson process, drawn once from a seed and never rewritten.

A login that is sent late is late: its due time stays (CONTRIBUTING, rule 3).

Blocks come by two, one of each arm: both replay one list of arrivals (same offsets, users and cohorts), and their order
is random, since a job that runs every 30 s would otherwise fall on one arm only. A pair has one such two or several;
above the peak it has one, as long as the several together. In a duet both run at the same time.

Where a scenario has rounds, the process is that of their beginnings, and each later login of a round is due a think
time after the one before it, whether that has ended or not (a Bartlett-Lewis process: P. A. W. Lewis, *A branching
Poisson process model*, J. R. Stat. Soc. B 26, 1964). Rounds also begin before a block does, and only what is due within
it is sent: so the rate of logins is the scenario's from the block's first second on, and the cohorts have their shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import numpy.typing as npt

from harness.model.rates import Arrivals
from harness.model.scenario import ROUNDS_LOOKBACK, Scenario
from harness.model.target import ARMS, Arm

NS = 1_000_000_000
Whole = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One login due at ``intended`` (ns from the run's origin) by the ``user``-th account of the population."""

    seq: int
    user: int
    cohort: str
    intended: int


@dataclass(frozen=True, slots=True, eq=False)
class Arriving(Sequence[Arrival]):
    """A block's logins in order of time, as columns; each by itself is an Arrival.

    The ``place``-th login of a block has the number ``first + place`` and is due ``offset`` ns after ``start``;
    ``cohort`` codes ``cohorts``. A plan of 20 million logins takes 200 MB so, and 3 GB as objects.
    """

    first: int
    start: int
    place: Whole
    offset: Whole
    user: npt.NDArray[np.int32]
    cohort: npt.NDArray[np.int8]
    cohorts: tuple[str, ...]

    @property
    def seq(self) -> Whole:
        """The number of each login."""
        return self.first + self.place.astype(np.int64)

    @property
    def intended(self) -> Whole:
        """When each login is due, in ns from the run's origin."""
        return self.start + self.offset

    @property
    def accounts(self) -> set[tuple[str, int]]:
        """Every cohort with each user that logs in by it."""
        both = np.unique(self.user.astype(np.int64) * len(self.cohorts) + self.cohort)
        return {(self.cohorts[one % len(self.cohorts)], one // len(self.cohorts)) for one in both.tolist()}

    def chosen(self, which: npt.NDArray[np.bool_]) -> Arriving:
        """Some of them, which keep their numbers and due times."""
        return replace(
            self, place=self.place[which], offset=self.offset[which], user=self.user[which], cohort=self.cohort[which]
        )

    def __len__(self) -> int:
        return len(self.place)

    @overload
    def __getitem__(self, at: int) -> Arrival: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Arrival]: ...

    def __getitem__(self, at: int | slice) -> Arrival | Sequence[Arrival]:
        if isinstance(at, slice):
            return list(self)[at]
        return Arrival(
            self.first + int(self.place[at]),
            int(self.user[at]),
            self.cohorts[self.cohort[at]],
            self.start + int(self.offset[at]),
        )

    def __iter__(self) -> Iterator[Arrival]:
        for place in range(len(self)):
            yield self[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arriving) and (
            (self.first, self.start, self.cohorts) == (other.first, other.start, other.cohorts)
            and all(
                np.array_equal(getattr(self, name), getattr(other, name))
                for name in ("place", "offset", "user", "cohort")
            )
        )

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of one arm's load; ``start`` and ``length`` in ns from the run's origin."""

    index: int
    pair: int
    arm: Arm
    start: int
    length: int
    arrivals: Arriving


@dataclass(frozen=True, slots=True)
class Plan:
    """Every login that a run will send, in blocks."""

    scenario_digest: str
    seed: int
    blocks: tuple[Block, ...]

    @property
    def length(self) -> int:
        """How long the plan's load lasts, in ns."""
        return self.blocks[-1].start + self.blocks[-1].length

    def at(self, t: int) -> tuple[Block, ...]:
        """The blocks under way at ``t`` ns; the last ones after the end."""
        last = self.blocks[-1].start
        return tuple(block for block in self.blocks if block.start <= min(max(t, 0), last) < block.start + block.length)

    def of_pairs(self, pairs: range) -> tuple[Block, ...]:
        """The blocks of some pairs, in order."""
        return tuple(block for block in self.blocks if block.pair in pairs)

    def of(self, arm: Arm) -> tuple[Block, ...]:
        """The blocks of one arm, in order of time."""
        return tuple(block for block in self.blocks if block.arm == arm)


@dataclass(frozen=True, slots=True)
class _Draw:
    """One list of arrivals in order of time, as offsets (s) from a block's start; cohorts as the scenario's mix."""

    offsets: npt.NDArray[np.float64]
    users: npt.NDArray[np.int64]
    cohorts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of scenario time, in seconds."""

    from_s: float
    length_s: float


def make_plan(scenario: Scenario, arms: Sequence[Arm] = ARMS) -> Plan:
    """The plan of a scenario for one arm or two.

    Each pair draws from a stream of its own, so a longer plan begins with the same pairs as a shorter one.
    """
    cut, headroom = scenario.blocks, scenario.headroom
    blocks: list[Block] = []
    seq = end = 0
    for pair, stream in enumerate(np.random.SeedSequence(scenario.seed).spawn(cut.pairs)):
        rng = np.random.default_rng(stream)
        times, lengths_s = 1.0, [cut.length_s] * cut.per_pair
        if headroom and (pair + 1) % headroom.every == 0:
            times, lengths_s = headroom.factor, [cut.arm_s]
        for turn, length_s in enumerate(lengths_s):
            from_s = (pair * cut.per_pair + turn) * cut.length_s
            order = [arms[i] for i in rng.permutation(len(arms))]
            drawn = _columns(_draw(scenario, rng, _Span(from_s, length_s), times), tuple(scenario.mix))
            length = round(length_s * NS)
            for place, arm in enumerate(order):
                start = end if cut.design == "duet" else end + place * length
                blocks.append(Block(len(blocks), pair, arm, start, length, replace(drawn, first=seq, start=start)))
                seq += len(drawn)
            end = blocks[-1].start + length
    return Plan(scenario.digest, scenario.seed, tuple(blocks))


def _columns(draw: _Draw, cohorts: tuple[str, ...]) -> Arriving:
    """What is drawn, as it is shared by the blocks of a pair."""
    columns = (
        np.arange(len(draw.offsets), dtype=np.int32),
        (draw.offsets * NS).astype(np.int64),
        draw.users.astype(np.int32),
        draw.cohorts.astype(np.int8),
    )
    for column in columns:
        column.flags.writeable = False
    return Arriving(0, 0, *columns, cohorts)


def _draw(scenario: Scenario, rng: np.random.Generator, span: _Span, times: float) -> _Draw:
    """Arrivals of one block, at ``times`` the scenario's rate."""
    if scenario.rounds:
        return _draw_rounds(scenario, rng, span, times)
    offsets = _process(scenario, rng, span, times, 0.0)
    mix = scenario.mix
    which = _chosen(rng, [cohort.share or 0.0 for cohort in mix.values()], len(offsets))
    warm = np.array([cohort.cache == "warm" for cohort in mix.values()])[which]
    return _Draw(offsets, _users(scenario, rng, warm), which)


def _draw_rounds(scenario: Scenario, rng: np.random.Generator, span: _Span, times: float) -> _Draw:
    """The logins of one block that are due in it, of rounds that began in it or before."""
    mix = scenario.mix
    code_of = {name: code for code, name in enumerate(mix)}
    longest_s = max((len(one.logins) - 1) * one.think_s for one in scenario.rounds)
    begun = _process(scenario, rng, span, times / scenario.round_logins, ROUNDS_LOOKBACK * longest_s)
    which = _chosen(rng, [one.share for one in scenario.rounds], len(begun))
    warm = np.array([any(mix[login].cache == "warm" for login in one.logins) for one in scenario.rounds])[which]
    users = _users(scenario, rng, warm)
    offsets, owner, cohorts = [], [], []
    for code, one in enumerate(scenario.rounds):
        (mine,) = np.nonzero(which == code)
        due = begun[mine]
        for login in one.logins:
            offsets.append(due)
            owner.append(users[mine])
            cohorts.append(np.full(len(mine), code_of[login]))
            due = due + rng.exponential(one.think_s, len(mine))
    at, users = np.concatenate(offsets), np.concatenate(owner)
    order = np.argsort(at, kind="stable")
    inside = order[(at[order] >= 0) & (at[order] < span.length_s)]
    return _Draw(at[inside], users[inside], np.concatenate(cohorts)[inside])


def _process(
    scenario: Scenario, rng: np.random.Generator, span: _Span, times: float, before_s: float
) -> npt.NDArray[np.float64]:
    """Offsets (s) of a Poisson process at ``times`` the curve, ``before_s`` of it before the block's beginning.

    By thinning one at ``times`` the peak rate (Lewis & Shedler 1979).
    """
    curve: Arrivals = scenario.arrivals
    count = int(rng.poisson(times * curve.peak * (before_s + span.length_s)))
    offsets = np.sort(rng.uniform(-before_s, span.length_s, count))
    keep = rng.uniform(0.0, curve.peak, count) < curve.at(span.from_s + offsets)
    return offsets[keep]


def _chosen(rng: np.random.Generator, shares: Sequence[float], count: int) -> npt.NDArray[np.int64]:
    """Which of several things each of ``count`` logins or rounds is, by their shares."""
    upto = np.cumsum(shares)[:-1]
    return np.searchsorted(upto, rng.uniform(size=count), side="right")


def _users(scenario: Scenario, rng: np.random.Generator, warm: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """An account for each login or round; those that keep a warm cache are the first ones."""
    anyone = rng.integers(0, scenario.population.users, len(warm))
    return np.where(warm, rng.integers(0, warm_population(scenario), len(warm)), anyone)


WARM_USERS_AT_MOST = 200


def warm_population(scenario: Scenario) -> int:
    """How many accounts keep a warm cache: few enough to be logged in once before the load begins."""
    return min(scenario.population.users, WARM_USERS_AT_MOST)


def preparations(scenario: Scenario) -> int:
    """How many keys are derived and warm caches filled at most, on one arm, before the load begins."""
    return scenario.population.users + warm_population(scenario) * len(scenario.warm)
