"""A/A: the baseline against itself, again and again, to learn this site's noise and how often the gate errs on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.assess import evidence_of
from harness.errors import ConfigError, RunError
from harness.model.comparison import Family, QuantileShift, Unit
from harness.model.evidence import Evidence
from harness.model.policy import Policy
from harness.model.progress import Display
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Targets
from harness.model.verdict import Kind
from harness.run import execute


@dataclass(frozen=True, slots=True)
class Noise:
    """One metric over all repeats: the spread of a pair's difference, its margin, the smallest detectable change.

    All in the metric's unit; ``detectable`` is the median over repeats of what a run would have blocked with 80 %
    probability.
    """

    metric: str
    family: Family
    unit: Unit
    pair_sd: float
    margin: float
    detectable: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What repeated A/A runs of one scenario under one policy have shown."""

    scenario: str
    scenario_digest: str
    policy: str
    measured: str
    runs: tuple[str, ...]
    verdicts: dict[str, int]
    noise: tuple[Noise, ...]

    @property
    def false_blocks(self) -> int:
        """Runs that blocked a baseline against itself."""
        return self.verdicts.get(Kind.BLOCK.name, 0)


def calibrate(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    repeats: int,
    results: Path,
    display: Display,
    tell: Callable[[Evidence], None],
) -> Calibration:
    """Run the baseline against itself ``repeats`` times, each with a seed of its own, to the end of the plan.

    ``tell`` hears of each run's evidence. Raises what a run raises.
    """
    if "baseline" not in targets.arms:
        raise ConfigError(f"targets: arms: expected baseline, got {', '.join(targets.arms)}")
    aa = targets.model_copy(update={"arms": dict.fromkeys(ARMS, targets.arms["baseline"])})
    found = []
    for repeat in range(repeats):
        seeded = scenario.model_copy(update={"seed": scenario.seed + repeat})
        folder = execute(seeded, aa, policy, ARMS, results, display, early_stop=False)
        evidence = evidence_of(folder)
        tell(evidence)
        if evidence.partial:
            raise RunError(
                f"{folder.path}: this A/A run is partial ({evidence.partial}); nothing is kept of the calibration"
            )
        found.append(evidence)
    verdicts: dict[str, int] = {}
    for evidence in found:
        verdicts[evidence.verdict.kind.name] = verdicts.get(evidence.verdict.kind.name, 0) + 1
    return Calibration(
        scenario.name,
        scenario.digest,
        policy.name,
        datetime.now(UTC).isoformat(timespec="seconds"),
        tuple(evidence.run_id for evidence in found),
        verdicts,
        _noise([evidence for evidence in found if evidence.verdict.kind is not Kind.INVALID]),
    )


def _noise(found: list[Evidence]) -> tuple[Noise, ...]:
    return noise_of(s for evidence in found if evidence.comparison is not None for s in evidence.comparison.shifts)


def noise_of(measured: Iterable[QuantileShift]) -> tuple[Noise, ...]:
    """The noise of each metric in the shifts of one run or more."""
    shifts = list(measured)
    noise = []
    for metric in dict.fromkeys(shift.metric for shift in shifts):
        mine = [shift for shift in shifts if shift.metric == metric]
        # Pooled over runs: each run's own mean is taken out, so that a lasting difference isn't read as noise.
        # The standard error has a floor (a rate of zero failures is not known to be zero), which counts here too.
        variance = np.average([s.se**2 * s.pairs for s in mine if s.pairs > 1] or [np.inf])
        margin, detectable = (float(np.median([getattr(s, name) for s in mine])) for name in ("margin", "detectable"))
        noise.append(Noise(str(metric), metric.family, metric.unit, float(np.sqrt(variance)), margin, detectable))
    return tuple(noise)


def save(calibration: Calibration, results: Path) -> Path:
    """Keep the calibration with the results; returns its file."""
    path = results / f"calibration-{calibration.scenario}-{calibration.policy}.json"
    document = {
        **{name: getattr(calibration, name) for name in ("scenario", "scenario_digest", "policy", "measured", "runs")},
        "verdicts": calibration.verdicts,
        "false_blocks": calibration.false_blocks,
        "noise": [
            {**asdict(noise), "detectable": noise.detectable if np.isfinite(noise.detectable) else None}
            for noise in calibration.noise
        ],
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path
