"""A/A: two arms of the same bits, repeatedly, to measure this site's noise and how often the gate is wrong there."""

from __future__ import annotations

import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mode

import numpy as np

from harness import __version__
from harness.errors import ConfigError, RunError
from harness.gate.judge import judge
from harness.load.elsewhere import Elsewhere
from harness.model.attempt import AttemptTable
from harness.model.calibration import Calibration, Noise
from harness.model.comparison import Comparison
from harness.model.evidence import Evidence
from harness.model.health import RunState
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.model.progress import Display
from harness.model.scenario import Scenario
from harness.model.site import Site, Spread
from harness.model.target import ARMS, Targets
from harness.model.verdict import Kind
from harness.record.columns import attempt_table
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.run.stored import read_run
from harness.stats.compare import looks
from harness.stats.spread import between_deployments, between_levels, levels_of
from harness.system.secrets import environment_without


@dataclass(frozen=True, slots=True)
class Repeats:
    """How the A/A runs are made.

    ``same_bits``: the operator states that both arms hold the same bits, so the targets are run as they are; otherwise
    the baseline is both arms. ``between`` is a command that is run before each repeat, to restart or to deploy anew.
    """

    count: int
    same_bits: bool = False
    between: tuple[str, ...] = ()

    @classmethod
    def of(cls, count: int, same_bits: bool, between: str | None) -> Repeats:
        """The repeats as the command line asks for them; raises ConfigError."""
        try:
            argv = tuple(shlex.split(between or ""))
        except ValueError as error:
            raise ConfigError(f"--between: expected a command, got one with {str(error).lower()}") from None
        if between is not None and not argv:
            raise ConfigError("--between: expected a command, got nothing")
        if same_bits and not argv:
            raise ConfigError(
                "--same-bits: expected --between COMMAND too, which deploys both arms anew (or restarts them): "
                "otherwise every repeat measures one and the same pair of deployments"
            )
        return cls(count, same_bits, argv)


@dataclass(frozen=True, slots=True)
class _Repeat:
    """One A/A run, as far as its noise needs it."""

    folder: RunFolder
    created: str
    kind: Kind
    comparison: Comparison | None
    levels: dict[Metric, float]


def calibrate(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    repeats: Repeats,
    results: Path,
    display: Display,
    on_run: Callable[[Evidence], None],
    workers: int | None = None,
    elsewhere: Elsewhere | None = None,
) -> Calibration:
    """Run the same bits against each other, each time with a seed of its own, to the end of the plan.

    ``on_run`` is called with each run's evidence. Raises what a run raises, and RunError where the command between runs
    fails.
    """
    expected = ARMS if repeats.same_bits else ARMS[:1]
    if missing := [arm for arm in expected if arm not in targets.arms]:
        raise ConfigError(
            f"{targets.place('arms')}: expected {' and '.join(missing)} too, got {', '.join(targets.arms)}"
        )
    arms = {arm: targets.arms[arm if repeats.same_bits else "baseline"] for arm in ARMS}
    aa = targets.model_copy(update={"arms": arms})
    found = []
    for repeat in range(repeats.count):
        _prepare(repeats.between, repeat, environment_without(targets.secret_variables))
        seeded = scenario.model_copy(update={"seed": scenario.seed + repeat})
        request = RunRequest(seeded, aa, policy, results, early_stop=False, workers=workers, elsewhere=elsewhere)
        evidence = evidence_of(execute(request, display))
        on_run(evidence)
        if evidence.partial:
            raise RunError(
                f"{results / evidence.run_id}: this A/A run is partial ({evidence.partial}); "
                "nothing is kept of the calibration"
            )
        found.append(_repeat_of(evidence, results, policy))
    if repeats.same_bits:
        found = _judged_again(found, results, policy)
    return Calibration(
        scenario=scenario.name,
        scenario_digest=scenario.workload_digest,
        policy=policy.name,
        policy_digest=policy.digest,
        alpha=policy.alpha,
        targets={arm: targets.arms[arm].digest for arm in expected},
        version=__version__,
        began=found[0].created,
        measured=found[-1].created,
        runs=tuple(run.folder.run_id for run in found),
        verdicts=dict(Counter(run.kind.name for run in found)),
        noise=_noise(found, repeats.same_bits),
    )


def _prepare(command: Sequence[str], repeat: int, environment: Mapping[str, str]) -> None:
    if not command:
        return
    try:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, env=environment, check=False).returncode
    except OSError as error:
        raise RunError(f"--between: {command[0]}: expected a command that runs, got: {error.strerror}") from None
    if code:
        raise RunError(
            f"--between: {command[0]}: expected exit code 0 before repeat {repeat + 1}, got {code}; "
            "nothing is kept of the calibration"
        )


def _repeat_of(evidence: Evidence, results: Path, policy: Policy) -> _Repeat:
    comparison = evidence.comparison
    pairs = range(comparison.seen) if comparison is not None else ()
    folder = RunFolder(results / evidence.run_id)
    run = read_run(folder)
    starts = {block.index: block.start for block in run.plan.blocks}
    table = attempt_table(run.attempts, starts, run.scenario.expected)
    return _Repeat(
        folder,
        evidence.started,
        _kind(evidence, table, policy),
        comparison,
        levels_of(table, evidence.design, policy, pairs),
    )


def _kind(evidence: Evidence, table: AttemptTable, policy: Policy) -> Kind:
    """What the gate would have answered: it stops at the first look that decides."""
    whole = evidence.comparison
    if whole is not None:
        for seen in looks(table, evidence.design, policy, range(whole.seen), whole.site):
            kind = judge(seen, evidence.health, RunState(complete=False), policy).kind
            if kind in (Kind.BLOCK, Kind.PASS):
                return kind
    return evidence.verdict.kind


def _judged_again(found: Sequence[_Repeat], results: Path, policy: Policy) -> list[_Repeat]:
    """The same runs judged as the gate will judge here, by bounds that carry the spread between deployments."""
    spreads = {noise.metric: noise.deployments for noise in _noise(found, True) if noise.deployments is not None}
    site = Site(source="this calibration", deployments=spreads)
    return [_repeat_of(evidence_of(run.folder, site=site), results, policy) for run in found]


def _noise(found: Sequence[_Repeat], same_bits: bool) -> tuple[Noise, ...]:
    found = [run for run in found if run.kind is not Kind.INVALID]
    measured = noise_of([run.comparison for run in found if run.comparison is not None])
    return tuple(
        replace(
            noise,
            deployments=_deployments(noise.metric, found) if same_bits else None,
            levels=_levels(noise.metric, found),
        )
        for noise in measured
    )


def _deployments(metric: Metric, found: Sequence[_Repeat]) -> Spread:
    all_shifts = [shift for run in found if run.comparison is not None for shift in run.comparison.shifts]
    shifts = [shift for shift in all_shifts if shift.metric == metric and shift.pairs > 1]
    return between_deployments(np.array([s.estimate for s in shifts]), np.array([s.se for s in shifts]))


def _levels(metric: Metric, found: Sequence[_Repeat]) -> Spread | None:
    levels = [run.levels[metric] for run in found if metric in run.levels]
    return between_levels(np.array(levels)) if len(levels) > 1 else None


def noise_of(measured: Sequence[Comparison]) -> tuple[Noise, ...]:
    """The noise of each metric in one run or more of one design, as far as they hold two differences or more."""
    shifts = [shift for comparison in measured for shift in comparison.shifts if shift.pairs > 1]
    noise = []
    for metric in dict.fromkeys(shift.metric for shift in shifts):
        mine = [shift for shift in shifts if shift.metric == metric]
        # A run whose first pairs held fewer logins may have larger groups of pairs, whose noise is smaller.
        usual = mode(shift.grouped for shift in mine)
        mine = [shift for shift in mine if shift.grouped == usual]
        # Pooled over runs: each run's own mean is taken out, so that a lasting difference isn't read as noise.
        # The standard error has a floor (a rate of zero failures is not known to be zero), which counts here too.
        variance = np.average([s.se**2 * s.pairs for s in mine])
        margin, detectable = (float(np.median([getattr(s, name) for s in mine])) for name in ("margin", "detectable"))
        each = usual / measured[0].design.share(metric.stage)
        noise.append(Noise(metric, float(np.sqrt(variance)), margin, detectable, each))
    return tuple(noise)
