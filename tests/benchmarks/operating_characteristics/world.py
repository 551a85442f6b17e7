"""Whole simulated runs: logins that pass through a tandem of server pools in a world that drifts.

Arrivals are Poisson; blocks come by two, one of each arm, which replay one list in a random order; in a duet both arms
run at the same time. Each step is a FIFO queue with several servers. Service times are lognormal with a rare slow mode
and are multiplied by what both arms share at an instant (a slow Ornstein–Uhlenbeck drift, a neighbour who comes and
goes), by what each arm has of its own in each pair, and by a warm-up after each switch of arms. Servers pause now and
then, and caches are colder at the start of a block.

The constants are set, not measured: the sd over pairs of D(p50) is about 0.09 where arms take turns of 7.5 s, and
service times 10 % longer make logins some 13 % longer, as in the simulation that the gate was designed with. But for
how long a server is slower after each switch of arms: on both labs it was 0.2 s at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, Flags, Floats, Ints, StepColumns
from harness.model.comparison import Design
from harness.model.scenario import Headroom
from tests.benchmarks.operating_characteristics.environments import GRID_S, USUAL, Environment, drifting, surroundings

RATE = 50.0
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Pool:
    """A step's servers and the mean time that one of them spends on a login."""

    name: str
    mean_s: float
    servers: int


POOLS = (
    Pool("dns", 0.004, 2),
    Pool("kdc_as", 0.046, 4),
    Pool("kdc_tgs", 0.020, 3),
    Pool("ldap_bind", 0.053, 5),
    Pool("ehr", 0.092, 8),
)
NAMES = tuple(pool.name for pool in POOLS)

SIGMA = 0.5
SLOW_SHARE, SLOW_FACTOR = 0.01, 4.0
MISS_SHARE, MISS_COLD_SHARE, MISS_FACTOR = 0.02, 0.1, 3.0
WARM_UP = 0.3
BLOCK_SD = 0.02
STALLS_A_SECOND, STALL_S = 0.012 / 15.0, (0.2, 0.8)
STALLING = ("kdc_as", "ldap_bind")
DAY_SD = 0.05
"""How far, in ln-units, the level of all service times lies from one day to another."""
NTLM_S = 0.3
"""What an NTLM fall-back adds to the bind while it holds a server."""
FADES_S = 60.0
"""The time constant of a candidate's cold start."""
ADDED_S = 2.0
"""A resolver's time-out: it delays the login and holds no server."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """In what the candidate differs from the baseline; nothing, unless it is said.

    ``factor`` multiplies every service time and ``factors`` those of single steps; ``added``, ``ntlm`` and ``failing``
    are shares of its logins, ``growth`` is by how much it slows each minute, ``fade`` by how much it is slower at
    first, ``lost`` names a pool with a server less. In a share of the pairs, ``bursts``, its service times are
    multiplied by ``burst`` besides, and ``burst_added`` is the share of its logins that is added to ``added``.
    """

    factor: float = 1.0
    factors: Mapping[str, float] = field(default_factory=dict)
    sigma: float = SIGMA
    added: float = 0.0
    ntlm: float = 0.0
    failing: float = 0.0
    growth: float = 0.0
    fade: float = 0.0
    lost: str = ""
    bursts: float = 0.0
    burst: float = 1.0
    burst_added: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How a run of so many minutes is laid out in time."""

    name: str
    title: str
    minutes: float
    duet: bool = False
    quick: bool = False
    """Judged by a policy that may pass before the candidate is old enough to show a leak."""
    block_s: float = 2.0
    trim_s: float = 0.4
    per_pair: int = 4
    """Blocks of each arm in a pair."""
    headroom: Headroom | None = None
    stored: bool = False
    """The arms are measured on different days, each in a world of its own."""
    deployment_sd: float = 0.0
    """How far, in ln-units, the candidate's deployment lies from the baseline's, whatever its bits."""
    calibrated: int = 0
    """How many A/A runs of the site the judge knows the spreads of."""
    rates: tuple[float, ...] = ()
    """Logins a second in each pair; RATE in all of them where it is empty."""
    environment: Environment = USUAL

    @property
    def takes_turns(self) -> bool:
        """Whether each block follows one of the other arm."""
        return not (self.duet or self.stored)

    @property
    def pairs(self) -> int:
        """Pairs in the whole run, as many as fit into it."""
        return int(self.minutes * 60 / self._cut(0).pair_s + 1e-9)

    @property
    def design(self) -> Design:
        """The design that the project's own comparison is told."""
        return self._cut(self.pairs)

    def groups(self) -> list[Couples]:
        """The blocks, two by two, by their length: at the expected load, and above it where there are such pairs."""
        design = self.design
        stages = [design.stage(pair) for pair in range(self.pairs)]
        above = np.array(stages) == "headroom"
        each = np.array([design.blocks(stage) for stage in stages])
        pair = np.arange(self.pairs).repeat(each)
        rate = np.array(self.rates or (RATE,) * self.pairs)
        if self.headroom is not None:
            rate[above] *= self.headroom.factor
        length_s = (design.arm_s / each)[pair]
        at_once = 1 if self.duet or self.stored else 2
        start_s = at_once * (np.cumsum(length_s) - length_s)
        return [
            Couples(mine, pair[mine], start_s[mine], float(length), rate[pair[mine]])
            for length in np.unique(length_s)[::-1]
            for (mine,) in [np.nonzero(length_s == length)]
        ]

    def _cut(self, pairs: int) -> Design:
        return Design(
            self.block_s,
            self.trim_s,
            pairs,
            TIMEOUT_S,
            interleaved=not self.stored,
            headroom_every=self.headroom.every if self.headroom else None,
            duet=self.duet,
            per_pair=self.per_pair,
            random_order=self.takes_turns,
        )


@dataclass(frozen=True, slots=True)
class Couples:
    """Blocks of one length that come by two, one of each arm, with one list of arrivals: their place in the run, pair,
    start and length (s), and rate in logins a second."""

    place: Ints
    pair: Ints
    start_s: Floats
    length_s: float
    rate: Floats


@dataclass(frozen=True, slots=True)
class _Slowed:
    """What multiplies service times, on a grid of time: by arm, and what is drawn for a whole run or for each pair."""

    by_arm: tuple[Floats, Floats]
    deployment: float
    in_burst: Flags

    @classmethod
    def of(cls, candidate: Candidate, layout: Layout, streams: Sequence[np.random.Generator]) -> _Slowed:
        environment, deployed, bursting, hosts = streams
        where = layout.environment
        shared = surroundings(layout.minutes, environment, where)
        by_arm = [shared, shared]
        if layout.stored:
            another_day = surroundings(layout.minutes, environment, where)
            days = np.exp(environment.normal(0.0, DAY_SD, 2))
            by_arm = [shared * days[0], another_day * days[1]]
        if where.own_sd:
            by_arm = [at * np.exp(drifting(layout.minutes, hosts, where.own_sd, where.own_tau_s)) for at in by_arm]
        deployment = float(np.exp(deployed.normal(0.0, layout.deployment_sd)))
        return cls((by_arm[0], by_arm[1]), deployment, bursting.uniform(size=layout.pairs) < candidate.bursts)


def simulate(candidate: Candidate, layout: Layout, seed: tuple[int, ...]) -> AttemptTable:
    """Every login of one run; the same seed gives every candidate the same world and the same draws for each login."""
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(8)]
    arrivals, environment, own, single, faults, deployed, bursting, hosts = streams
    slowed = _Slowed.of(candidate, layout, (environment, deployed, bursting, hosts))
    parts = [_simulated(candidate, layout, it, slowed, (arrivals, own, single, faults)) for it in layout.groups()]
    return parts[0] if len(parts) == 1 else AttemptTable.joined(parts)


def _simulated(
    candidate: Candidate, layout: Layout, couples: Couples, slowed: _Slowed, streams: Sequence[np.random.Generator]
) -> AttemptTable:
    """The logins of blocks of one length."""
    arrivals, own, single, faults = streams
    offsets, starts = _arrivals(layout, couples, arrivals)
    blocks, most = offsets.shape
    is_candidate = np.tile([False, True], len(couples.pair))[:, None]
    here = np.isfinite(offsets)
    since_s = np.where(here, offsets, 0.0)
    wall_s = starts[:, None] + since_s

    at = (wall_s / GRID_S).astype(np.int64)
    factor = np.where(is_candidate, slowed.by_arm[1][at], slowed.by_arm[0][at])
    each = own.normal(0.0, BLOCK_SD, (layout.pairs, 2))  # of a pair, so that cutting it finer takes nothing off
    factor *= np.exp(each[couples.pair].reshape(blocks, 1))
    cold = np.exp(-since_s / layout.environment.warms_in_s) * _switched(layout, couples)
    factor *= 1.0 + WARM_UP * cold
    aged = (1.0 + candidate.growth) ** (wall_s / 60.0) * (1.0 + candidate.fade * np.exp(-wall_s / FADES_S))
    in_burst = slowed.in_burst[couples.pair].repeat(2)[:, None]
    of_candidate = candidate.factor * aged * np.where(in_burst, candidate.burst, 1.0) * slowed.deployment
    factor *= np.where(is_candidate, of_candidate, 1.0)
    miss = MISS_SHARE + MISS_COLD_SHARE * cold
    sigma = np.where(is_candidate, candidate.sigma, SIGMA)

    fault = faults.uniform(size=(3, blocks, most))
    added, ntlm, failing = (
        is_candidate & (fault[i] < share)
        for i, share in enumerate(
            (candidate.added + candidate.burst_added * in_burst, candidate.ntlm, candidate.failing)
        )
    )
    ready, taken_s, reached = offsets, {}, {}
    for pool in POOLS:
        mean_s = pool.mean_s * np.where(is_candidate, candidate.factors.get(pool.name, 1.0), 1.0)
        service = mean_s * factor * np.exp(sigma * single.standard_normal((blocks, most)) - sigma**2 / 2)
        service[single.uniform(size=(blocks, most)) < SLOW_SHARE] *= SLOW_FACTOR
        after_s = np.zeros_like(service)
        if pool.name == "dns":
            after_s[added] = ADDED_S
        elif pool.name == "kdc_as":
            service[failing] = 0.001
        elif pool.name == "ldap_bind":
            service[single.uniform(size=(blocks, most)) < miss] *= MISS_FACTOR
            service[ntlm] += NTLM_S
        paused = _pauses(blocks, layout, couples.length_s, own) if pool.name in STALLING else None
        servers = np.where(is_candidate[:, 0] & (candidate.lost == pool.name), pool.servers - 1, pool.servers)
        ended = served(ready, service, servers, paused) + after_s
        reached[pool.name] = np.isfinite(ready)
        taken_s[pool.name] = ended - np.where(reached[pool.name], ready, 0.0)
        ready = ended
        if pool.name == "kdc_as":
            failed_at = np.where(failing, ended, np.inf)
            ready = np.where(failing, np.inf, ended)
    done = np.where(failing, failed_at, ready)
    return _table(couples, offsets, wall_s, done, failing, taken_s, reached, ntlm)


def served(ready: Floats, service: Floats, servers: Ints, paused: tuple[Floats, Floats] | None = None) -> Floats:
    """When each login leaves a pool that serves in order of arrival, block by block; each block finds it idle.

    Rows are blocks. While a block's pool is ``paused`` (from, to) nothing new is taken up. All blocks advance together,
    a login each at a time, to the server that is free first.
    """
    order = np.argsort(ready, axis=1, kind="stable")
    due = np.ascontiguousarray(np.take_along_axis(ready, order, axis=1).T)
    lasts = np.ascontiguousarray(np.take_along_axis(service, order, axis=1).T)
    blocks = len(ready)
    free = np.where(np.arange(servers.max())[:, None] < servers, 0.0, np.inf).ravel()
    by_server = free.reshape(-1, blocks)
    column = np.arange(blocks)
    ended = np.empty_like(due)
    for i in range(len(due)):
        first = by_server.argmin(axis=0) * blocks + column
        begins = np.maximum(due[i], free[first])
        if paused is not None:
            np.copyto(begins, paused[1], where=(begins >= paused[0]) & (begins < paused[1]))
        free[first] = np.add(begins, lasts[i], out=ended[i])
    found = np.empty_like(ready)
    np.put_along_axis(found, order, ended.T, axis=1)
    return found


def _arrivals(layout: Layout, couples: Couples, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Offsets by block, filled up with infinity, and the start of each block; blocks in order of pair and arm."""
    counts = rng.poisson(couples.rate * couples.length_s)
    drawn = rng.uniform(0.0, couples.length_s, (len(counts), counts.max()))
    offsets = np.sort(np.where(np.arange(counts.max()) < counts[:, None], drawn, np.inf), axis=1)
    in_turn = rng.permuted(np.tile([0.0, 1.0], (len(counts), 1)), axis=1)
    place = in_turn if layout.takes_turns else np.zeros((len(counts), 2))
    starts = couples.start_s[:, None] + place * couples.length_s
    return offsets.repeat(2, axis=0), starts.ravel()


def _switched(layout: Layout, couples: Couples) -> Floats:
    """1 for blocks that begin cold: all where arms take turns, otherwise the first pair alone."""
    cold = np.ones(len(couples.pair)) if layout.takes_turns else (couples.place == 0).astype(np.float64)
    return cold.repeat(2)[:, None]


def _pauses(blocks: int, layout: Layout, length_s: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """From when to when each block's pool pauses; most never do."""
    often = STALLS_A_SECOND * layout.environment.stalls * length_s
    lasts = rng.uniform(*STALL_S, blocks) * (rng.uniform(size=blocks) < often)
    begins = rng.uniform(0.0, length_s, blocks)
    return begins, begins + lasts


def _table(
    couples: Couples,
    offsets: Floats,
    wall_s: Floats,
    done: Floats,
    failing: Flags,
    taken_s: Mapping[str, Floats],
    reached: Mapping[str, Flags],
    ntlm: Flags,
) -> AttemptTable:
    block, at = np.nonzero(np.isfinite(offsets))
    row_of = np.full(offsets.shape, -1, dtype=np.int64)
    row_of[block, at] = np.arange(len(block))
    response = (done - np.where(np.isfinite(offsets), offsets, 0.0))[block, at]
    late = response > TIMEOUT_S
    status = np.where(late, STATUSES.index("timeout"), np.where(failing[block, at], STATUSES.index("error"), 0))
    response = np.minimum(response, TIMEOUT_S)
    steps = {}
    for name, times in taken_s.items():
        here = reached[name] & (row_of >= 0)
        broken = failing[here] if name == "kdc_as" else np.zeros(int(here.sum()), dtype=bool)
        ended = np.where(broken, STATUSES.index("error"), 0).astype(np.int8)
        way = ntlm[here].astype(np.int16) if name == "ldap_bind" else None
        steps[name] = StepColumns(row_of[here], times[here], ended, way=way, ways=("GSSAPI", "NTLM"))
    return AttemptTable(
        arm=(block % 2).astype(np.int8),
        block=(2 * couples.place.repeat(2) + np.tile([0, 1], len(couples.place)))[block],
        pair=couples.pair.repeat(2)[block],
        offset_s=offsets[block, at],
        intended_s=wall_s[block, at],
        cohort=np.zeros(len(block), dtype=np.int8),
        status=status.astype(np.int8),
        response_s=response,
        service_s=response.copy(),
        steps=steps,
    )
