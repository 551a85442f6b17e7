"""How a plan's logins are shared out among workers: each login has one owner, known from its account alone.

An account's logins stay together, so that a warm one finds its cache and an account is tried by one process. The owner
depends on nothing but the plan and on how many workers there are: not on who connected when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.model.plan import Arriving, Block, Plan
from harness.model.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``index``-th (from 0) of ``of`` shares; those of one plan hold each of its logins exactly once.

    Logins of the cohorts in ``together`` are all the first share's: their accounts (of services) are fewer than the
    plan's numbers and take turns, so that two numbers may be one account.
    """

    index: int = 0
    of: int = 1
    together: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"expected a share from 0 to {self.of - 1}, got {self.index}")

    @property
    def first_user(self) -> int:
        """The lowest user that this share holds."""
        return self.index

    def holds(self, cohort: str, user: int) -> bool:
        """Whether a cohort's logins of the population's ``user``-th account are this share's."""
        return self.index == (0 if cohort in self.together else user % self.of)

    def cohorts(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of a scenario's cohorts this share may have logins of."""
        return tuple(name for name in names if self.index == 0 or name not in self.together)

    def part(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The same blocks with this share's arrivals alone, which keep their numbers and due times."""
        if self.of == 1:
            return tuple(blocks)
        return tuple(replace(block, arrivals=block.arrivals.chosen(self._mine(block.arrivals))) for block in blocks)

    def count(self, blocks: Sequence[Block]) -> int:
        """How many of the blocks' arrivals are this share's."""
        return sum(int(np.count_nonzero(self._mine(block.arrivals))) for block in blocks)

    def seats(self, of_arm: int) -> int:
        """This share's of an arm's seats; those of all shares add up to them, where there is one for each."""
        return max(1, of_arm // self.of + (self.index < of_arm % self.of))

    def _mine(self, arrivals: Arriving) -> npt.NDArray[np.bool_]:
        mine: npt.NDArray[np.bool_] = _owner(arrivals, self.together, self.of) == self.index
        return mine


WHOLE = Shard()
WORKERS_AT_MOST = 1000
"""Of an arm."""


def shards(workers: int, scenario: Scenario) -> tuple[Shard, ...]:
    """A share for each worker of an arm; of more workers than users or seats the last ones get none."""
    services = of_services(scenario)
    alone = services.issuperset(scenario.expected)
    of = 1 if alone else max(1, min(workers, scenario.population.users, scenario.seats))
    return tuple(Shard(index, of, services) for index in range(of))


def of_services(scenario: Scenario) -> frozenset[str]:
    """The cohorts whose accounts are of services."""
    return frozenset(name for name, cohort in scenario.mix.items() if cohort.accounts == "services")


def owners(plan: Plan, scenario: Scenario, workers: int) -> npt.NDArray[np.int16]:
    """Which of an arm's workers sends each login of a plan, by its number (``seq``)."""
    together = of_services(scenario)
    return np.concatenate([_owner(block.arrivals, together, workers) for block in plan.blocks])


def _owner(arrivals: Arriving, together: frozenset[str], workers: int) -> npt.NDArray[np.int16]:
    """The same of one block's logins."""
    of_first = np.array([name in together for name in arrivals.cohorts], dtype=np.bool_)
    return np.where(of_first[arrivals.cohort], 0, arrivals.user % workers).astype(np.int16)


def worker_name(arm: str, index: int, of: int) -> str:
    """The ``index``-th (from 0) of an arm's workers in words: its arm, and which of several it is."""
    return arm if of == 1 else f"{arm} worker {index + 1} of {of}"
