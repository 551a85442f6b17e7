"""The search for capacity: ladders of rising rates on both arms, each a run of its own, and what they say."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.errors import ConfigError
from harness.gate.capacity import judge_capacity
from harness.load.elsewhere import Elsewhere
from harness.model.capacity import Budget, CapacityEvidence, Comparison, Extrapolation, Ladder, Rung, Times
from harness.model.plan import make_plan
from harness.model.policy import Policy
from harness.model.progress import Display
from harness.model.scenario import Scenario
from harness.model.steps import LOGIN
from harness.model.target import ARMS, Arm, Targets
from harness.record.folder import RunFolder
from harness.run.assess import Assessor, Ending
from harness.run.execute import execute
from harness.run.request import RunRequest
from harness.run.stored import read_run
from harness.stats.capacity import LEAST_LOGINS, arm_capacity, compare_capacities, rungs_of
from harness.stats.ladders import all_are_past, coarse_rates, fine_rates
from harness.stats.queueing import Observed, extrapolate
from harness.stats.validity import generator_faults
from harness.studies.derived import derived

SEATS_AT_MOST, RATE_AT_MOST = 5000, 10_000
"""What a scenario may ask for."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How a search goes: rates as multiples of the scenario's peak, and how many fine ladders of how many rungs.

    ``rung_s`` is how long each arm is loaded at one rate, whatever the scenario's blocks: a queue takes its time to
    grow. ``within_s`` is the p95 that a rung has to keep, ``stated_peak`` (logins a second) what is extrapolated to,
    ``workers`` are of each arm; from ``elsewhere`` the same ones come to each ladder.
    """

    lowest: float
    highest: float
    step: float
    ladders: int
    rungs: int
    rung_s: float
    within_s: float | None = None
    stated_peak: float | None = None
    workers: int | None = None
    elsewhere: Elsewhere | None = None


def search(
    scenario: Scenario,
    targets: Targets,
    policy: Policy,
    settings: SearchSettings,
    results: Path,
    display: Display,
    on_ladder: Callable[[Ladder], None],
) -> CapacityEvidence:
    """Run a coarse sweep, then as many fine ladders as asked, and judge; ``on_ladder`` is called with each ladder.

    Raises ConfigError where no such search can be, and what a run raises. KeyboardInterrupt, or a run that did not come
    to its end, ends the search with the ladders so far.
    """
    started = datetime.now(UTC)
    scenario = _with_rungs(scenario, settings.rung_s)
    budget = _budget(policy, settings)
    lowest, highest = settings.lowest * scenario.arrivals.peak, settings.highest * scenario.arrivals.peak
    peak = settings.stated_peak or scenario.stated_peak
    coarse = coarse_rates(lowest, highest, settings.step)
    _check(scenario, targets, policy, budget, coarse)
    ladders: list[Ladder] = []
    rates: tuple[float, ...] | None = coarse
    while rates is not None:
        scenario_now = _on_ladder(scenario, rates, budget, len(ladders))
        request = RunRequest(
            scenario_now,
            targets,
            policy,
            results,
            early_stop=False,
            workers=settings.workers,
            elsewhere=settings.elsewhere,
        )
        reader = _Reader(request, budget, rates)
        request = replace(request, stop=reader.all_are_past if not ladders else None)
        folder = execute(request, display)
        ladders.append(reader.ladder(folder, coarse=not ladders))
        on_ladder(ladders[-1])
        if ladders[-1].trouble or len(ladders) > settings.ladders:
            break
        shift = (len(ladders) - 0.5) / settings.ladders
        rates = fine_rates(ladders[0].rungs, highest, settings.rungs, shift)
    judged = [ladder for ladder in ladders if not ladder.coarse] or ladders
    sound = [ladder.rungs for ladder in judged if not ladder.trouble]
    comparison = compare_capacities(sound, policy.margins.capacity, policy.alpha)
    predicted = {
        arm: extrapolations_of(sound, arm, scenario.step_order, comparison, peak, policy.alpha) for arm in ARMS
    }
    return CapacityEvidence(
        search_id=f"capacity-{started:%Y%m%dT%H%M%SZ}-{scenario.name}-{secrets.token_hex(3)}",
        scenario=scenario.name,
        policy=policy.name,
        environment=targets.environment,
        started=started.isoformat(timespec="seconds"),
        block_s=scenario.blocks.length_s,
        trim_s=scenario.blocks.trim_s,
        budget=budget,
        stated_peak=peak,
        ladders=tuple(ladders),
        comparison=comparison,
        extrapolations=predicted,
        verdict=judge_capacity(judged, comparison, predicted, peak),
    )


def _budget(policy: Policy, settings: SearchSettings) -> Budget:
    limits = [limit for limit in (settings.within_s, policy.budgets.login_p95_s) if limit is not None]
    if not limits:
        raise ConfigError(f"policy {policy.name}: budgets.login_p95_s: expected a number, or --within-ms, got nothing")
    return Budget(min(limits), policy.margins.failure_rate)


def _with_rungs(scenario: Scenario, rung_s: float) -> Scenario:
    """The scenario with a rung in place of a block, trimmed by the same part, and of no stage but the rungs."""
    blocks = scenario.blocks
    trim_s = rung_s * blocks.trim_s / blocks.length_s
    rungs = blocks.model_copy(update={"length_s": rung_s, "trim_s": trim_s, "per_pair": 1})
    return scenario.model_copy(update={"blocks": rungs, "headroom": None})


def _check(scenario: Scenario, targets: Targets, policy: Policy, budget: Budget, rates: Sequence[float]) -> None:
    """Refuse what could not be read, before any load."""
    if len(rates) < 2:
        raise ConfigError("capacity: expected --to at least one --step above --from")
    judged_s = scenario.blocks.length_s - scenario.blocks.trim_s
    if rates[0] * judged_s < 2 * LEAST_LOGINS:
        raise ConfigError(
            f"capacity: --from: expected at least {2 * LEAST_LOGINS / judged_s:.3g} logins/s on the lowest rung, which "
            f"is read for {judged_s:.3g} s (--rung-s, trimmed by the same part as a block), got {rates[0]:.3g}"
        )
    if budget.within_s >= scenario.timeout_s:
        raise ConfigError(
            f"{scenario.place('timeout_s')}: expected more than the budget of {budget.within_s:g} s, got "
            f"{scenario.timeout_s:g}"
        )
    most = min(SEATS_AT_MOST / budget.within_s, RATE_AT_MOST)
    if rates[-1] > most:
        raise ConfigError(
            f"capacity: --to: expected at most {most:.4g} logins/s ({SEATS_AT_MOST} seats, each taken for up to "
            f"{budget.within_s:g} s), got {rates[-1]:.4g}"
        )
    RunRequest(_on_ladder(scenario, rates, budget, 0), targets, policy, Path(), early_stop=False).check()


def _on_ladder(scenario: Scenario, rates: Sequence[float], budget: Budget, ladder: int) -> Scenario:
    """The scenario with a rung of constant rate in each pair, and a seed and a name of the ladder's own.

    By Little's law the seats are all taken only where logins take longer than the budget on average: then it is
    the server that makes them wait.
    """
    curve = {"curve": "ladder", "rates": list(rates), "every_s": scenario.blocks.length_s}
    changes = {
        "arrivals": curve,
        "blocks": {**scenario.blocks.model_dump(), "pairs": len(rates)},
        "seats": max(scenario.seats, math.ceil(max(rates) * budget.within_s)),
        "seed": scenario.seed + ladder,
    }
    return derived(scenario, changes, f"capacity: a ladder up to {max(rates):.4g} logins/s")


class _Reader:
    """Reads one ladder's rungs from attempts and health, while it runs and afterwards."""

    def __init__(self, request: RunRequest, budget: Budget, rates: Sequence[float]) -> None:
        plan = make_plan(request.scenario, ARMS)
        self._assessor = Assessor(request.scenario, request.policy, plan, workers=len(request.shares))
        self._limits = request.policy.limits
        self._budget = budget
        self._rates = rates

    def rungs(self, attempts: Any, health: Any, ending: Ending) -> Mapping[Arm, tuple[Rung, ...]]:
        """The rungs of the complete pairs."""
        pairs = len(self._assessor.complete_pairs(attempts))
        judged = attempts.filter(pc.less(attempts["pair"], pairs))
        table = self._assessor.table(judged)
        found = {}
        for arm in ARMS:
            faults = {}
            for pair in range(pairs):
                of_pair = self._assessor.health_in(arm, table, health, range(pair, pair + 1), ending)
                if whys := "; ".join(fault.reason for fault in generator_faults(arm, of_pair, self._limits)):
                    faults[pair] = whys
            found[arm] = rungs_of(table, arm, self._rates[:pairs], self._assessor.design, self._budget, faults)
        return found

    def all_are_past(self, attempts: Any, health: Any) -> bool:
        """Whether the run may end: the rule of execute's ``stop``."""
        return all_are_past(self.rungs(attempts, health, Ending(complete=False)))

    def ladder(self, folder: RunFolder, coarse: bool) -> Ladder:
        """The ladder that a run was."""
        run = read_run(folder)
        trouble = "; ".join(filter(None, (run.ending.why_partial, *run.faults)))
        return Ladder(folder.run_id, coarse, self.rungs(run.attempts, run.health, run.ending), trouble)


def extrapolations_of(
    ladders: Sequence[Mapping[Arm, Sequence[Rung]]], arm: Arm, steps: Sequence[str], comparison: Comparison,
    peak: float | None, alpha: float,
) -> tuple[Extrapolation, ...]:  # fmt: skip
    """What is predicted of one arm's login and of each of its steps, all with the saturation of the login."""
    mine = [ladder[arm] for ladder in ladders]
    sustained = comparison.arms[arm] if not comparison.by_budget else arm_capacity(mine, False, alpha)
    return tuple(
        extrapolate(subject, _observed(mine, subject), sustained.ladders, sustained.over_all, peak, alpha)
        for subject in (LOGIN, *steps)
    )


def _observed(ladders: Sequence[Sequence[Rung]], subject: str) -> Observed:
    rows = [
        (place, rung.offered, times.mean_s, times.p95_s)
        for place, rungs in enumerate(ladders)
        for rung in rungs
        if rung.state != "unknown"
        for times in [_times(rung, subject)]
        if times is not None and math.isfinite(times.mean_s)
    ]
    return Observed(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)


def _times(rung: Rung, subject: str) -> Times | None:
    return rung.login if subject == LOGIN else rung.steps.get(subject)
