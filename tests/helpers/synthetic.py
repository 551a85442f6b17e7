"""Synthetic runs with a planted truth, for the tests of statistics and gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.model.attempt import STATUSES, AttemptTable, StepColumns
from harness.model.comparison import Comparison, Design
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.steps import CACHES
from harness.model.target import ARMS, Arm
from harness.stats.compare import compare

DESIGN = Design(block_s=15.0, trim_s=4.0, horizon_pairs=40, timeout_s=10.0)
POLICY = Policy()
SOUND = ArmHealth(
    planned=10_000,
    started=10_000,
    denied=0,
    failed=0,
    send_lag_p99_ms=4.0,
    pool_wait_p99_ms=1.0,
    hub_stall_p99_ms=5.0,
    generator_cpu=0.3,
    seat_waits=0,
)
HEALTH: dict[Arm, ArmHealth] = {"baseline": SOUND, "candidate": SOUND}
RUNNING, ENDED = RunState(complete=False), RunState(complete=True)
PER_LOGIN = ("arm", "block", "pair", "offset_s", "intended_s", "cohort", "status", "response_s", "service_s")
"""The columns of an AttemptTable that every table has, one value a login."""
USUAL_S = {"kdc_as": 0.020, "kdc_tgs_ldap": 0.015, "ldap_bind": 0.030, "ldap_groups": 0.035}
CACHED = ("kdc_as", "kdc_tgs_ldap")


@dataclass(frozen=True)
class World:
    """What a run is like: logins of steps that are lognormal, with a noise that each arm's block has of its own.

    ``factors`` slow steps of the candidate, ``added_s`` and ``failing`` strike a share of its logins in one step,
    ``growth`` slows it by so much a minute.
    """

    pairs: int = 12
    rate: float = 40.0
    cold_share: float = 1.0
    noise: float = 0.05
    factors: Mapping[str, float] = field(default_factory=dict)
    factor: float = 1.0
    failing: float = 0.0
    failing_step: str = "kdc_as"
    fails_after_s: float = 0.001
    stalled: float = 0.0
    growth: float = 0.0
    seed: int = 1


def table_of(world: World, design: Design = DESIGN) -> AttemptTable:
    """The attempts of a run, both blocks of a pair replaying one list of arrivals."""
    rng = np.random.default_rng(world.seed)
    n = round(world.rate * design.block_s)
    offsets = np.sort(rng.uniform(0, design.block_s, (world.pairs, 1, n)), axis=2).repeat(2, axis=1)
    cohort = (rng.uniform(size=(world.pairs, 1, n)) >= world.cold_share).astype(np.int8).repeat(2, axis=1)
    first = rng.permuted(np.tile([0, 1], (world.pairs, 1)), axis=1)
    block = (2 * np.arange(world.pairs)[:, None] + first)[:, :, None] + np.zeros((1, 1, n), dtype=np.int64)
    arm = np.zeros_like(block) + np.arange(2)[None, :, None]
    flat = {"arm": arm.ravel().astype(np.int8), "block": block.ravel(), "cohort": cohort.ravel()}
    intended = block * design.block_s + offsets
    candidate = flat["arm"] == 1
    slow = np.exp(rng.normal(0, world.noise, (world.pairs, 2, 1)) + np.zeros((1, 1, n))).ravel()
    slow *= np.where(candidate, world.factor * (1 + world.growth) ** (intended.ravel() / 60), 1.0)
    failing = candidate & (rng.uniform(size=len(slow)) < world.failing)
    steps, total, reached = {}, np.zeros(len(slow)), np.ones(len(slow), dtype=bool)
    for step, usual_s in USUAL_S.items():
        taken = reached & ~((step in CACHED) & (flat["cohort"] == CACHES.index("warm")))
        service = usual_s * slow * np.exp(rng.normal(0, 0.3, len(slow)))
        service *= np.where(candidate, world.factors.get(step, 1.0), 1.0)
        if step == "ldap_bind":
            service += 2.0 * (candidate & (rng.uniform(size=len(slow)) < world.stalled))
        failed = failing & taken & (step == world.failing_step)
        service = np.where(failed, world.fails_after_s, service)
        (row,) = np.nonzero(taken)
        status = np.where(failed, STATUSES.index("error"), 0)[row].astype(np.int8)
        steps[step] = StepColumns(row, service[row], status)
        total += np.where(taken, service, 0.0)
        reached &= ~failed
    return AttemptTable(
        arm=flat["arm"],
        block=flat["block"],
        pair=flat["block"] // 2,
        offset_s=offsets.ravel(),
        intended_s=intended.ravel(),
        cohort=flat["cohort"],
        cohorts=CACHES if world.cold_share < 1 else CACHES[:1],
        status=np.where(reached, 0, STATUSES.index("error")).astype(np.int8),
        response_s=total,
        service_s=total,
        steps=steps,
    )


def mixed(worlds: Mapping[str, World], design: Design = DESIGN) -> AttemptTable:
    """One run of several cohorts, each a world of its own whose logins are all cold."""
    tables = [table_of(world, design) for world in worlds.values()]
    lengths = [len(table) for table in tables]
    joined = {name: np.concatenate([getattr(table, name) for table in tables]) for name in PER_LOGIN}
    joined["cohort"] = np.repeat(np.arange(len(tables), dtype=np.int8), lengths)
    before = np.cumsum([0, *lengths[:-1]])
    steps = {}
    for step in USUAL_S:
        parts = [table.steps[step] for table in tables]
        steps[step] = StepColumns(
            np.concatenate([part.row + rows for part, rows in zip(parts, before, strict=True)]),
            np.concatenate([part.service_s for part in parts]),
            np.concatenate([part.status for part in parts]),
        )
    return AttemptTable(**joined, steps=steps, cohorts=tuple(worlds))


def compared(world: World, design: Design = DESIGN, policy: Policy = POLICY, pairs: int | None = None) -> Comparison:
    """The comparison of a run, or of its first pairs."""
    return compare(table_of(world, design), design, policy, range(world.pairs if pairs is None else pairs))


def logins(
    response_s: Mapping[tuple[int, Arm], list[float]],
    status: str = "ok",
    *,
    cohort: str = "cold",
    offset_s: float = 5.0,
    step: str = "kdc_as",
) -> AttemptTable:
    """A table of logins of one step by pair and arm, written out by hand."""
    cells = [(pair, ARMS.index(arm), value) for (pair, arm), values in response_s.items() for value in values]
    pair, arm, value = (np.array(column) for column in zip(*cells, strict=True))
    n = len(cells)
    times = value.astype(np.float64)
    codes = np.full(n, STATUSES.index(status), dtype=np.int8)  # type: ignore[arg-type]
    return AttemptTable(
        arm=arm.astype(np.int8),
        block=pair * 2 + arm,
        pair=pair.astype(np.int64),
        offset_s=np.full(n, offset_s),
        intended_s=(pair * 2 + arm) * 15.0 + offset_s,
        cohorts=CACHES if cohort == "warm" else CACHES[:1],
        cohort=np.full(n, CACHES.index(cohort), dtype=np.int8),  # type: ignore[arg-type]
        status=codes,
        response_s=times,
        service_s=times.copy(),
        steps={step: StepColumns(np.arange(n), times.copy(), codes.copy())},
    )
