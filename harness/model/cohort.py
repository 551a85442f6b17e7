"""Who logs in, and by which steps: the cohorts of a scenario's logins, and the rounds in which clinicians take several.

Logins of different cohorts are different metrics, whose quantiles are never mixed (CONTRIBUTING, rule 6).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from harness.model.base import Configured, Share
from harness.model.steps import CACHES, LOGIN, STEPS, Cache, steps_of
from harness.model.target import AccountKind

EVERYONE = "all"
"""The name under which all cohorts are judged together."""
RESERVED = (EVERYONE, LOGIN)
SHARES_DIFFER = 1e-6
"""Shares whose sum differs from 1 by no more than this sum to 1; the rest is rounding of decimals."""

Authentication = Literal["key", "password", "smart-card"]
"""How a ticket is obtained: by the long-term key that was derived at start, by the password, or by a card (PKINIT)."""
CohortName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=24)]


def _known_and_in_order(steps: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for name in steps:
        if name not in STEPS:
            raise ValueError(f"expected steps among {', '.join(STEPS)}, got {name!r}")
        if name in seen:
            raise ValueError(f"expected each step once, got {name!r} again")
        missing = [need for need in STEPS[name].needs if need not in seen]
        if missing:
            raise ValueError(f"expected {', '.join(missing)} before {name}")
        seen.add(name)
    return steps


Steps = Annotated[tuple[str, ...], AfterValidator(_known_and_in_order)]
"""Known steps, each once, and after those that it needs."""


class Cohort(Configured):
    """Logins of one kind: what they find in their ticket cache, and the steps that they take."""

    share: Share | None = None
    """Of all logins; not given where the scenario has rounds, from which it follows."""
    cache: Cache = "cold"
    """``warm`` logins leave out the steps whose answers a ticket cache holds (names, tickets)."""
    steps: Annotated[Steps, Field(min_length=1)]
    """Of the whole login; those that a warm cache holds are taken once for each account, before the load begins."""
    authentication: Authentication | None = None
    """Where it differs from the scenario's."""
    accounts: AccountKind = "clinicians"
    """Whose credentials log in; ``services``: those in the target's service_accounts, of components."""

    @property
    def taken(self) -> tuple[str, ...]:
        """The steps of a login, in order."""
        return steps_of(self.steps, self.cache)

    @property
    def held(self) -> tuple[str, ...]:
        """The steps that a login leaves out, since its ticket cache holds what they would ask for."""
        return tuple(step for step in self.steps if step not in self.taken)


class Round(Configured):
    """Several logins of one clinician, the later ones after think times: a share of all rounds."""

    share: Share
    logins: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    """The cohort of each login."""
    think_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    """The mean time, exponentially distributed, from one login's due time to the next one's."""


def in_one_order(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The steps of several login paths, each once: those of the first in its order, others after those before them."""
    order: list[str] = []
    for steps in paths:
        place = 0
        for step in steps:
            if step not in order:
                order.insert(place, step)
            place = order.index(step) + 1
    return tuple(order)


def check_cohorts(cohorts: Mapping[str, Cohort], rounds: Sequence[Round]) -> None:
    """Raise ValueError where cohorts don't fit each other, or the rounds that their logins come in."""
    for name, cohort in cohorts.items():
        _check_cohort(name, cohort, shared=not rounds)
    named = dict.fromkeys(login for one in rounds for login in one.logins)
    if rounds and named.keys() != cohorts.keys():
        raise ValueError(f"expected those that rounds name ({', '.join(named)}), got {', '.join(cohorts) or 'none'}")
    shares = [one.share for one in rounds] or [cohort.share or 0.0 for cohort in cohorts.values()]
    if cohorts and not math.isclose(sum(shares), 1, abs_tol=SHARES_DIFFER):
        raise ValueError(f"expected shares {'of rounds ' if rounds else ''}that sum to 1, got {sum(shares):.6g}")


def _check_cohort(name: str, cohort: Cohort, shared: bool) -> None:
    """Raise ValueError where a cohort can't be called so, or has a share too many or too few, or no step to take."""
    if name in RESERVED or (name in CACHES and name != cohort.cache):
        raise ValueError(f"expected another name than {name}, which means something else in reports")
    if shared and not cohort.share:
        raise ValueError(f"expected a share above 0 of {name}, got {'none' if cohort.share is None else 0}")
    if not shared and cohort.share is not None:
        raise ValueError(f"expected no share of {name} together with rounds, from which it follows")
    if not cohort.taken:
        raise ValueError(f"expected a step of {name} that a warm cache does not leave out, got none")
