"""A run that goes on where another could not tell: their pairs are judged together.

1. A run is judged by bounds that spend their error over the pairs of its whole plan. Where it ended before them, by a
   budget or an interruption, a run that continues it takes the looks that are left: nothing is spent twice.
2. A run that came to the end of its plan has spent all of its error. What continues it takes looks of its own, at a
   quarter of the error, and an eighth, a sixteenth for those after it: however often a run is continued, all its
   verdicts together err with less than 1.5 times what the policy says of one (the union bound; what they do in
   simulation: tests/benchmarks/continuing.md).
3. The first pairs of a continuing run are discarded, as those of every run are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, RunError
from harness.gate.findings import findings_of
from harness.gate.judge import PASSING, judge
from harness.gate.protocol import between
from harness.gate.ways import with_ways
from harness.model.attempt import AttemptTable
from harness.model.comparison import Comparison, Design
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.site import Site
from harness.model.target import ARMS, Arm
from harness.model.verdict import Verdict
from harness.record.calibration import site_document, site_of
from harness.record.folder import RunFolder
from harness.run.assess import Assessor, design_of
from harness.run.stored import StoredRun, read_run
from harness.stats.attribution import anatomy
from harness.stats.compare import compare
from harness.stats.servers import server_times
from harness.stats.shown import shown
from harness.stats.validity import unsound
from harness.stats.ways import changed_ways

MARK = "continuation"
"""The key of a manifest under which a continuing run says what it continues."""
FIRST_SHARE = 0.25
"""Of the error, for the first looks beyond a plan that has spent it; each later continuation has half of the last."""
LEAST_PAIRS = 3
"""Fewer are not worth a run."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a run continues.

    ``earlier`` are the names of the runs before it, oldest first, ``offset`` is where its own first pair stands among
    all, ``planned`` the pairs of the first run's plan, ``horizon`` those over which the error is spent, ``spent`` after
    how many it was, and ``share`` what of it is left (1 where nothing was spent twice).
    """

    earlier: tuple[str, ...]
    offset: int
    planned: int
    horizon: int
    spent: int
    share: float

    @property
    def mark(self) -> dict[str, object]:
        """As a manifest keeps it."""
        return {name: getattr(self, name) for name in self.__slots__}


def continuation_of(folder: RunFolder) -> Continuation | None:
    """What a run continues; None where it began by itself. Raises RunError where its manifest is none of ours."""
    found = folder.manifest().get(MARK)
    if found is None:
        return None
    try:
        return Continuation(**{**found, "earlier": tuple(map(str, found["earlier"]))})
    except (KeyError, TypeError):
        raise RunError(f"{folder.path / 'manifest.json'}: {MARK}: expected what a run writes there") from None


def continuing(folder: RunFolder, pairs_at_most: int | None) -> tuple[Scenario, Continuation]:
    """The scenario that continues a run, and how it hangs together with it; raises ConfigError where it can't be.

    Its seed is another, so that its arrivals are new. ``pairs_at_most`` bounds the pairs that are added.
    """
    before = continuation_of(folder)
    run = read_run(folder)
    if run.faults:
        raise ConfigError(f"{folder.path}: expected a run whose files are whole, got: {run.faults[0]}")
    if set(folder.arms()) != set(ARMS) or "soak" in run.manifest:
        raise ConfigError(f"{folder.path}: expected a run of both arms, got {', '.join(folder.arms())}")
    scenario = run.scenario
    own = len(Assessor(scenario, folder.policy(), run.plan).complete_pairs(run.attempts)[: run.ending.pairs])
    planned = before.planned if before else scenario.blocks.pairs
    horizon = before.horizon if before else planned
    used = (before.offset if before else 0) + own
    every = scenario.headroom.every if scenario.headroom else 1
    offset = -(-used // every) * every  # so that each pair keeps its stage
    earlier = (*(before.earlier if before else ()), folder.run_id)
    left = horizon - offset
    if left >= LEAST_PAIRS + folder.policy().discard_pairs:
        spent, share = (before.spent, before.share) if before else (0, 1.0)
        added = left
    else:
        added = planned
        spent, share = offset, before.share / 2 if before and before.spent else FIRST_SHARE
        horizon = offset + planned
    if pairs_at_most is not None and pairs_at_most < added:
        added = pairs_at_most
        if added < LEAST_PAIRS + folder.policy().discard_pairs:
            raise ConfigError("--budget: expected time for more pairs, got too little to add any that counts")
    blocks = scenario.blocks.model_copy(update={"pairs": added})
    seeded = scenario.model_copy(update={"seed": scenario.seed + len(earlier), "blocks": blocks})
    return seeded, Continuation(earlier, offset, planned, horizon, spent, share)


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier runs hold of the pairs that are judged together, and what was wrong with them."""

    table: AttemptTable
    pairs: tuple[int, ...]
    faults: tuple[str, ...]
    began: float


class Together:
    """Judges the pairs of a continuing run together with those before it."""

    def __init__(
        self, found: Continuation, scenario: Scenario, policy: Policy, site: Site, results: Path, began: float
    ) -> None:
        """``began`` is when the continuing run's own load began, in seconds since the epoch; raises RunError."""
        self._continuation = found
        self._began = began
        self.policy = policy
        self.design = _design(scenario, found)
        self._site = site
        self._before = [_part(RunFolder.open(results / name), policy) for name in found.earlier]
        self._faults = tuple(fault for part in self._before for fault in part.faults)

    @classmethod
    def of(cls, folder: RunFolder, policy: Policy | None = None, site: Site | None = None) -> Together | None:
        """Those of a stored run; None where it continues none."""
        found = continuation_of(folder)
        if found is None:
            return None
        known = site_of(folder.manifest()) if site is None else site
        judging = policy or folder.policy()
        return cls(found, folder.scenario(), judging, known, folder.path.parent, _began(folder))

    def joined(self, attempts: Any, assessor: Assessor, pairs: Sequence[int]) -> tuple[AttemptTable, tuple[int, ...]]:
        """All attempts in one table, and the pairs of it that count."""
        own = assessor.table(attempts)
        offset = self._continuation.offset
        counting = tuple(pair + offset for pair in pairs[self.policy.discard_pairs :])
        return _in_a_row([*self._before, Before(_moved(own, offset, 0, 0.0), counting, (), self._began)])

    def compared(self, attempts: Any, assessor: Assessor, pairs: Sequence[int]) -> Comparison:
        """The comparison over all pairs that count."""
        table, counting = self.joined(attempts, assessor, pairs)
        return compare(table, self.design, self.policy, counting, self._site)

    def evidence(self, run: StoredRun) -> Evidence:
        """The evidence of all runs together; health and protocol are those of the last, whose run it is."""
        assessor = Assessor(run.scenario, self.policy, run.plan, workers=run.workers)
        pairs = assessor.complete_pairs(run.attempts)[: run.ending.pairs]
        table, counting = self.joined(run.attempts, assessor, pairs)
        comparison = compare(table, self.design, self.policy, counting, self._site)
        health: dict[Arm, ArmHealth] = {arm: assessor.health(arm, run.attempts, run.health, run.ending) for arm in ARMS}
        state = run.ending.state((*self._faults, *run.faults))
        counted = table, self.design, self.policy, counting
        single = between(run.protocol.get("baseline"), run.protocol.get("candidate"))
        differences = with_ways(single, changed_ways(*counted))
        verdict = self._told(judge(comparison, health, state, self.policy, differences or ()))
        return Evidence(
            run_id=run.folder.run_id,
            title=run.scenario.name,
            started=str(run.manifest["created"]),
            manifest={
                **run.manifest,
                "policy": self.policy.model_dump(mode="json"),
                "calibration": site_document(self._site),
            },
            partial=run.ending.why_partial,
            verdict=verdict,
            comparison=comparison,
            shown=shown(table, self.design, self.policy.discard_pairs),
            design=self.design,
            health=health,
            step_order=run.scenario.timed_steps,
            policy=self.policy,
            anatomy=anatomy(*counted),
            servers=server_times(*counted),
            differences=differences,
        )

    def enough(self, assessor: Assessor, attempts: Any) -> bool:
        """Whether all pairs so far show a PASS or a BLOCK; what the generator's health says comes at the end."""
        comparison = self.compared(attempts, assessor, assessor.complete_pairs(attempts))
        findings = findings_of(comparison, False, self.policy)
        if any(finding.decision == "block" for finding in findings):
            return True
        old = self.policy.quick or comparison.candidate_age_s >= self.policy.looks.pass_after_s
        many = comparison.pairs >= self.policy.looks.pass_from
        return old and many and all(finding.decision in PASSING for finding in findings)

    def _told(self, verdict: Verdict) -> Verdict:
        """The verdict with what it rests on."""
        found = self._continuation
        spent = (
            f" The plan had spent its error; these looks share {found.share:g} of it, so that all verdicts of these "
            f"runs together err with at most {1 + 2 * FIRST_SHARE - found.share:g} times what the policy says of one."
            if found.spent
            else " They are looks that the plan had left."
        )
        notice = f"Judged together with {', '.join(found.earlier)}, which it continues.{spent}"
        return replace(verdict, notices=(*verdict.notices, notice))


def _design(scenario: Scenario, found: Continuation) -> Design:
    return replace(design_of(scenario), horizon_pairs=found.horizon, spent_pairs=found.spent, error_share=found.share)


def _part(folder: RunFolder, policy: Policy) -> Before:
    """An earlier run's pairs, where they stand among all."""
    run = read_run(folder)
    assessor = Assessor(run.scenario, policy, run.plan, workers=run.workers)
    pairs = assessor.complete_pairs(run.attempts)[: run.ending.pairs]
    found = continuation_of(folder)
    offset, skipped = (found.offset, policy.discard_pairs) if found else (0, 0)
    health = {arm: assessor.health(arm, run.attempts, run.health, run.ending) for arm in folder.arms()}
    faults = (*run.faults, *(fault.reason for fault in unsound(health, policy.limits)))
    table = assessor.table(run.attempts)
    return Before(
        _moved(table, offset, 0, 0.0),
        tuple(pair + offset for pair in pairs[skipped:]),
        tuple(f"{folder.run_id}: {fault}" for fault in faults),
        _began(folder),
    )


def _began(folder: RunFolder) -> float:
    """When a run's load began, in seconds since the epoch."""
    found = folder.manifest().get("origin_wall")
    return float(found) if isinstance(found, int | float) else folder.created().timestamp()


def _moved(table: AttemptTable, pairs: int, blocks: int, seconds: float) -> AttemptTable:
    return replace(table, pair=table.pair + pairs, block=table.block + blocks, intended_s=table.intended_s + seconds)


def _in_a_row(parts: Sequence[Before]) -> tuple[AttemptTable, tuple[int, ...]]:
    """All parts as one table, each at its own time, and the pairs that count."""
    first = parts[0].began
    tables, blocks = [], 0
    for part in parts:
        tables.append(_moved(part.table, 0, blocks, max(part.began - first, 0.0)))
        blocks += int(part.table.block.max(initial=-1)) + 1
    return AttemptTable.joined(tables), tuple(sorted(pair for part in parts for pair in part.pairs))
