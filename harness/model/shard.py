"""How a plan's logins are shared out among workers: each login has one owner, known from its user alone.

A user's logins stay together, so that a warm one finds its cache and an account is tried by one process. The owner
depends on nothing but the user's number and on how many workers there are: not on who connected when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model.plan import Block


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``index``-th (from 0) of ``of`` shares; those of one plan hold each of its logins exactly once."""

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"expected a share from 0 to {self.of - 1}, got {self.index}")

    @property
    def first_user(self) -> int:
        """The lowest user that this share holds."""
        return self.index

    def holds(self, user: int) -> bool:
        """Whether the logins of the population's ``user``-th account are this share's."""
        return user % self.of == self.index

    def part(self, blocks: Sequence[Block]) -> tuple[Block, ...]:
        """The same blocks with this share's arrivals alone, which keep their numbers and due times."""
        if self.of == 1:
            return tuple(blocks)
        return tuple(
            replace(block, arrivals=block.arrivals.chosen(block.arrivals.user % self.of == self.index))
            for block in blocks
        )


WHOLE = Shard()


def shards(workers: int, users: int) -> tuple[Shard, ...]:
    """A share for each worker; where there are more workers than users, the last ones get none."""
    of = max(1, min(workers, users))
    return tuple(Shard(index, of) for index in range(of))
