"""One run from its inputs to its folder: the fleet is started and watched, and what it measured is finished."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from harness.errors import RunError
from harness.load.asked import patience_s
from harness.load.fleet import Fleet
from harness.model.plan import make_plan
from harness.model.progress import Display
from harness.record.calibration import site_document
from harness.record.completeness import KEY, Written
from harness.record.folder import RunFolder
from harness.run.assess import Ending
from harness.run.request import RunRequest
from harness.run.watch import Watch, preparing, writing

STARTED_WITHIN_S = 30.0
"""The processes themselves, before they prepare."""
COME_WITHIN_S = 600.0
"""For workers on other machines."""


def execute(request: RunRequest, display: Display) -> RunFolder:
    """Measure, and judge while measuring; the folder holds all that was measured, however the run ended.

    Raises ConfigError or UnsafeTargetError before any load, and RunError where an arm could not be prepared.
    KeyboardInterrupt ends the load and is the run's ending.
    """
    request.check()
    scenario, targets = request.scenario, request.targets
    folder = RunFolder.create(request.results, scenario, targets, request.policy, request.arms)
    plan = make_plan(scenario, request.arms)
    with writing(folder):
        evidence = {KEY: Written.by(plan).document}
        shares = request.shares
        counts = {arm: [share.count(plan.of(arm)) for share in shares] for arm in request.arms}
        folder.update_manifest(
            calibration=site_document(request.site), workers=len(shares), shares=counts, **evidence, **request.marks
        )
        if request.elsewhere is not None:
            folder.update_manifest(elsewhere=True)
    display(preparing(request, folder))
    try:
        with Fleet(folder, len(shares), request.elsewhere) as fleet:
            patience = STARTED_WITHIN_S + patience_s(scenario, targets)
            patience += 0.0 if request.elsewhere is None else COME_WITHIN_S
            try:
                ending = Watch(request, folder, plan, fleet, display).run(patience)
            except KeyboardInterrupt:
                ending = Ending(complete=False, interrupted="interrupted by the user")
            gathered = fleet.finish()
    except RunError:
        with suppress(OSError, RunError):  # what went wrong is said by the first
            folder.update_manifest(status="failed")
        raise
    except KeyboardInterrupt:  # while it started, or a second time
        ending, gathered = Ending(complete=False, interrupted="interrupted by the user"), {}
    facts = {key: gathered[key] for key in ("clocks", "lacking") if key in gathered}
    with writing(folder):
        folder.finish(status="complete" if ending.complete else "partial", ending=asdict(ending), **facts)
    return folder
