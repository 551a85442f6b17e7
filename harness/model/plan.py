"""The plan of arrivals: an open Poisson process, drawn once from a seed and never rewritten.

A login that is sent late is late: its due time stays (CONTRIBUTING, rule 3).

Both blocks of a pair replay one list of arrivals (same offsets, users and cohorts), and the order of the arms within
a pair is random: a job that runs every 30 s would otherwise fall on one arm only. In a duet both blocks of a pair run
at the same time.

Where a scenario has rounds, the process is that of their beginnings, and each later login of a round is due a think
time after the one before it, whether that has ended or not (a Bartlett-Lewis process: P. A. W. Lewis, *A branching
Poisson process model*, J. R. Stat. Soc. B 26, 1964). Rounds also begin before a block does, and only what is due within
it is sent: so the rate of logins is the scenario's from the block's first second on, and the cohorts have their shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.scenario import ROUNDS_LOOKBACK, Arrivals, Scenario
from harness.model.target import ARMS, Arm

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One login due at ``intended`` (ns from the run's origin) by the ``user``-th account of the population."""

    seq: int
    user: int
    cohort: str
    intended: int


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of one arm's load; ``start`` and ``length`` in ns from the run's origin."""

    index: int
    pair: int
    arm: Arm
    start: int
    length: int
    arrivals: tuple[Arrival, ...]


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

    def of(self, arm: Arm) -> tuple[Block, ...]:
        """The blocks of one arm, in order of time."""
        return tuple(block for block in self.blocks if block.arm == arm)


@dataclass(frozen=True, slots=True)
class _Draw:
    """One list of arrivals, as offsets in ns from a block's start."""

    offsets: tuple[int, ...]
    users: tuple[int, ...]
    cohorts: tuple[str, ...]


def make_plan(scenario: Scenario, arms: Sequence[Arm] = ARMS) -> Plan:
    """The plan of a scenario for one arm or two.

    Each pair draws from a stream of its own, so a longer plan begins with the same pairs as a shorter one.
    """
    length = round(scenario.blocks.length_s * NS)
    blocks: list[Block] = []
    seq = 0
    for pair, stream in enumerate(np.random.SeedSequence(scenario.seed).spawn(scenario.blocks.pairs)):
        rng = np.random.default_rng(stream)
        order = [arms[i] for i in rng.permutation(len(arms))]
        headroom = scenario.headroom
        times = headroom.factor if headroom and (pair + 1) % headroom.every == 0 else 1.0
        draw = _draw(scenario, rng, pair * scenario.blocks.length_s, times)
        for arm in order:
            start = (pair if scenario.blocks.design == "duet" else len(blocks)) * length
            arrivals = tuple(
                Arrival(seq + i, user, cohort, start + offset)
                for i, (offset, user, cohort) in enumerate(zip(draw.offsets, draw.users, draw.cohorts, strict=True))
            )
            seq += len(arrivals)
            blocks.append(Block(len(blocks), pair, arm, start, length, arrivals))
    return Plan(scenario.digest, scenario.seed, tuple(blocks))


def _draw(scenario: Scenario, rng: np.random.Generator, from_s: float, times: float) -> _Draw:
    """Arrivals of one block, at ``times`` the scenario's rate."""
    if scenario.rounds:
        return _draw_rounds(scenario, rng, from_s, times)
    offsets = _process(scenario, rng, from_s, times, 0.0)
    mix = scenario.mix
    which = _chosen(rng, [cohort.share or 0.0 for cohort in mix.values()], len(offsets))
    warm = np.array([cohort.cache == "warm" for cohort in mix.values()])[which]
    users = _users(scenario, rng, warm)
    names = tuple(mix)
    return _Draw(
        tuple(int(t * NS) for t in offsets),
        tuple(int(user) for user in users),
        tuple(names[i] for i in which),
    )


def _draw_rounds(scenario: Scenario, rng: np.random.Generator, from_s: float, times: float) -> _Draw:
    """The logins of one block that are due in it, of rounds that began in it or before."""
    mix = scenario.mix
    longest_s = max((len(one.logins) - 1) * one.think_s for one in scenario.rounds)
    begun = _process(scenario, rng, from_s, times / scenario.round_logins, ROUNDS_LOOKBACK * longest_s)
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
            cohorts += [login] * len(mine)
            due = due + rng.exponential(one.think_s, len(mine))
    at, users = np.concatenate(offsets), np.concatenate(owner)
    inside = [i for i in np.argsort(at, kind="stable").tolist() if 0 <= at[i] < scenario.blocks.length_s]
    return _Draw(
        tuple(int(at[i] * NS) for i in inside),
        tuple(int(users[i]) for i in inside),
        tuple(cohorts[i] for i in inside),
    )


def _process(
    scenario: Scenario, rng: np.random.Generator, from_s: float, times: float, before_s: float
) -> npt.NDArray[np.float64]:
    """Offsets (s) of a Poisson process at ``times`` the curve, ``before_s`` of it before the block's beginning.

    By thinning one at ``times`` the peak rate (Lewis & Shedler 1979).
    """
    curve: Arrivals = scenario.arrivals
    length_s = scenario.blocks.length_s
    count = int(rng.poisson(times * curve.peak * (before_s + length_s)))
    offsets = np.sort(rng.uniform(-before_s, length_s, count))
    keep = rng.uniform(0.0, curve.peak, count) < np.array([curve.at(from_s + float(t)) for t in offsets])
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
