"""Which calibration a verdict may use, and how far: one of the same workload, policy, servers and version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from harness import __version__
from harness.model.calibration import Calibration
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS, Arm, Target
from harness.model.verdict import Kind
from harness.record.calibration import calibration_file, read
from harness.record.folder import RunFolder
from harness.stats.spread import too_often


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be judged: when it was measured, its policy, and its workload and targets where they are known.

    ``apart`` is how long after the baseline the candidate was measured, zero within one run.
    """

    at: datetime
    policy: Policy
    scenario: Scenario | None = None
    targets: Mapping[Arm, Target] | None = None
    apart: timedelta = timedelta(0)


def find_site(subject: Subject, file: Path | None, results: Path | None = None) -> Site:
    """The site as a calibration shows it: that of ``file``, else the one kept in ``results`` for scenario and policy.

    UNCALIBRATED where neither is there. Raises RunError where the file is no calibration.
    """
    if file is None and results is not None and subject.scenario is not None:
        usual = calibration_file(results, subject.scenario.name, subject.policy.name)
        file = usual if usual.is_file() else None
    return UNCALIBRATED if file is None else site_by(read(file), str(file), subject)


def site_of_run(folder: RunFolder, file: Path, policy: Policy | None = None) -> Site:
    """The site of a run of both arms by another calibration than it was judged by; raises RunError."""
    return find_site(
        Subject(folder.created(), policy or folder.policy(), folder.scenario(), folder.targets().arms), file
    )


def site_by(calibration: Calibration, source: str, subject: Subject) -> Site:
    """What a calibration shows about the subject's site, with a warning for everything in which it differs.

    Levels of another workload or of other servers say nothing about these, nor do levels of one hour about days: they
    are left out, and then no shift between runs can block. Spreads between deployments are kept, since leaving them out
    would mean taking them as 0.
    """
    other, unlike = tuple(_other(calibration, subject)), tuple(_otherwise(calibration, subject))
    span = datetime.fromisoformat(calibration.measured) - datetime.fromisoformat(calibration.began)
    warnings = [f"{source}: {text}" for text in (*other, *unlike, *_stale(calibration, subject))]
    apart = subject.apart > span
    if apart:
        warnings.append(
            f"{source}: its runs span {_long(span)} and the arms were measured {_long(subject.apart)} apart: it can't "
            "say how levels drift over that time"
        )
    return Site(
        source=source,
        measured=calibration.measured,
        runs=len(calibration.runs),
        deployments={noise.metric: noise.deployments for noise in calibration.noise if noise.deployments},
        levels={} if other or apart else {noise.metric: noise.levels for noise in calibration.noise if noise.levels},
        warnings=tuple(warnings),
        refusal="" if other or unlike or subject.scenario is None else _refusal(calibration, source),
    )


def _other(calibration: Calibration, subject: Subject) -> Iterator[str]:
    """How its workload or servers differ."""
    if subject.scenario is not None and calibration.scenario_digest != subject.scenario.workload_digest:
        yield f"the calibration is of another workload ({calibration.scenario}); calibrate again"
    if subject.targets is not None and any(
        arm not in subject.targets or subject.targets[arm].digest != calibration.targets[arm]
        for arm in ARMS
        if arm in calibration.targets
    ):
        yield "the calibration is of other servers; calibrate again"


def _otherwise(calibration: Calibration, subject: Subject) -> Iterator[str]:
    """How the judging of its A/A runs differs: their verdicts then say nothing about this gate."""
    if calibration.policy_digest != subject.policy.digest:
        yield f"the calibration is by another policy ({calibration.policy}); calibrate again"
    if calibration.version != __version__:
        yield f"the calibration is by authgate {calibration.version}, this is {__version__}; calibrate again"


def _stale(calibration: Calibration, subject: Subject) -> Iterator[str]:
    age = abs(subject.at - datetime.fromisoformat(calibration.measured))
    if age > timedelta(days=subject.policy.calibration.max_age_days):
        yield (
            f"the calibration is {_long(age)} from this measurement, "
            f"{subject.policy.calibration.max_age_days:g} days are allowed; calibrate again"
        )
    if subject.scenario is None:
        yield "whether the calibration is of the same workload and servers is not known: another tool measured"
    if blocked := calibration.verdicts.get(Kind.BLOCK.name, 0):
        yield f"{blocked} of {len(calibration.runs)} A/A runs blocked"


def _refusal(calibration: Calibration, source: str) -> str:
    """Why the gate may not judge at this site; empty where it may."""
    sound = sum(count for kind, count in calibration.verdicts.items() if kind != Kind.INVALID.name)
    blocked = calibration.verdicts.get(Kind.BLOCK.name, 0)
    if too_often(blocked, sound, calibration.alpha):
        return (
            f"{source}: the gate blocked {blocked} of {sound} A/A runs of this site, "
            f"where about {calibration.alpha:.1%} of them may; find what differs, and calibrate again"
        )
    if not calibration.verdicts.get(Kind.PASS.name, 0):
        return (
            f"{source}: none of {len(calibration.runs)} A/A runs of this site could pass; "
            "authgate plan says how long a run must be there"
        )
    return ""


def _long(span: timedelta) -> str:
    """A time in days, hours or minutes."""
    minutes = span.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days"
