"""The evidence of a stored run, whole or killed, from its folder."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import RunError
from harness.gate.alone import judge_alone
from harness.gate.protocol import between
from harness.gate.soak import judge_soak
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.policy import Policy
from harness.model.site import Site
from harness.model.target import ARMS, Arm
from harness.record.calibration import site_document, site_of
from harness.record.folder import RunFolder
from harness.run.assess import Assessor
from harness.run.continued import Together
from harness.run.drift import judged_with_drift
from harness.run.stored import StoredRun, read_run
from harness.run.streamed import gathered_from_file, open_checked
from harness.stats.shown import shown
from harness.stats.soak import soak_of


def evidence_of(folder: RunFolder, policy: Policy | None = None, site: Site | None = None) -> Evidence:
    """The evidence of a finished or killed run; raises RunError.

    Another policy than the run's own may judge it, and it may be judged by another calibration than it was.
    """
    if "soak" in folder.manifest():
        return _soak_evidence(folder, policy)
    if set(folder.arms()) != set(ARMS):
        return _evidence_alone(read_run(folder), policy or folder.policy())
    if (together := Together.of(folder, policy, site)) is not None:
        whole = together.evidence(read_run(folder))
        assert whole.comparison is not None
        verdict = judged_with_drift(folder, together.policy, whole.verdict, whole.comparison)
        return replace(whole, verdict=verdict)
    run, as_written = open_checked(folder)
    manifest, scenario, ending = run.manifest, run.scenario, run.ending
    if policy is not None or site is not None:
        ending = replace(ending, pairs=None)  # the run's own judge stopped there, another's need not
    judging = policy or folder.policy()
    known = site_of(manifest) if site is None else site
    assessor = Assessor(scenario, judging, run.plan, known, run.workers)
    differences = between(run.protocol.get("baseline"), run.protocol.get("candidate"))
    gathered, faults = gathered_from_file(run, assessor, ending) if as_written else None, run.all_faults
    if gathered is not None:
        found = assessor.concluded(gathered, run.health, ending, differences or (), faults)
    else:
        stored = run.with_attempts()
        found = assessor.assess(stored.attempts, run.health, ending, differences or (), stored.faults)
    return Evidence(
        run_id=folder.run_id,
        title=scenario.name,
        started=str(manifest["created"]),
        manifest={**manifest, "policy": judging.model_dump(mode="json"), "calibration": site_document(known)},
        partial=ending.why_partial,
        verdict=judged_with_drift(folder, judging, found.verdict, found.comparison),
        comparison=found.comparison,
        shown=found.gathered.shown,
        design=assessor.design,
        health=found.health,
        step_order=scenario.timed_steps,
        policy=judging,
        anatomy=found.gathered.anatomy,
        failures=found.gathered.failures,
        retries=found.gathered.retries,
        servers=found.gathered.servers,
        differences=found.differences or differences,  # None where neither is known
    )


def _evidence_alone(run: StoredRun, policy: Policy) -> Evidence:
    """The evidence of a run of one arm: what was measured, and that nothing is judged."""
    (arm,) = run.folder.arms()
    assessor = Assessor(run.scenario, policy, run.plan, workers=run.workers)
    # In a run of one arm a pair is that arm's blocks alone.
    pairs, design = len(assessor.complete_pairs(run.attempts)[: run.ending.pairs]), assessor.design
    return Evidence(
        run_id=run.folder.run_id,
        title=run.scenario.name,
        started=str(run.manifest["created"]),
        manifest={**run.manifest, "policy": policy.model_dump(mode="json")},
        partial=run.ending.why_partial,
        verdict=judge_alone(
            arm,
            sum(design.blocks(design.stage(pair)) for pair in range(pairs)),
            pairs * design.arm_s,
            run.faults,
            run.ending.interrupted,
        ),
        comparison=None,
        shown=shown(assessor.table(run.attempts), design, policy.discard_pairs),
        design=design,
        health={arm: assessor.health(arm, run.attempts, run.health, run.ending)},
        step_order=run.scenario.timed_steps,
        policy=policy,
    )


def _soak_evidence(folder: RunFolder, policy: Policy | None) -> Evidence:
    """The evidence of a soak, from the blocks that ran to their end."""
    if len(folder.arms()) != 1:
        raise RunError(f"{folder.path}: expected a soak of one arm, got {', '.join(folder.arms())}")
    run, (arm,) = read_run(folder), folder.arms()
    manifest, scenario, attempts, judging = run.manifest, run.scenario, run.attempts, policy or folder.policy()
    assessor = Assessor(scenario, judging, run.plan, workers=run.workers)
    table = assessor.table(attempts)
    # In a run of one arm a pair is one block.
    pairs = assessor.complete_pairs(attempts)
    soak = soak_of(table, arm, assessor.design, judging, pairs)
    health: dict[Arm, ArmHealth] = {arm: assessor.health(arm, attempts, run.health, run.ending)}
    return Evidence(
        run_id=folder.run_id,
        title=scenario.name,
        started=str(manifest["created"]),
        manifest={**manifest, "policy": judging.model_dump(mode="json")},
        partial=run.ending.why_partial,
        verdict=judge_soak(soak, health, run.ending.state(run.faults), judging),
        comparison=None,
        shown=shown(table, assessor.design, judging.discard_pairs),
        design=assessor.design,
        health=health,
        step_order=scenario.timed_steps,
        soak=soak,
        policy=judging,
    )
