"""What keeps an arm's accounts from being locked: what was denied before, and what the domain's own policy leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from harness.errors import CredentialError
from harness.guards.denials import Denials, arms_together, domain_of, source_of
from harness.guards.lockout import Allowance, Refusal, Standing, refusal
from harness.login.credentials import read_accounts
from harness.login.ldap.standing import Standings, standings
from harness.login.path import LoginPath
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome, StepTiming
from harness.model.cohort import Cohort
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.model.target import Arm, Target, Targets


class Caution:
    """The guard of one arm's accounts, for as long as they are tried; raises LabError where it can keep no notes."""

    def __init__(self, targets: Targets, arm: Arm, sleep: Callable[[float], object] = time.sleep) -> None:
        self._target = targets.arms[arm]
        self._services = _service_users(self._target)
        self._denials = Denials(domain_of(targets, arm), self._source)
        self._arms = arms_together(targets, arm)
        self._sleep = sleep

    def _source(self, user: str) -> str:
        target = self._target
        return source_of(target.service_accounts if user in self._services else target.credentials)

    def check(self, users: Iterable[str]) -> None:
        """Raise CredentialError where one of the accounts was denied before and must not be tried."""
        self._denials.check(users)

    def denied_before(self, user: str) -> str:
        """Why the account must not be tried; empty where it may."""
        return self._denials.refused([user]).get(user, "")

    def refusal(self, known: Mapping[str, Standing]) -> Refusal | None:
        """Why a run must not try these accounts; None where it may."""
        return refusal(known, self._arms)

    def first_try(self) -> AbstractContextManager[None]:
        """While an account is tried for the first time: no other process does, and each knows what the last one met."""
        return self._denials.one_at_a_time(self._sleep)

    def note(self, user: str, outcome: Outcome) -> str:
        """Remember a denial, beyond this process; the key by which other machines may hear of it, empty of none."""
        return self._denials.note(user, outcome)

    def told(self) -> list[dict[str, Any]]:
        """The denials that are remembered here, for other machines."""
        return self._denials.told()

    def hear(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Remember those that another machine tells of."""
        self._denials.hear(told)

    def standings(self, path: LoginPath, user: str, cohort: str, users: Sequence[str]) -> Standings | None:
        """How the accounts stand, asked as ``user``, who can log in; None where the domain doesn't let that be read.

        The PDC emulator is asked, if it is one of the target's controllers: others don't hear of each wrong password.
        """
        directory = path.directory_of(cohort)
        if directory.schema_kind != "ad":  # an MIT realm tells its policies by kadmin alone
            return None
        hosts = [controller.service_host for controller in self._target.directory.controllers]
        try:
            found = path.ask_directory(user, cohort, lambda it: standings(it, directory, users))
            if not found.whole and found.counter in hosts:
                host = found.counter
                found = path.ask_directory(user, cohort, lambda it: standings(it, directory, users), host)
        except StepFailedError:
            return None
        return found

    def allowance(
        self, path: LoginPath, scenario: Scenario, planned: Iterable[tuple[str, int]], first: int = 0
    ) -> Allowance:
        """How often each account may be tried, of those that the plan (cohort, number) names; ``first`` can log in.

        Raises CredentialError where one of them could be brought near being locked.
        """
        users: dict[str, dict[str, None]] = {}
        for cohort, number in planned:
            users.setdefault(cohort, {})[path.user(cohort, number)] = None
        known: dict[str, Standing] = {}
        for cohort, theirs in users.items():
            unread = [user for user in theirs if user not in known]
            if unread and tries_passwords(scenario.mix[cohort], scenario.mix[cohort].steps):
                found = self.standings(path, path.user(cohort, first), cohort, unread)
                if found is not None:
                    known |= found.by_user
                elif path.directory_of(cohort).schema_kind == "ad":
                    known |= dict.fromkeys(unread, Standing(None))
        if refused := self.refusal(known):
            raise CredentialError(str(refused))
        return Allowance(known, self._arms)


def _service_users(target: Target) -> frozenset[str]:
    """The accounts of the target's components, as far as they can be read."""
    if target.service_accounts is None:
        return frozenset()
    try:
        return frozenset(read_accounts(target.service_accounts, target.realm, kind="services").users)
    except CredentialError:
        return frozenset()


def tries_passwords(cohort: Cohort, steps: Iterable[str]) -> bool:
    """Whether one of the cohort's steps may count as a wrong password: by a password or a key of it, not by a card."""
    return any(STEPS[step].password or (step == "kdc_as" and cohort.authentication != "smart-card") for step in steps)


def let_in(steps: Iterable[StepTiming]) -> bool:
    """Whether a login has shown that its account's password or key is right, however it ended."""
    return any((it.step == "kdc_as" or STEPS[it.step].password) and it.outcome.status == "ok" for it in steps)
