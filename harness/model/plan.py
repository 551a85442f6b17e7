"""The plan of arrivals: an open Poisson process, drawn once from a seed and never rewritten (rule 4 of the design).

Both blocks of a pair replay one list of arrivals (same offsets, users and caches), and the order of the arms within
a pair is random: a job that runs every 30 s would otherwise fall on one arm only. In a duet both blocks of a pair run
at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.model.scenario import Arrivals, Scenario
from harness.model.steps import Cache
from harness.model.target import ARMS, Arm

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One login due at ``intended`` (ns from the run's origin) by the ``user``-th account of the population."""

    seq: int
    user: int
    cache: Cache
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
    caches: tuple[Cache, ...]


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
        draw = _draw(scenario, rng, pair * scenario.blocks.length_s)
        for arm in order:
            start = (pair if scenario.blocks.design == "duet" else len(blocks)) * length
            arrivals = tuple(
                Arrival(seq + i, user, cache, start + offset)
                for i, (offset, user, cache) in enumerate(zip(draw.offsets, draw.users, draw.caches, strict=True))
            )
            seq += len(arrivals)
            blocks.append(Block(len(blocks), pair, arm, start, length, arrivals))
    return Plan(scenario.digest, scenario.seed, tuple(blocks))


def _draw(scenario: Scenario, rng: np.random.Generator, from_s: float) -> _Draw:
    """Arrivals of one block by thinning a Poisson process at the peak rate (Lewis & Shedler 1979)."""
    curve: Arrivals = scenario.arrivals
    length_s = scenario.blocks.length_s
    count = int(rng.poisson(curve.peak * length_s))
    offsets = np.sort(rng.uniform(0.0, length_s, count))
    keep = rng.uniform(0.0, curve.peak, count) < np.array([curve.at(from_s + float(t)) for t in offsets])
    offsets = offsets[keep]
    cold = rng.uniform(size=len(offsets)) < scenario.population.cold_share
    warm_users = warm_population(scenario)
    users = np.where(
        cold,
        rng.integers(0, scenario.population.users, len(offsets)),
        rng.integers(0, warm_users, len(offsets)),
    )
    return _Draw(
        tuple(int(t * NS) for t in offsets),
        tuple(int(user) for user in users),
        tuple("cold" if is_cold else "warm" for is_cold in cold),
    )


WARM_USERS_AT_MOST = 200


def warm_population(scenario: Scenario) -> int:
    """How many accounts keep a warm cache: few enough to be logged in once before the load begins."""
    return min(scenario.population.users, WARM_USERS_AT_MOST)
