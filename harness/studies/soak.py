"""A soak: one arm under constant low load for hours, in blocks back to back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.base import NAME_AT_MOST
from harness.model.scenario import Scenario
from harness.model.steps import CACHES
from harness.model.target import Arm
from harness.studies.derived import derived

BLOCKS = 60
"""How many blocks a soak of any length is cut into: the slope needs long blocks, and a figure needs no more."""
SHARE_OF_PEAK = 0.2
SUFFIX = "-soak"
"""Of a soak's name."""
HOURS_AT_MOST = 24


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """What is asked of a soak; ``rate`` in logins a second, None for the usual share of the scenario's peak."""

    hours: float
    arm: Arm
    rate: float | None = None

    def scenario(self, whole: Scenario) -> Scenario:
        """The scenario's logins at one low rate, all cold, in the soak's blocks; of several cohorts, the longest way.

        All cold: a cold login takes every step, and the tickets of warm caches would expire within the hours.
        """
        name, cohort = max(whole.mix.items(), key=lambda item: len(item[1].steps))
        name = f"{name}-soaked" if name in CACHES else name  # those two names say by themselves what is cached
        alone = {name: {**cohort.model_dump(mode="json"), "share": 1.0, "cache": "cold"}}
        rate = whole.arrivals.peak * SHARE_OF_PEAK if self.rate is None else self.rate
        changes: dict[str, object] = {
            "name": f"{whole.name[: NAME_AT_MOST - len(SUFFIX)]}{SUFFIX}",
            "population": {"users": whole.population.users, "cold_share": 1.0},
            "cohorts": alone if whole.cohorts else {},
            "rounds": [],
            "arrivals": {"curve": "constant", "rate": rate},
            "headroom": None,
            "blocks": {"length_s": self.hours * 3600 / BLOCKS, "trim_s": 0.0, "pairs": BLOCKS},
        }
        return derived(whole, changes, f"a soak of {self.hours:g} hours at {rate:g} logins/s")

    @property
    def marks(self) -> Mapping[str, object]:
        """What a run's manifest says, so that its report knows that it was a soak."""
        return {"soak": {"hours": self.hours, "arm": self.arm}}
