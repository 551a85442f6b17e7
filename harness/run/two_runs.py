"""The evidence of two runs of one arm each.

Arms that were measured one after the other differ by whatever changed meanwhile, so such a comparison can't support
a PASS (in simulation it blocked 11 % of A/A and passed 22 % of +14 %). A change blocks only where a calibration has
measured how far this site's levels lie apart from run to run, and the bounds carry it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.errors import RunError
from harness.gate.judge import judge
from harness.gate.protocol import between
from harness.gate.ways import with_ways
from harness.model.attempt import AttemptTable, StepColumns
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth, RunState
from harness.model.policy import Policy
from harness.model.site import Site
from harness.model.target import ARMS, Arm
from harness.record.calibration import site_document
from harness.record.folder import RunFolder
from harness.run.assess import Assessor
from harness.run.site import Subject, find_site
from harness.run.stored import read_run
from harness.stats.attribution import anatomy
from harness.stats.compare import compare
from harness.stats.servers import server_times
from harness.stats.shown import shown
from harness.stats.ways import changed_ways


def evidence_of_two(
    before: RunFolder, after: RunFolder, policy: Policy | None = None, calibration: Path | None = None
) -> Evidence:
    """The evidence of two runs of one arm each, the first as baseline; raises RunError if they differ.

    The k-th block of one is paired with the k-th of the other. Without a calibration's file, the one that lies beside
    the baseline's run is taken.
    """
    for folder in (before, after):
        if len(folder.arms()) != 1:
            raise RunError(f"{folder.path}: expected a run of one arm, got {', '.join(folder.arms())}")
    runs = [read_run(folder) for folder in (before, after)]
    scenario = before.scenario()
    if scenario.digest != after.scenario().digest:
        raise RunError(f"{after.path}: expected the scenario of {before.path}, got another one (digests differ)")
    judging = policy or before.policy()
    assessors = [Assessor(scenario, judging, run.plan, workers=run.workers) for run in runs]
    pairs = min(len(assessor.complete_pairs(run.attempts)) for assessor, run in zip(assessors, runs, strict=True))
    endings = [run.ending for run in runs]
    health: dict[Arm, ArmHealth] = {
        arm: assessor.health(run.folder.arms()[0], run.attempts, run.health, replace(run.ending, pairs=pairs))
        for arm, assessor, run in zip(ARMS, assessors, runs, strict=True)
    }
    design = replace(assessors[0].design, interleaved=False)
    table = _one_after_the_other(*(assessor.table(run.attempts) for assessor, run in zip(assessors, runs, strict=True)))
    site = _site_of_two(before, after, judging, calibration)
    comparison = compare(table, design, judging, range(pairs), site)
    state = RunState(
        complete=all(ending.complete for ending in endings),
        interrupted="; ".join(filter(None, (ending.interrupted for ending in endings))),
        stopped_for_denials=any(ending.stopped_for_denials for ending in endings),
        faults=tuple(f"{run.folder.run_id}: {fault}" for run in runs for fault in run.faults),
    )
    single = [run.protocol.get(run.folder.arms()[0]) for run in runs]
    differences = with_ways(between(*single), changed_ways(table, design, judging, range(pairs)))
    return Evidence(
        run_id=f"{before.run_id} and {after.run_id}",
        title=scenario.name,
        started=str(before.manifest()["created"]),
        manifest={
            **before.manifest(),
            "candidate_run": after.run_id,
            "policy": judging.model_dump(mode="json"),
            "calibration": site_document(site),
        },
        partial="; ".join(filter(None, (ending.why_partial for ending in endings))),
        verdict=judge(comparison, health, state, judging, differences or ()),
        comparison=comparison,
        shown=shown(table, design, judging.discard_pairs),
        design=design,
        health=health,
        step_order=scenario.timed_steps,
        anatomy=anatomy(table, design, judging, range(pairs)),
        servers=server_times(table, design, judging, range(pairs)),
        policy=judging,
        differences=differences,
    )


def _site_of_two(before: RunFolder, after: RunFolder, policy: Policy, calibration: Path | None) -> Site:
    created = [folder.created() for folder in (before, after)]
    subject = Subject(
        at=created[1],
        policy=policy,
        scenario=before.scenario(),
        targets={arm: f.targets().arms[f.arms()[0]] for arm, f in zip(ARMS, (before, after), strict=True)},
        apart=abs(created[1] - created[0]),
    )
    return find_site(subject, calibration, before.path.parent)


def _one_after_the_other(before: AttemptTable, after: AttemptTable) -> AttemptTable:
    """Both tables as one: the first as the baseline's, the second, later, as the candidate's."""
    later_s = float(before.intended_s.max(initial=0.0))
    later_blocks = int(before.block.max(initial=-1)) + 1
    rows = len(before)
    steps = {}
    for name in dict.fromkeys((*before.steps, *after.steps)):
        parts = [
            (columns, shift)
            for columns, shift in ((before.steps.get(name), 0), (after.steps.get(name), rows))
            if columns is not None
        ]
        steps[name] = StepColumns.joined(parts)
    return AttemptTable(
        arm=np.repeat(np.arange(2, dtype=np.int8), (rows, len(after))),
        block=np.concatenate([before.block, after.block + later_blocks]),
        pair=np.concatenate([before.pair, after.pair]),
        offset_s=np.concatenate([before.offset_s, after.offset_s]),
        intended_s=np.concatenate([before.intended_s, after.intended_s + later_s]),
        cohort=np.concatenate([before.cohort, after.cohort]),
        status=np.concatenate([before.status, after.status]),
        response_s=np.concatenate([before.response_s, after.response_s]),
        service_s=np.concatenate([before.service_s, after.service_s]),
        steps=steps,
        cohorts=before.cohorts,
    )
