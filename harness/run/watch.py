"""The watch of a run: its journals are followed, the judge looks, and the load ends when there is a reason to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import RunError
from harness.gate.protocol import between
from harness.guards.denial_share import DenialCount
from harness.load.fleet import Fleet
from harness.model.plan import NS, Plan
from harness.model.progress import Display, Look, Preparing, Snapshot
from harness.model.protocol import Difference
from harness.model.shard import worker_name
from harness.model.target import Arm
from harness.model.verdict import Kind
from harness.record import protocol
from harness.record.completeness import KEY, Written, written_of
from harness.record.folder import SCHEMAS, RunFolder
from harness.record.journal import JournalReader
from harness.record.schema import ATTEMPTS, HEALTH
from harness.run.assess import Assessor, Ending
from harness.run.audit import AttemptAudit, audit_health
from harness.run.growing import Growing
from harness.run.request import RunRequest, least_pairs
from harness.run.tally import Tally

POLL_S = 0.25
GRACE_S = 15.0
"""Past the last deadline of the last login, for a journal's last flush."""
LIVE_WINDOW_S = 60.0
"""So long the logins themselves are kept, for whoever looks at the slowest of them."""
MASTER = "master"
"""Of the processes that may be lost."""
LATENCIES_S = 10.0
RATES_S = 5.0


@contextmanager
def writing(folder: RunFolder) -> Iterator[None]:
    """What is written to a run's folder, with a full disk as a RunError that says what stays."""
    try:
        yield
    except OSError as error:
        still_there(folder)
        raise RunError(
            f"{folder.path}: expected room to write what was measured, got: {error.strerror}; its journals stay: "
            f"make some, then authgate compare {folder.path}"
        ) from None


def still_there(folder: RunFolder) -> None:
    """Raise RunError where a run's folder is gone: what is measured has nowhere to go."""
    if not (folder.path / "manifest.json").exists():
        raise RunError(f"{folder.path}: expected the folder of this run, got none: it vanished while the run went on")


def preparing(request: RunRequest, folder: RunFolder, ready: tuple[Arm, ...] = ()) -> Preparing:
    """A run whose load has not begun, as a display shows it."""
    return Preparing(str(folder.path), request.scenario, request.policy, request.arms, ready)


class Watch:
    """Follows one run's journals until the plan is done, the judge is sure, or something has gone wrong."""

    def __init__(self, request: RunRequest, folder: RunFolder, plan: Plan, fleet: Fleet, display: Display) -> None:
        self._request = request
        self._folder = folder
        self._plan = plan
        self._fleet = fleet
        self._display = display
        self._judges = request.early_stop and len(folder.arms()) > 1
        self._shares = folder.shares()
        """How many logins each worker of an arm has to send."""
        self._workers = folder.workers()
        self._assessor = Assessor(request.scenario, request.policy, plan, request.site, self._workers)
        self._readers = {
            (kind, arm, worker): JournalReader(folder.journal(kind, arm, worker), schema)
            for kind, schema in SCHEMAS.items()
            for arm in folder.arms()
            for worker in range(self._workers)
        }
        self._growing = Growing(self._assessor, AttemptAudit(request.scenario, plan), plan)
        self._rows = dict.fromkeys(self._readers, 0)
        self._tally = Tally(plan, LIVE_WINDOW_S)
        self._batches: dict[str, list[Any]] = {"attempts": [], "health": []}
        """Where somebody looks while it goes on: its health, and the attempts if they are asked for whole."""
        self._differences: tuple[Difference, ...] = ()
        self._unknown: tuple[str, ...] = ()
        self._look: Look | None = None
        self._last: dict[Arm, tuple[float, float] | None] = dict.fromkeys(folder.arms())
        self._generators: dict[Arm, dict[str, Any]] = {}
        self._due = np.concatenate([block.arrivals.intended for block in plan.blocks])
        self._due.sort()
        least_s = least_pairs(request.scenario, request.policy) * self._assessor.design.pair_s
        self._pass_from_s = least_s if self._judges else None
        self._judged = 0

    def run(self, patience_s: float) -> Ending:
        """Wait for the arms to be ready, then follow the load to its end."""
        origin = self._wait_for_go(patience_s)
        last = self._plan.length / NS + self._request.scenario.timeout_s + GRACE_S
        while True:
            trouble = self._trouble(self._fleet.events(POLL_S))
            still_there(self._folder)
            elapsed = (time.monotonic_ns() - origin) / NS
            self._read()
            ending = trouble or self._ending(elapsed, last)
            self._display(self._snapshot(elapsed))
            if ending is not None:
                return ending

    def _wait_for_go(self, patience_s: float) -> int:
        deadline = time.monotonic() + patience_s
        first: dict[tuple[str, int], dict[str, Any]] = {}
        arms = self._folder.arms()
        while time.monotonic() < deadline:
            for event in self._fleet.events(POLL_S):
                if event["event"] == "failed":
                    raise RunError(event["message"])
                if event["event"] == "ready":
                    first[event["arm"], event["worker"]] = event
                    self._display(preparing(self._request, self._folder, self._ready(first)))
                if event["event"] == "go":
                    self._keep({arm: first[arm, 0] for arm in arms}, event["wall"])
                    self._check_first(first)
                    return int(event["origin"])
            if lost := self._fleet.lost():
                raise RunError(f"{', '.join(lost)}: ended before the load began; see {self._folder.path}/locust.log")
        late = ", ".join(arm for arm in arms if arm not in self._ready(first))
        raise RunError(f"{late}: not ready within {patience_s:.0f} s; see {self._folder.path}/locust.log")

    def _ready(self, first: Mapping[tuple[str, int], object]) -> tuple[Arm, ...]:
        """The arms whose workers are all prepared."""
        each = range(self._workers)
        return tuple(arm for arm in self._request.arms if all((arm, worker) in first for worker in each))

    @staticmethod
    def _trouble(events: Sequence[Mapping[str, Any]]) -> Ending | None:
        """The end of a run whose master tells that it can't go on."""
        for event in events:
            if event["event"] == "lost":
                return Ending(complete=False, interrupted=f"{event['who']} {event['why']}", lost=(event["who"],))
            if event["event"] == "failed":
                return Ending(complete=False, interrupted=event["message"], lost=(MASTER,))
            if event["event"] == "denials":
                return Ending(complete=False, interrupted=event["reason"], stopped_for_denials=True)
        return None

    def _keep(self, first: dict[Arm, dict[str, Any]], wall: float) -> None:
        """Write down how the first logins on each arm's first worker went, and what they showed of the protocol."""
        shown: dict[str, Any] = {arm: event.pop("protocol") for arm, event in first.items() if "protocol" in event}
        with writing(self._folder):
            self._folder.update_manifest(origin_wall=wall, first_logins=first)
            protocol.save(self._folder, shown)
            self._count(with_protocol=True)
        arms = protocol.read(self._folder)
        self._unknown = protocol.unknown(arms, self._folder.arms())
        self._differences = between(arms.get("baseline"), arms.get("candidate")) or ()

    def _count(self, with_protocol: bool = False) -> None:
        """Write down how much has been measured by now: a run that is killed must not lose more than it had."""
        attempts, health = (
            {arm: sum(self._rows[kind, arm, worker] for worker in range(self._workers)) for arm in self._folder.arms()}
            for kind in SCHEMAS
        )
        before = written_of(self._folder.manifest()) or Written.by(self._plan)
        written = replace(before, attempts=attempts, health=health)
        if with_protocol:
            written = written.with_file(self._folder.path / protocol.FILE)
        self._folder.update_manifest(**{KEY: written.document})

    @staticmethod
    def _check_first(first: Mapping[tuple[str, int], Mapping[str, Any]]) -> None:
        """A baseline on which nobody can log in is no baseline; a candidate like that is for the judge to block."""
        for (arm, _), told in sorted(first.items()):
            if arm == "baseline" and told["outcome"] != "ok":
                failed = told["steps"][-1]
                raise RunError(
                    f"baseline: the first login failed at {failed['step']}: {failed['status']} {failed['code']}"
                )

    def _ending(self, elapsed: float, last: float) -> Ending | None:
        if lost := self._fleet.lost():
            return Ending(complete=False, lost=lost)
        counted = DenialCount(self._tally.denied, self._tally.total)
        if reason := counted.reason_to_stop(self._request.policy.limits.denied_share):
            return Ending(complete=False, interrupted=reason, stopped_for_denials=True)
        pairs = len(self._assessor.complete(self._tally.by_pair))
        done = pairs == self._assessor.design.horizon_pairs
        if pairs > self._judged:
            with suppress(OSError, RunError):  # the count at the end is the one that decides
                self._count()
        if pairs > self._judged and self._judges:
            ending = Ending(complete=done, pairs=pairs)
            grown, (health, faults) = self._growing.look(), self._audited_health()
            faults = (*self._growing.faults, *faults)
            found = self._assessor.concluded(grown, health, ending, self._differences, faults)
            self._look = Look(found.verdict, found.comparison, found.health)
            if found.verdict.kind in (Kind.PASS, Kind.BLOCK) and found.verdict.final:
                return replace(ending, complete=True)
        enough = pairs > self._judged and self._request.stop is not None and self._request.stop(*self._tables())
        self._judged = pairs
        if done and (wrong := self._miscounted()):
            return Ending(complete=False, interrupted=wrong, lost=(MASTER,))
        if done or enough:
            return Ending(complete=True, pairs=pairs)
        if elapsed > last:
            return Ending(complete=False, interrupted="the plan was not executed in its time")
        return None

    def _miscounted(self) -> str:
        """Which worker of a whole plan recorded more or fewer logins than its share has, in words; empty if none."""
        return "; ".join(
            f"{worker_name(arm, worker, self._workers)} recorded {rows:,} logins, its share has {share:,}"
            for arm, shares in self._shares.items()
            for worker, share in enumerate(shares)
            if (rows := self._rows["attempts", arm, worker]) != share
        )

    def _read(self) -> None:
        for key, reader in self._readers.items():
            kind, arm, _ = key
            batches = reader.new_batches()
            self._rows[key] += sum(map(len, batches))
            if kind == "attempts":
                for batch in batches:
                    self._tally.add(batch)
                    if self._judges:
                        self._growing.add(batch)
            elif batches:
                self._generators[arm] = batches[-1].to_pylist()[-1]
            if self._request.stop is not None or (self._judges and kind == "health"):
                self._batches[kind].extend(batches)

    def _tables(self) -> tuple[Any, Any]:
        """All attempts and seconds of health so far."""
        attempts, health = self._batches["attempts"], self._batches["health"]
        return pa.Table.from_batches(attempts, ATTEMPTS), pa.Table.from_batches(health, HEALTH)

    def _audited_health(self) -> tuple[Any, tuple[str, ...]]:
        """The seconds of health that can have been, and what else there is of it and of the journals."""
        health = pa.Table.from_batches(self._batches["health"], HEALTH)
        seconds = audit_health(health, self._plan, self._folder.arms(), self._workers)
        damage = [lost for reader in self._readers.values() for lost in reader.damage]
        return seconds.table, (*damage, *seconds.faults, *self._unknown)

    def _snapshot(self, elapsed: float) -> Snapshot:
        now = round(elapsed * NS)
        blocks = self._plan.at(now)
        recent = self._tally.recent(now)
        times = recent.select(["arm", "intended", "ended", "own"])  # without the steps, which would be copied too
        of_late = times.filter(pc.greater(times["ended"], now - round(LATENCIES_S * NS)))
        for arm in self._folder.arms():
            self._last[arm] = _latencies(of_late, arm) or self._last[arm]
        # Both over the same seconds, and not since the block's start, where nothing has ended yet.
        since, window_s = now - round(RATES_S * NS), max(min(RATES_S, elapsed), 0.001)
        due = int(np.searchsorted(self._due, now, "right") - np.searchsorted(self._due, since, "right"))
        ended = int(pc.sum(pc.greater(recent["ended"], since)).as_py() or 0)
        failed: Counter[Arm] = Counter()
        for (arm, _, _), count in self._tally.failures.items():
            failed[arm] += count
        return Snapshot(
            block=blocks[-1].index,
            blocks=len(self._plan.blocks),
            arms=tuple(block.arm for block in blocks),
            pairs_judged=self._judged,
            offered=due / window_s,
            achieved=ended / window_s,
            latencies=dict(self._last),
            look=self._look,
            left_s=max(0.0, self._plan.length / NS - elapsed),
            length_s=self._plan.length / NS,
            pass_from_s=self._pass_from_s,
            failed={arm: (failed[arm], self._tally.ended[arm]) for arm in self._folder.arms()},
            failures=self._tally.failures,
            generators=self._generators,
            differences=self._differences,
            recent=recent,
            now=now,
        )


def _latencies(recent: Any, arm: Arm) -> tuple[float, float] | None:
    mine = recent.filter(pc.equal(recent["arm"], arm))
    if len(mine) == 0:
        return None
    response_s = (mine["ended"].to_numpy() - mine["intended"].to_numpy() - mine["own"].to_numpy()) / NS
    p50, p95 = np.quantile(response_s, [0.5, 0.95])
    return float(p50), float(p95)
