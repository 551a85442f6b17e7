"""The runs behind a drift: of each two releases the last sound run among the results, of the same workload."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import ConfigError, RunError
from harness.gate.drift import with_drift, without_drift
from harness.model.comparison import Comparison
from harness.model.policy import Policy
from harness.model.target import ARMS, Targets
from harness.model.verdict import Kind, Verdict
from harness.record.calibration import site_of
from harness.record.folder import RunFolder
from harness.run.assess import Assessor
from harness.run.continued import Together
from harness.run.stored import read_run
from harness.stats.drift import Link, row_of


def judged_with_drift(folder: RunFolder, policy: Policy, verdict: Verdict, comparison: Comparison) -> Verdict:
    """The verdict of a run with what the policy says about drift; the same where it says nothing."""
    drift = policy.drift
    if drift is None:
        return verdict
    releases = _releases(folder)
    if releases is None:
        return without_drift(verdict, drift, "the targets don't say which releases they are (arms.*.release)")
    before, after = releases
    own = _link(folder, before, after, comparison)
    if before == drift.pinned:
        return with_drift(verdict, drift, (own,), policy.alpha)
    earlier = row_of(list(_links(folder)), drift.pinned, before)
    if earlier is None:
        return without_drift(
            verdict, drift, f"no sound runs of this workload lead from it to {before} in {folder.path.parent}"
        )
    row = (*earlier, own)
    return with_drift(verdict, drift, row, policy.alpha)


def check_drift(policy: Policy, targets: Targets) -> None:
    """Raise ConfigError, before any load, where a policy asks for a drift that the targets can't tell."""
    if policy.drift is None:
        return
    unnamed = [arm for arm in ARMS if arm in targets.arms and targets.arms[arm].release is None]
    if unnamed:
        wanted = f"expected what is deployed there, which policy {policy.name} needs (drift), got nothing"
        raise ConfigError("\n".join(f"{targets.place(f'arms.{arm}.release')}: {wanted}" for arm in unnamed))


def _releases(folder: RunFolder) -> tuple[str, str] | None:
    """What the baseline and the candidate of a run are called; None where one has no name."""
    found = folder.targets().arms
    before, after = (found[arm].release if arm in found else None for arm in ARMS)
    return None if before is None or after is None else (before, after)


def _links(folder: RunFolder) -> Iterator[Link]:
    """Every sound run of both arms beside this one, of its workload and before it, in order of time."""
    workload, created = folder.scenario().workload_digest, folder.created()
    beside = []
    for path in folder.path.parent.iterdir():
        if path == folder.path or not (path / "manifest.json").is_file():
            continue
        try:
            other = RunFolder.open(path)
            if other.scenario().workload_digest == workload and set(other.arms()) == set(ARMS):
                beside.append((other.created(), other))
        except RunError:
            continue
    for began, other in sorted(beside, key=lambda one: one[0]):
        releases = _releases(other)
        if began <= created and releases is not None:
            comparison = _sound(other)
            if comparison is not None:
                yield _link(other, *releases, comparison)


def _sound(folder: RunFolder) -> Comparison | None:
    """What a stored run shows, judged anew from what was measured; None where it is not sound."""
    try:
        run = read_run(folder)
        policy = folder.policy()
        if (together := Together.of(folder)) is not None:
            whole = together.evidence(run)
            return None if whole.verdict.kind is Kind.INVALID else whole.comparison
        found = Assessor(run.scenario, policy, run.plan, site_of(run.manifest)).assess(
            run.attempts, run.health, run.ending, (), run.faults
        )
    except RunError:
        return None
    return None if found.verdict.kind is Kind.INVALID else found.comparison


def _link(folder: RunFolder, before: str, after: str, comparison: Comparison) -> Link:
    return Link(before, after, folder.run_id, {shift.metric: shift for shift in comparison.shifts}, comparison.site)
