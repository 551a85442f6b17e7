"""How many wrong passwords a run may send of an account before a domain controller locks it: decided, and not guessed.

The domain counts an account's wrong passwords and locks it at its threshold (MS-SAMR 3.1.5.14.6). A run is refused
where it could come within ``KEPT_FREE`` of that, and while it goes on, no account that has not been let in yet is tried
more often than is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

KEPT_FREE = 2
"""Wrong passwords of an account that a run must leave to its owner, at least."""
NAMED_AT_MOST = 5
_LOOKED_AGAIN_S = 0.005


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    """What locks an account: so many wrong passwords, each counted for so long (s); a threshold of 0 never does."""

    threshold: int
    window_s: float
    name: str
    """Where it is said: the domain, or a password settings object."""

    def __str__(self) -> str:
        if not self.threshold:
            return f"no account is ever locked ({self.name})"
        return f"{self.threshold} wrong passwords lock an account, counted for {self.window_s / 60:g} min ({self.name})"


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's policy, None where the domain doesn't let it be read; ``failures`` are those that count now."""

    policy: LockoutPolicy | None
    failures: int = 0

    def tries_left(self, arms: int) -> int | None:
        """How many wrong passwords each of so many arms of one domain may send; None where nothing locks the account.

        One, where there is a policy that can't be read: another one is sent only once the first was answered.
        """
        if self.policy is None:
            return 1
        if not self.policy.threshold:
            return None
        return max(0, self.policy.threshold - self.failures - KEPT_FREE - 1) // arms


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which accounts a run must not try, and what would let it."""

    found: str
    advice: str

    def __str__(self) -> str:
        return f"accounts refused: {self.found}; {self.advice}"


def refusal(standings: Mapping[str, Standing], arms: int) -> Refusal | None:
    """Why a run must not try these accounts; None where it may.

    ``arms`` says how many arms of the run count as tries of one and the same account.
    """
    endangered = {user: it for user, it in standings.items() if it.tries_left(arms) == 0}
    if not endangered:
        return None
    worst_first = sorted(endangered.items(), key=lambda item: (-item[1].failures, item[0]))
    named = [f"{user} ({it.failures} of {it.policy.threshold} used)" for user, it in worst_first if it.policy]
    more = len(named) - NAMED_AT_MOST
    policies = dict.fromkeys(str(it.policy) for it in endangered.values())
    enough = max(it.failures for it in endangered.values()) + KEPT_FREE + 1 + arms
    return Refusal(
        f"{len(endangered)} of {len(standings)} could be brought within {KEPT_FREE} wrong passwords of being locked: "
        f"{', '.join(named[:NAMED_AT_MOST])}{f' and {more} more' if more > 0 else ''}; {'; '.join(policies)}",
        f"give the accounts of the run a password settings object whose lockout threshold is 0, or {enough} and more",
    )


class Allowance:
    """Which account may be tried now, of one arm: those let in once as often as need be, others as often as is left."""

    def __init__(self, standings: Mapping[str, Standing], arms: int) -> None:
        self._left = {user: left for user, it in standings.items() if (left := it.tries_left(arms)) is not None}
        self._let_in: set[str] = set()
        self._under_way: Counter[str] = Counter()

    def may_be_tried(self, user: str) -> bool:
        """Whether a wrong password more would still leave enough."""
        return user in self._let_in or self._left.get(user, 1) > 0

    def wait(self, user: str, sleep: Callable[[float], object]) -> None:
        """Until the account may be tried, or nothing is under way that could change whether it may."""
        while not self.may_be_tried(user) and self._under_way[user] > 0:
            sleep(_LOOKED_AGAIN_S)

    def begin(self, user: str) -> None:
        """A try is sent, and counts as a wrong password until it is known to be a right one."""
        self._under_way[user] += 1
        if user in self._left and user not in self._let_in:
            self._left[user] -= 1

    def end(self, user: str, let_in: bool) -> None:
        """It is over."""
        self._under_way[user] -= 1
        if let_in:
            self._let_in.add(user)
