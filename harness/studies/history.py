"""Every run that a site keeps, and where its levels changed over the months. It judges nothing.

What is read is each run's manifest and verdict.json: a year of runs takes a second. Series are compared within one
workload on the same servers alone; runs of another are other series.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import AuthgateError, RunError, one_line
from harness.model.metric import Metric
from harness.model.target import ARMS, Arm
from harness.record.folder import RunFolder
from harness.stats.changepoints import LEAST_PART, change_points

FALSE_ALARMS = 0.05
"""The probability that a page of series without any change shows one; each series gets its part of it (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Level:
    """What one run showed of one metric: both arms' levels in seconds or shares, and the change with its bounds.

    ``unit`` is that of the change: ``relative`` (0.1 is +10 %) or ``share``.
    """

    label: str
    baseline: float | None
    candidate: float | None
    change: float | None
    low: float | None
    high: float | None
    unit: str
    decision: str


@dataclass(frozen=True, slots=True)
class Past:
    """One run of the past; ``verdict`` is empty where it was not judged. ``workload`` and ``servers`` are digests,
    ``releases`` what is deployed on each arm, as the targets call it, ``report`` where its report is: empty where there
    is none, in a document relative to that. ``levels`` are by the metric's key."""

    path: Path
    run_id: str
    started: datetime
    scenario: str
    workload: str
    servers: str
    hosts: tuple[str, ...]
    arms: tuple[Arm, ...]
    releases: tuple[str, ...]
    policy: str
    environment: str
    status: str
    verdict: str
    sentence: str
    blamed_step: str
    report: str
    levels: Mapping[str, Level] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: each criterion that is given must hold; ``target`` is part of a host's name or address, or a
    release."""

    scenario: str | None = None
    target: str | None = None
    verdict: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, past: Past) -> bool:
        """Whether a run is one of them."""
        named = (*past.hosts, *past.releases)
        return (
            self.scenario in (None, past.scenario)
            and (self.target is None or any(self.target in name for name in named))
            and self.verdict in (None, past.verdict or "NONE")
            and (self.since is None or past.started >= self.since)
            and (self.until is None or past.started < self.until)
        )


@dataclass(frozen=True, slots=True)
class Change:
    """From ``run_id`` on an arm's level of a metric is another; ``before`` and ``after`` are geometric means of seconds
    or plain ones of shares, up to the next change on either side."""

    metric: str
    label: str
    arm: Arm
    unit: str
    run_id: str
    started: datetime
    before: float
    after: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Row:
    """Runs of one workload on the same servers, in order of time, and where their levels changed."""

    scenario: str
    hosts: tuple[str, ...]
    runs: tuple[Past, ...]
    changes: tuple[Change, ...]


def read_history(folders: Iterable[Path], wanted: Wanted) -> tuple[list[Past], list[str]]:
    """The runs in these folders (each a run's, or one that holds runs) in order of time, and what could not be read.

    Raises RunError for a folder that isn't there.
    """
    found: dict[Path, Past] = {}
    unread = []
    for folder in folders:
        for path in _runs_in(folder):
            try:
                past = _past(RunFolder.open(path))
            except AuthgateError as error:
                unread.append(str(error))
                continue
            if wanted.holds(past):
                found[path.resolve()] = past
    return sorted(found.values(), key=lambda past: (past.started, past.run_id)), unread


def rows_of(history: Sequence[Past]) -> list[Row]:
    """The runs by workload and servers, each with the changes of its levels; the row with the last run comes first."""
    together: dict[tuple[str, str], list[Past]] = {}
    for past in history:
        together.setdefault((past.workload, past.servers), []).append(past)
    series = {key: dict(_series(runs)) for key, runs in together.items()}
    count = sum(len(found) for found in series.values())
    rows = [
        Row(runs[-1].scenario, runs[-1].hosts, tuple(runs), tuple(_changes(series[key], FALSE_ALARMS / max(count, 1))))
        for key, runs in together.items()
    ]
    return sorted(rows, key=lambda row: row.runs[-1].started, reverse=True)


_Points = list[tuple[Past, float]]


def _series(runs: Sequence[Past]) -> Iterator[tuple[tuple[str, Arm], _Points]]:
    """Each arm's levels of each login metric, of sound runs; those that are long enough to be searched."""
    sound = [past for past in runs if past.verdict not in ("", "INVALID")]
    for key in dict.fromkeys(key for past in sound for key in past.levels):
        metric = Metric.of_key(key)
        if metric.step != "login" or metric.stage != "expected":
            continue
        for arm in ARMS:
            points = [
                (past, value)
                for past in sound
                if key in past.levels and (value := getattr(past.levels[key], arm)) is not None
            ]
            if metric.unit == "log_ratio":
                points = [(past, value) for past, value in points if value > 0]
            if len(points) >= 2 * LEAST_PART:
                yield (key, arm), points


def _changes(series: Mapping[tuple[str, Arm], _Points], alpha: float) -> Iterator[Change]:
    for (key, arm), points in series.items():
        relative = Metric.of_key(key).unit == "log_ratio"
        values = [math.log(value) if relative else value for _, value in points]
        for found in change_points(values, alpha):
            past = points[found.index][0]
            before, after = (math.exp(v) if relative else v for v in (found.before, found.after))
            unit = "relative" if relative else "share"
            yield Change(
                key, past.levels[key].label, arm, unit, past.run_id, past.started, before, after, found.p_value
            )


def _runs_in(folder: Path) -> Iterator[Path]:
    if (folder / "manifest.json").is_file():
        yield folder
        return
    try:
        yield from sorted(path.parent for path in folder.glob("*/manifest.json"))
        if not folder.is_dir():
            raise RunError(f"{folder}: expected a folder of runs, got none")
    except OSError as error:
        raise RunError(f"{folder}: expected a folder of runs, got: {error.strerror}") from None


def _past(folder: RunFolder) -> Past:
    manifest, scenario, targets, policy = folder.manifest(), folder.scenario(), folder.targets(), folder.policy()
    verdict = _verdict(folder)
    arms = folder.arms()
    named = (targets.arms[arm].release for arm in arms if arm in targets.arms)
    return Past(
        path=folder.path,
        run_id=folder.run_id,
        started=folder.created().astimezone(UTC),
        scenario=scenario.name,
        workload=scenario.workload_digest,
        servers=" ".join(targets.arms[arm].digest for arm in arms if arm in targets.arms),
        hosts=tuple(dict.fromkeys(e.host for arm in arms if arm in targets.arms for e in targets.arms[arm].endpoints)),
        arms=arms,
        releases=tuple(name or "–" for name in named),
        policy=policy.name,
        environment=targets.environment,
        status=str(manifest["status"]),
        verdict=str(verdict.get("verdict") or ""),
        sentence=str(verdict.get("sentence") or ""),
        blamed_step=str(verdict.get("blamed_step") or ""),
        report=str(report) if (report := folder.path / "report.html").is_file() else "",
        levels=dict(_levels(verdict)),
    )


def _verdict(folder: RunFolder) -> Mapping[str, Any]:
    """What verdict.json says; empty where the run was not judged. Raises RunError where it is none, or another's."""
    path = folder.path / "verdict.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{path}: expected a verdict, got: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path}: expected JSON") from None
    if not isinstance(found, dict) or found.get("run_id") != folder.run_id:
        raise RunError(f"{path}: expected the verdict on {one_line(folder.run_id)}, got something else")
    return found


def _levels(verdict: Mapping[str, Any]) -> Iterator[tuple[str, Level]]:
    findings = verdict.get("findings")
    for finding in findings if isinstance(findings, list) else ():
        if not isinstance(finding, dict) or not isinstance(key := finding.get("key"), str):
            continue
        try:
            label = Metric.of_key(key).label
        except ValueError:
            continue
        yield (
            key,
            Level(
                label=label,
                baseline=_number(finding.get("baseline")),
                candidate=_number(finding.get("candidate")),
                change=_number(finding.get("estimate")),
                low=_number(finding.get("low")),
                high=_number(finding.get("high")),
                unit=str(finding.get("unit")),
                decision=str(finding.get("decision")),
            ),
        )


def _number(value: object) -> float | None:
    """A finite number; None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)
