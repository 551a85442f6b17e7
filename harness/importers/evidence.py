"""Evidence from what another tool measured: a CSV of attempts, or two files of which each is an arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.gate.judge import judge
from harness.importers.attempts_csv import read_attempts
from harness.importers.foreign import Foreign
from harness.importers.loading import as_closed_loop, loading
from harness.importers.two_files import Importing, read_two
from harness.model.attempt import STATUSES
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.site import Site
from harness.model.target import ARMS, Arm
from harness.record.calibration import site_document
from harness.run.site import Subject, find_site
from harness.stats.attribution import anatomy
from harness.stats.compare import compare
from harness.stats.shown import shown

CENTURY_S = 3.2e9
"""Arms that claim to be further apart are no further: a file may hold any number."""


def foreign_evidence(
    path: Path, policy: Policy, trim_s: float, timeout_s: float, calibration: Path | None = None
) -> Evidence:
    """The evidence of a CSV of attempts, with a calibration of its site; raises ConfigError and RunError."""
    foreign = read_attempts(path, trim_s, timeout_s)
    measured = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    begun = [foreign.table.intended_s[foreign.table.arm == code].min(initial=np.inf) for code in range(len(ARMS))]
    site = _site(foreign, policy, measured, abs(float(begun[1] - begun[0])), calibration)
    return _judged(foreign, policy, path.name, path.stem, measured, {"attempts": str(path)}, site)


def imported_evidence(
    before: Path, after: Path, how: Importing, policy: Policy, calibration: Path | None = None
) -> Evidence:
    """The evidence of two files of another tool, the first as baseline; raises ConfigError and RunError."""
    found = read_two(before, after, how)
    run_id = f"{before.name} and {after.name}"
    title = f"{before.stem} and {after.stem}"
    site = _site(found.foreign, policy, found.started, found.apart_s, calibration)
    return _judged(found.foreign, policy, run_id, title, found.started, found.said, site)


def _site(foreign: Foreign, policy: Policy, started: str, apart_s: float, calibration: Path | None) -> Site:
    apart = timedelta(0) if foreign.design.interleaved else timedelta(seconds=min(apart_s, CENTURY_S))
    return find_site(Subject(datetime.fromisoformat(started), policy, apart=apart), calibration)


def _judged(
    foreign: Foreign,
    policy: Policy,
    run_id: str,
    title: str,
    started: str,
    said: Mapping[str, object],
    site: Site,
) -> Evidence:
    loaded = loading(foreign, policy.limits)
    compared = compare(foreign.table, foreign.design, policy, foreign.pairs, site)
    comparison = as_closed_loop(compared, loaded.waits)
    health: dict[Arm, ArmHealth] = {arm: _health(foreign, code) for code, arm in enumerate(ARMS)}
    verdict = judge(comparison, health, RunState(complete=True), policy, faults=loaded.faults)
    verdict = replace(verdict, notices=(*foreign.notices, *loaded.notices, *verdict.notices))
    return Evidence(
        run_id=run_id,
        title=title,
        started=started,
        manifest={**said, "policy": policy.model_dump(mode="json"), "calibration": site_document(site)},
        partial="",
        verdict=verdict,
        comparison=comparison,
        shown=shown(foreign.table, foreign.design, policy.discard_pairs),
        design=foreign.design,
        health=health,
        step_order=foreign.steps,
        anatomy=anatomy(foreign.table, foreign.design, policy, foreign.pairs),
        policy=policy,
    )


def _health(foreign: Foreign, code: int) -> ArmHealth:
    """What attempts alone tell of how an arm was loaded: nothing of the generator itself."""
    mine = (foreign.table.arm == code) & (foreign.table.pair >= 0)
    count = int(mine.sum())
    return ArmHealth(
        planned=count,
        started=count,
        denied=0,
        failed=int((foreign.table.status[mine] != STATUSES.index("ok")).sum()),
        send_lag_p99_ms=None,
        pool_wait_p99_ms=None,
        hub_stall_p99_ms=None,
        generator_cpu=None,
        seat_waits=0,
        foreign=True,
    )
