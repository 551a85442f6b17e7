"""The evidence of a stored run, whole or killed, from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import RunError
from harness.gate.protocol import between
from harness.gate.soak import judge_soak
from harness.model.evidence import Evidence
from harness.model.health import ArmHealth
from harness.model.plan import make_plan
from harness.model.policy import Policy
from harness.model.site import Site
from harness.model.target import ARMS, Arm
from harness.record import protocol
from harness.record.calibration import site_document, site_of
from harness.record.folder import RunFolder
from harness.record.schema import attempt_table
from harness.run.assess import KILLED, Assessor, Ending
from harness.stats.attribution import anatomy
from harness.stats.failures import failure_anatomy
from harness.stats.retries import retry_anatomy
from harness.stats.servers import server_times
from harness.stats.soak import soak_of


def ending_of(manifest: Mapping[str, Any]) -> Ending:
    """How the run of a manifest ended; raises RunError where it says so in no known way."""
    ended = manifest.get("ending")
    try:
        found = KILLED if ended is None else Ending(**{**ended, "lost": tuple(ended["lost"])})
        if not (found.pairs is None or (isinstance(found.pairs, int) and found.pairs >= 0)):
            raise TypeError("pairs")
        return found
    except (KeyError, TypeError):
        raise RunError("manifest.json: ending: expected what a run writes there, got something else") from None


def evidence_of(folder: RunFolder, policy: Policy | None = None, site: Site | None = None) -> Evidence:
    """The evidence of a finished or killed run; raises RunError.

    Another policy than the run's own may judge it, and it may be judged by another calibration than it was.
    """
    manifest = folder.manifest()
    if "soak" in manifest:
        return _soak_evidence(folder, policy)
    if set(folder.arms()) != set(ARMS):
        raise RunError(f"{folder.path}: expected a run of both arms, got {', '.join(folder.arms())}")
    scenario = folder.scenario()
    ending = ending_of(manifest)
    if policy is not None or site is not None:
        ending = replace(ending, pairs=None)  # the run's own judge stopped there, another's need not
    judging = policy or folder.policy()
    known = site_of(manifest) if site is None else site
    assessor = Assessor(scenario, judging, make_plan(scenario, folder.arms()), known)
    shown = protocol.read(folder)
    differences = between(shown.get("baseline"), shown.get("candidate"))
    found = assessor.assess(folder.attempts(), folder.health(), ending, differences or ())
    counted = found.table, assessor.design, judging, found.pairs
    return Evidence(
        run_id=folder.run_id,
        title=scenario.name,
        started=str(manifest["created"]),
        manifest={**manifest, "policy": judging.model_dump(mode="json"), "calibration": site_document(known)},
        partial=ending.why_partial,
        verdict=found.verdict,
        comparison=found.comparison,
        table=found.table,
        design=assessor.design,
        health=found.health,
        step_order=scenario.timed_steps,
        policy=judging,
        anatomy=anatomy(*counted),
        failures=failure_anatomy(*counted),
        retries=retry_anatomy(*counted),
        servers=server_times(*counted),
        differences=differences,
    )


def _soak_evidence(folder: RunFolder, policy: Policy | None) -> Evidence:
    """The evidence of a soak, from the blocks that ran to their end."""
    manifest = folder.manifest()
    scenario, ending, judging = folder.scenario(), ending_of(manifest), policy or folder.policy()
    (arm,) = folder.arms()
    plan = make_plan(scenario, (arm,))
    assessor = Assessor(scenario, judging, plan)
    attempts = folder.attempts()
    table = attempt_table(attempts, assessor.block_starts, assessor.cohorts)
    # In a run of one arm a pair is one block.
    soak = soak_of(table, arm, assessor.design, judging, assessor.complete_pairs(attempts))
    health: dict[Arm, ArmHealth] = {arm: assessor.health(arm, attempts, folder.health(), ending)}
    return Evidence(
        run_id=folder.run_id,
        title=scenario.name,
        started=str(manifest["created"]),
        manifest={**manifest, "policy": judging.model_dump(mode="json")},
        partial=ending.why_partial,
        verdict=judge_soak(soak, health, ending.state, judging),
        comparison=None,
        table=table,
        design=assessor.design,
        health=health,
        step_order=scenario.timed_steps,
        soak=soak,
        policy=judging,
    )
