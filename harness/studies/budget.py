"""A run within a budget of time: how many pairs fit, and what they will tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError
from harness.model.plan import make_plan, preparations
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS, Targets
from harness.run.assess import Assessor, design_of
from harness.run.continued import LEAST_PAIRS

STARTS_S = 15.0
"""For processes and first logins; keys and warm caches come on top where ``max_rate`` makes them wait."""


@dataclass(frozen=True, slots=True)
class Budget:
    """``pairs`` of the plan that fit into ``seconds``, with their preparation; ``planned`` are all of them."""

    seconds: float
    pairs: int
    planned: int

    @property
    def cuts(self) -> bool:
        """Whether the plan is longer than the budget."""
        return self.pairs < self.planned


def budget_of(scenario: Scenario, targets: Targets, policy: Policy, seconds: float) -> Budget:
    """How much of a scenario fits; raises ConfigError where no look could be taken."""
    prepared = len(ARMS) * preparations(scenario) / targets.max_rate if targets.max_rate else 0.0
    pair_s = design_of(scenario).pair_s
    pairs = int((seconds - STARTS_S - prepared) / pair_s)
    least = max(policy.looks.block_from, LEAST_PAIRS) + policy.discard_pairs
    if pairs < least:
        needed = STARTS_S + prepared + least * pair_s
        raise ConfigError(f"--budget: expected {needed / 60:.1f} min at least, for {least} pairs, got {seconds / 60:g}")
    return Budget(seconds, min(pairs, scenario.blocks.pairs), scenario.blocks.pairs)


def stop_after(scenario: Scenario, policy: Policy, pairs: int) -> Callable[[Any, Any], bool]:
    """Whether a run has so many complete pairs, asked by its tables of attempts and health."""
    assessor = Assessor(scenario, policy, make_plan(scenario))

    def enough(attempts: Any, health: Any) -> bool:
        return len(assessor.complete_pairs(attempts)) >= pairs

    return enough
