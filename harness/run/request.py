"""What a run is asked to do; the gate, a soak, a calibration, a ladder and a replay are variants of one request."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.guards.consent import check_safe
from harness.load.elsewhere import Elsewhere
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.shard import Shard, shards
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS, Arm, Targets
from harness.run.assess import design_of
from harness.stats.shift import LEAST_LOOK

Stop = Callable[[Any, Any], bool]
"""Whether a run has seen enough, by its Arrow tables of attempts and of health so far."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run: its inputs, its arms, the folder that gets its folder, and how it may end before its plan does.

    ``early_stop``: the judge looks while it runs and ends it once it is sure. ``marks`` are further keys of the
    manifest. ``stop`` is asked after each complete pair whether the run has seen enough; the pairs not run are then
    not there. ``workers`` are of each arm, None for as many as its rate takes and this machine carries;
    with ``elsewhere`` they are other machines'.
    """

    scenario: Scenario
    targets: Targets
    policy: Policy
    results: Path
    arms: tuple[Arm, ...] = ARMS
    early_stop: bool = True
    site: Site = UNCALIBRATED
    marks: Mapping[str, object] = field(default_factory=dict)
    stop: Stop | None = None
    workers: int | None = None
    elsewhere: Elsewhere | None = None

    @property
    def shares(self) -> tuple[Shard, ...]:
        """How an arm's logins are shared out among its workers."""
        if self.elsewhere is not None:
            return shards(self.elsewhere.workers // len(self.arms), self.scenario)
        return shards(self.workers or workers_for(self.scenario), self.scenario)

    def check(self) -> None:
        """Raise ConfigError or UnsafeTargetError where load must not be sent, or could not lead to a PASS."""
        missing = [arm for arm in self.arms if arm not in self.targets.arms]
        if missing:
            there = ", ".join(self.targets.arms)
            raise ConfigError(f"{self.targets.place('arms')}: expected {' and '.join(missing)} too, got {there}")
        if self.early_stop:
            needed = least_pairs(self.scenario, self.policy)
            if self.scenario.blocks.pairs < needed:
                raise ConfigError(
                    f"{self.scenario.place('blocks.pairs')}: expected at least {needed}, so that policy "
                    f"{self.policy.name} may pass (looks.pass_from, looks.pass_after_s), got "
                    f"{self.scenario.blocks.pairs}"
                )
        if self.elsewhere is not None:
            self.elsewhere.check(len(self.arms))
        check_safe(self.targets, self.scenario, self.arms)


RATE_OF_A_WORKER = 125.0
"""Logins a second: half of a core, at the 4 ms of it that a login of six steps takes (tests/benchmarks/README.md)."""


def workers_for(scenario: Scenario, cores: int | None = None) -> int:
    """How many workers an arm's highest rate takes, as far as a machine's cores carry them for both arms."""
    carried = max(1, (cores or os.cpu_count() or 1) // 2)
    return min(carried, math.ceil(scenario.peak_rate / RATE_OF_A_WORKER))


def least_pairs(scenario: Scenario, policy: Policy) -> int:
    """With how many pairs a run may pass: enough of them at the expected load, and above it, and the candidate old.

    Of the first n pairs n // every are above the peak, so that k at the expected load need k + (k - 1) // (every - 1).
    """
    design, discarded = design_of(scenario), policy.discard_pairs
    # The candidate may be the first block of the last pair.
    life = 0 if policy.quick else math.ceil(policy.looks.pass_after_s / design.pair_s + 1)
    every = design.headroom_every
    if every is None:
        return max(discarded + policy.looks.pass_from, life)
    expected = policy.looks.pass_from + discarded - discarded // every
    above = every * (discarded // every + LEAST_LOOK) if policy.margins.headroom.any else 0
    return max(expected + (expected - 1) // (every - 1), above, life)
