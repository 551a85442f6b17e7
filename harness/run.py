"""One run from its inputs to its evidence: the fleet is started, its journals are followed, the judge looks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.assess import Assessor, Ending, design_of
from harness.errors import ConfigError, RunError
from harness.gate.protocol import between
from harness.load.fleet import Fleet
from harness.model.plan import NS, Plan, make_plan, preparations
from harness.model.policy import Policy
from harness.model.progress import Display, Snapshot
from harness.model.protocol import Difference
from harness.model.scenario import Scenario
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import Arm, Targets
from harness.model.verdict import Kind, Verdict
from harness.record import protocol
from harness.record.calibration import site_document
from harness.record.folder import RunFolder
from harness.record.journal import JournalReader
from harness.record.schema import ATTEMPTS, HEALTH
from harness.safety import check_safe
from harness.stats.compare import STAGES
from harness.stats.shift import LEAST_LOOK
from harness.tally import Tally

POLL_S = 0.25
PREPARED_WITHIN_S = 120.0
"""For keys, first logins and warm caches; longer where targets.max_rate asks for patience."""
GRACE_S = 15.0
"""Past the last deadline of the last login, for a journal's last flush."""
DENIALS_AT_LEAST = 5
"""Fewer denials than this don't stop a run, whatever their share."""
LIVE_WINDOW_S = 10.0
Stop = Callable[[Any, Any], bool]
"""Whether a run has seen enough, by its Arrow tables of attempts and of health so far."""


def check_inputs(scenario: Scenario, targets: Targets, policy: Policy | None, arms: Sequence[Arm]) -> None:
    """Raise ConfigError or UnsafeTargetError where load must not be sent, or could not lead to a PASS by the policy."""
    missing = [arm for arm in arms if arm not in targets.arms]
    if missing:
        raise ConfigError(f"targets: arms: expected {' and '.join(missing)} too, got {', '.join(targets.arms)}")
    if policy is not None:
        needed = _least_pairs(scenario, policy)
        if scenario.blocks.pairs < needed:
            raise ConfigError(
                f"scenario {scenario.name}: blocks.pairs: expected at least {needed}, so that policy {policy.name} may "
                f"pass (looks.pass_from, looks.pass_after_s), got {scenario.blocks.pairs}"
            )
    check_safe(targets, scenario, arms)


def _least_pairs(scenario: Scenario, policy: Policy) -> int:
    """With how many pairs a run may pass: enough of them at the expected load, and above it, and the candidate old."""
    design = design_of(scenario)
    above = LEAST_LOOK if design.headroom_every and policy.margins.headroom.any else 0
    # The candidate may be the first block of the last pair.
    life = 0 if policy.quick else math.ceil(policy.looks.pass_after_s / design.pair_s + 1)

    def enough(pairs: int) -> bool:
        stages = replace(design, horizon_pairs=pairs)
        expected, headroom = (stages.horizon(stage, policy.discard_pairs) for stage in STAGES)
        return expected >= policy.looks.pass_from and headroom >= above and pairs >= life

    return next(filter(enough, count(1)))


def execute(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    arms: Sequence[Arm],
    results: Path,
    display: Display,
    early_stop: bool = True,
    site: Site = UNCALIBRATED,
    marks: Mapping[str, object] | None = None,
    stop: Stop | None = None,
) -> RunFolder:
    """Measure, and judge while measuring; the folder holds all that was measured, however the run ended.

    ``marks`` are further keys of the manifest. ``stop`` is asked after each complete pair whether the run has seen
    enough; the pairs not run are then not there. Raises RunError where an arm could not be prepared. KeyboardInterrupt
    ends the load and is the run's ending.
    """
    check_inputs(scenario, targets, policy if early_stop else None, arms)
    folder = RunFolder.create(results, scenario, targets, policy, arms)
    folder.update_manifest(calibration=site_document(site), **(marks or {}))
    display(None)
    plan = make_plan(scenario, arms)
    patience_s = PREPARED_WITHIN_S + (3 * preparations(scenario) / targets.max_rate if targets.max_rate else 0.0)
    try:
        with Fleet(folder, scenario.seats) as fleet:
            ending = _Watch(folder, plan, scenario, policy, fleet, display, early_stop, site, stop).run(patience_s)
    except RunError:
        folder.update_manifest(status="failed")
        raise
    except KeyboardInterrupt:
        ending = Ending(complete=False, interrupted="interrupted by the user")
    with _writing(folder):
        folder.update_manifest(status="complete" if ending.complete else "partial", ending=asdict(ending))
        folder.finish()
    return folder


@contextmanager
def _writing(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder.path}: expected room to write what was measured, got: {error.strerror}; its journals stay: "
            f"make some, then authgate compare {folder.path}"
        ) from None


class _Watch:
    """Follows one run's journals until the plan is done, the judge is sure, or something has gone wrong."""

    def __init__(
        self,
        folder: RunFolder,
        plan: Plan,
        scenario: Scenario,
        policy: Policy,
        fleet: Fleet,
        display: Display,
        early_stop: bool,
        site: Site,
        stop: Stop | None,
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._scenario = scenario
        self._policy = policy
        self._fleet = fleet
        self._display = display
        self._judges = early_stop and len(folder.arms()) > 1
        self._stop = stop
        self._assessor = Assessor(scenario, policy, plan, site)
        self._readers = {
            (kind, arm): JournalReader(folder.journal(kind, arm))
            for kind in ("attempts", "health")
            for arm in folder.arms()
        }
        self._tally = Tally(plan, LIVE_WINDOW_S)
        self._batches: dict[str, list[Any]] = {"attempts": [], "health": []}
        """Only where this run is judged while it goes on: hours of a soak are left on disk."""
        self._differences: tuple[Difference, ...] = ()
        self._verdict: Verdict | None = None
        self._judged = 0

    def run(self, patience_s: float) -> Ending:
        """Wait for the arms to be ready, then follow the load to its end."""
        origin = self._wait_for_go(patience_s)
        last = self._plan.length / NS + self._scenario.timeout_s + GRACE_S
        while True:
            self._fleet.events(POLL_S)
            elapsed = (time.monotonic_ns() - origin) / NS
            self._read()
            ending = self._ending(elapsed, last)
            self._display(self._snapshot(elapsed))
            if ending is not None:
                return ending

    def _wait_for_go(self, patience_s: float) -> int:
        deadline = time.monotonic() + patience_s
        first: dict[str, Any] = {}
        while time.monotonic() < deadline:
            for event in self._fleet.events(POLL_S):
                if event["event"] == "failed":
                    raise RunError(f"{event['arm']}: {event['message']}")
                if event["event"] == "ready":
                    first[event["arm"]] = event
                if event["event"] == "go":
                    self._keep(first, event["wall"])
                    self._check_first(first)
                    return int(event["origin"])
            if lost := self._fleet.lost():
                raise RunError(f"{', '.join(lost)}: ended before the load began; see {self._folder.path}/locust.log")
        late = ", ".join(arm for arm in self._folder.arms() if arm not in first)
        raise RunError(f"{late}: not ready within {patience_s:.0f} s; see {self._folder.path}/locust.log")

    def _keep(self, first: dict[str, Any], wall: float) -> None:
        """Write down how the first logins went, and what they showed of the protocol."""
        shown = {arm: event.pop("protocol") for arm, event in first.items() if "protocol" in event}
        with _writing(self._folder):
            self._folder.update_manifest(origin_wall=wall, first_logins=first)
            protocol.save(self._folder, shown)
        arms = protocol.read(self._folder)
        self._differences = between(arms.get("baseline"), arms.get("candidate")) or ()

    @staticmethod
    def _check_first(first: dict[str, Any]) -> None:
        """A baseline on which nobody can log in is no baseline; a candidate like that is for the judge to block."""
        baseline = first.get("baseline")
        if baseline is not None and baseline["outcome"] != "ok":
            failed = baseline["steps"][-1]
            raise RunError(f"baseline: the first login failed at {failed['step']}: {failed['status']} {failed['code']}")

    def _ending(self, elapsed: float, last: float) -> Ending | None:
        if lost := self._fleet.lost():
            return Ending(complete=False, lost=lost)
        denied, total = self._tally.denied, self._tally.total
        if denied >= DENIALS_AT_LEAST and denied > self._policy.limits.denied_share * total:
            reason = f"{denied} of {total} logins were denied; stopped so that no account is locked"
            return Ending(complete=False, interrupted=reason, stopped_for_denials=True)
        pairs = len(self._assessor.complete(self._tally.by_pair))
        done = pairs == self._assessor.design.horizon_pairs
        if pairs > self._judged and self._judges:
            ending = Ending(complete=done, pairs=pairs)
            self._verdict = self._assessor.assess(*self._tables(), ending, self._differences).verdict
            if self._verdict.kind in (Kind.PASS, Kind.BLOCK) and self._verdict.final:
                return replace(ending, complete=True)
        enough = pairs > self._judged and self._stop is not None and self._stop(*self._tables())
        self._judged = pairs
        if done or enough:
            return Ending(complete=True, pairs=pairs)
        if elapsed > last:
            return Ending(complete=False, interrupted="the plan was not executed in its time")
        return None

    def _read(self) -> None:
        for (kind, _), reader in self._readers.items():
            batches = reader.new_batches()
            if kind == "attempts":
                for batch in batches:
                    self._tally.add(batch)
            if self._judges or self._stop is not None:
                self._batches[kind].extend(batches)

    def _tables(self) -> tuple[Any, Any]:
        """All attempts and seconds of health so far."""
        attempts, health = self._batches["attempts"], self._batches["health"]
        return pa.Table.from_batches(attempts, ATTEMPTS), pa.Table.from_batches(health, HEALTH)

    def _snapshot(self, elapsed: float) -> Snapshot:
        now = round(elapsed * NS)
        blocks = self._plan.at(now)
        into = max(min(now - blocks[0].start, blocks[0].length), 1)
        due = sum(arrival.intended < blocks[0].start + into for block in blocks for arrival in block.arrivals)
        ended = int(self._tally.by_block[[block.index for block in blocks]].sum())
        recent = self._tally.recent(now)
        return Snapshot(
            block=blocks[-1].index,
            blocks=len(self._plan.blocks),
            arms=tuple(block.arm for block in blocks),
            pairs_judged=self._judged,
            offered=due / into * NS,
            achieved=ended / into * NS,
            latencies={arm: _latencies(recent, arm) for arm in self._folder.arms()},
            verdict=self._verdict,
            left_s=max(0.0, self._plan.length / NS - elapsed),
        )


def _latencies(recent: Any, arm: Arm) -> tuple[float, float] | None:
    mine = recent.filter(pc.equal(recent["arm"], arm))
    if len(mine) == 0:
        return None
    response_s = (mine["ended"].to_numpy() - mine["intended"].to_numpy()) / NS
    p50, p95 = np.quantile(response_s, [0.5, 0.95])
    return float(p50), float(p95)
