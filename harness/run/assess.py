"""From what a run has measured to its verdict and the evidence for it; the same while it runs and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.errors import RunError
from harness.gate.judge import judge
from harness.gate.ways import of_ways
from harness.model.attempt import AttemptTable, Floats, Ints
from harness.model.comparison import Comparison, Design
from harness.model.health import NS_PER_MS, ArmHealth, RunState, quantile
from harness.model.plan import NS, Block, Plan
from harness.model.policy import Policy
from harness.model.protocol import Difference
from harness.model.scenario import Scenario
from harness.model.shard import owners
from harness.model.shown import Distribution
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS, Arm
from harness.model.verdict import Verdict
from harness.record.columns import attempt_table
from harness.run.delays import delays_of
from harness.run.generated import NONE_SENT, Generated, Sent, generated_of
from harness.run.pieces import Gathered, gathered


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, as its manifest keeps it, so that a later report gives the same verdict.

    ``pairs`` is how many complete pairs were judged (None: all that are there), ``lost`` names processes that died.
    """

    complete: bool
    interrupted: str = ""
    stopped_for_denials: bool = False
    lost: tuple[str, ...] = ()
    pairs: int | None = None

    def state(self, faults: Sequence[str] = ()) -> RunState:
        """The part that the judge asks for, with what of the evidence can't be relied on."""
        return RunState(self.complete, self.interrupted, self.stopped_for_denials, tuple(faults))

    @property
    def why_partial(self) -> str:
        """Why the run is partial, in words; empty where it is whole."""
        return "" if self.complete else self.interrupted or f"lost: {', '.join(self.lost)}"


KILLED = Ending(complete=False, interrupted="the run was killed before it could say why")
"""The ending of a run whose manifest still says that it is running."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A verdict with the comparison and the health that it rests on, and what else the logins amount to."""

    verdict: Verdict
    comparison: Comparison
    health: Mapping[Arm, ArmHealth]
    gathered: Gathered
    differences: tuple[Difference, ...] = ()
    """Between single logins, and in which way the load's logins went."""


def design_of(scenario: Scenario) -> Design:
    """How a run of a scenario is cut."""
    return Design(
        block_s=scenario.blocks.length_s,
        trim_s=scenario.blocks.trim_s,
        horizon_pairs=scenario.blocks.pairs,
        timeout_s=scenario.timeout_s,
        headroom_every=scenario.headroom.every if scenario.headroom else None,
        duet=scenario.blocks.design == "duet",
        per_pair=scenario.blocks.per_pair,
        random_order=True,
    )


class Assessor:
    """Judges one plan's attempts under one policy, as often as asked."""

    def __init__(
        self, scenario: Scenario, policy: Policy, plan: Plan, site: Site = UNCALIBRATED, workers: int = 1
    ) -> None:
        """``workers`` are of each arm."""
        self._workers = workers
        self._owner = owners(plan, scenario, workers) if workers > 1 else None
        self.policy = policy
        self._site = site
        self._arms = tuple(arm for arm in ARMS if any(block.arm == arm for block in plan.blocks))
        self._blocks = {arm: _by_pair(plan.of(arm)) for arm in self._arms}
        self._planned_of = {
            arm: np.array([sum(len(block.arrivals) for block in mine) for mine in pairs], dtype=np.int64)
            for arm, pairs in self._blocks.items()
        }
        self._planned = np.sum(list(self._planned_of.values()), axis=0)
        self._spans = {
            arm: [(mine[0].start, mine[-1].start + mine[-1].length) for mine in pairs]
            for arm, pairs in self._blocks.items()
        }
        self._cohorts = scenario.expected
        self._block_starts = {block.index: block.start for block in plan.blocks}
        self.design = design_of(scenario)

    def complete_pairs(self, attempts: Any) -> list[int]:
        """The pairs, from the first on without a gap, whose every planned login has ended.

        Raises RunError where the attempts are not of this plan.
        """
        pair = attempts["pair"].to_numpy()
        if len(pair) and not 0 <= pair.min() <= pair.max() < len(self._planned):
            raise RunError("attempts: expected those of the manifest's own scenario, got some of another plan")
        return self.complete(np.bincount(pair, minlength=len(self._planned)))

    def complete(self, done: Ints) -> list[int]:
        """The same from how many logins of each pair have ended."""
        gaps = np.flatnonzero(done < self._planned)
        return list(range(int(gaps[0]) if len(gaps) else len(self._planned)))

    def table(self, attempts: Any) -> AttemptTable:
        """The columns of an Arrow table of attempts of this plan."""
        return attempt_table(attempts, self._block_starts, self._cohorts, self._owner)

    def assess(
        self,
        attempts: Any,
        health: Any,
        ending: Ending,
        differences: Sequence[Difference] = (),
        faults: Sequence[str] = (),
    ) -> Assessment:
        """The verdict on an Arrow table's complete pairs of attempts, and on how the arms' single logins differ.

        ``faults`` say what of the evidence can't be relied on; attempts and health are those that can.
        """
        pairs = len(self.complete_pairs(attempts)[: ending.pairs])
        found = gathered(self.table(attempts), self.design, self.policy, pairs)
        return self.concluded(found, health, ending, differences, faults)

    def concluded(
        self,
        found: Gathered,
        health: Any,
        ending: Ending,
        differences: Sequence[Difference] = (),
        faults: Sequence[str] = (),
    ) -> Assessment:
        """The same from what the attempts amount to."""
        comparison = found.comparison(self._site)
        pairs = range(found.judged)
        healths = {arm: self._health(arm, found.whole.generated[arm], health, pairs, ending) for arm in self._arms}
        differences = (*differences, *of_ways(found.ways))
        verdict = judge(comparison, healths, ending.state(faults), self.policy, differences)
        return Assessment(verdict, comparison, healths, found, differences)

    def health(self, arm: Arm, attempts: Any, health: Any, ending: Ending) -> ArmHealth:
        """How well one arm was measured, over its complete pairs."""
        pairs = range(len(self.complete_pairs(attempts)[: ending.pairs]))
        table = self.table(attempts)
        return self.health_in(arm, table, health, pairs, ending)

    def health_in(self, arm: Arm, table: AttemptTable, health: Any, pairs: range, ending: Ending) -> ArmHealth:
        """How well one arm was measured in some of its complete pairs, which follow each other."""
        return self._health(arm, generated_of(table, arm, pairs), health, pairs, ending)

    def _health(self, arm: Arm, found: Generated, health: Any, pairs: range, ending: Ending) -> ArmHealth:
        of_arm = [self._spans[arm][pair] for pair in pairs]
        since, until = min((start for start, _ in of_arm), default=0), max((end for _, end in of_arm), default=0)
        told = health.filter(pc.equal(health["arm"], arm))
        seconds = told.filter(pc.and_(pc.greater_equal(told["t"], since), pc.less_equal(told["t"], until)))
        generators = [_generator(sent, mine, since, until) for sent, mine in self._by_worker(arm, found, told, pairs)]
        return ArmHealth(
            planned=int(self._planned_of[arm][pairs.start : pairs.stop].sum()),
            started=found.started,
            denied=found.denied,
            failed=found.failed,
            send_lag_p99_ms=_worst(each.send_lag_p99_ms for each in generators),
            pool_wait_p99_ms=_worst(each.pool_wait_p99_ms for each in generators),
            hub_stall_p99_ms=_worst(each.hub_stall_p99_ms for each in generators),
            journal_ms=_worst(each.journal_ms for each in generators),
            generator_cpu=_worst(each.cpu for each in generators),
            seat_waits=found.seat_waits,
            worker_lost=any(name == "master" or name.startswith(arm) for name in ending.lost),
            tried=found.tried,
            silent_s=_worst(each.silent_s for each in generators),
            delays=delays_of(found.delays, seconds, self._spans[arm], pairs),
            workers=self._workers,
            clock_error_ms=_clock_error_ms(seconds) if self.design.duet else 0.0,
        )

    def _by_worker(self, arm: Arm, found: Generated, told: Any, pairs: range) -> Iterator[tuple[Sent, Any]]:
        """What each of an arm's workers that has logins in these pairs sent, and its seconds; of one, all."""
        if self._owner is None:
            yield found.sent.get(0, NONE_SENT), told
            return
        planned = self._planned_by(arm, pairs)
        for worker in range(self._workers):
            if planned[worker] or not planned.any():
                yield found.sent.get(worker, NONE_SENT), told.filter(pc.equal(told["worker"], worker))

    def _planned_by(self, arm: Arm, pairs: range) -> Ints:
        """How many logins each of an arm's workers has to send in these pairs."""
        assert self._owner is not None
        counts = np.zeros(self._workers, dtype=np.int64)
        for pair in pairs:
            for block in self._blocks[arm][pair]:
                theirs = self._owner[block.arrivals.first : block.arrivals.first + len(block.arrivals)]
                counts += np.bincount(theirs, minlength=self._workers)
        return counts


def _by_pair(blocks: Sequence[Block]) -> list[list[Block]]:
    """One arm's blocks of each pair, in order of time."""
    return [list(of_pair) for _, of_pair in groupby(blocks, key=lambda block: block.pair)]


@dataclass(frozen=True, slots=True)
class _Generator:
    """What is known of one worker; None where it is not."""

    send_lag_p99_ms: float | None
    pool_wait_p99_ms: float | None
    hub_stall_p99_ms: float | None
    journal_ms: float | None
    cpu: float | None
    silent_s: float | None


def _generator(sent: Sent, told: Any, since: int, until: int) -> _Generator:
    """One worker, by its logins and its seconds of health between two instants (ns)."""
    seconds = told.filter(pc.and_(pc.greater_equal(told["t"], since), pc.less_equal(told["t"], until)))
    return _Generator(
        send_lag_p99_ms=_of_logins(sent.logins, sent.lag_ns),
        pool_wait_p99_ms=_of_logins(sent.logins, sent.pool_wait_ns),
        # The 99th percentile of each second; of those the 95th, so that one hiccup of the host isn't all.
        hub_stall_p99_ms=quantile(_under_load(seconds, "hub_stall_p99_ms"), 0.95),
        journal_ms=quantile(_under_load(seconds, "journal_ms"), 0.95),
        cpu=quantile(_under_load(seconds, "cpu"), 0.95),
        silent_s=_silent_s(told["t"].to_numpy(), since, until),
    )


def _clock_error_ms(seconds: Any) -> float | None:
    """The largest error of any worker's clock; None where it was not known at some second."""
    found = seconds["clock_error_ms"]
    return None if found.null_count else float(pc.max(found).as_py() or 0.0)


def _worst(values: Iterable[float | None]) -> float | None:
    """The highest of all workers'; None where that of one is not known."""
    found = list(values)
    known = [value for value in found if value is not None]
    return max(known) if known and len(known) == len(found) else None


def _of_logins(logins: int, waits_ns: Distribution) -> float | None:
    """The 99th percentile (ms) of what some logins waited, 0 where none of them did; None where there were none."""
    if not len(waits_ns):
        return 0.0 if logins else None
    return waits_ns.quantile(0.99) / NS_PER_MS


def _under_load(seconds: Any, name: str) -> Floats:
    """A figure of the seconds in which logins were sent, or were under way where none could be."""
    for column in ("started", "busy_seats"):
        loaded = seconds.filter(pc.greater(seconds[column], 0))
        if len(loaded):
            return np.asarray(loaded[name].drop_null().to_numpy(), dtype=np.float64)
    return np.zeros(0)


def _silent_s(told: Ints, since: int, until: int) -> float | None:
    """The longest time from ``since`` to ``until`` (ns) that holds no instant of ``told``, in seconds."""
    if not len(told):
        return None
    inside = np.sort(np.clip(told, since, until))
    return float(np.diff(np.concatenate([[since], inside, [until]])).max()) / NS
