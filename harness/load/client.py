"""The login's steps as a client for a hand-written locustfile, timed by the instrument and under every guard.

    with self.login("clin00007") as login:
        login.kdc_as()
        login.kdc_tgs_ldap()

1. Consent, allow-list and rate are those of the targets file: nothing is sent where they don't allow it, and logins
   wait for their turn below ``max_rate``, of all worker processes together.
2. An account that was denied is never tried again, by no process; until it has been let in once, nobody else tries it.
   The test ends where too many logins are denied.
3. What Locust hears of a step is what its servers took; of a login, the sum of its steps. What a user waits for between
   logins is Locust's: such a test is a closed loop, and no gate judges it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from locust.exception import StopUser

from harness.config.load import load_targets
from harness.errors import AuthgateError, ConfigError, CredentialError, RunError
from harness.guards.consent import check_safe
from harness.guards.denial_share import DenialCount
from harness.load.pool import GeventRuntime
from harness.login.caution import Caution, let_in
from harness.login.credentials import read_accounts
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, OpenLogin
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.exit_codes import CRASH, USAGE_ERROR
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.steps import LOGIN, STEPS
from harness.model.target import Arm
from harness.system.cache import scratch

log = logging.getLogger(__name__)

USUAL_STEPS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind", "ldap_own_entry", "ldap_groups")
_COHORT = "cold"
_STEP = "step"
_PREPARING = BoundedSemaphore()
_PREPARED: dict[Path, tuple[Arm, _Prepared]] = {}
"""By targets file: libkrb5's configuration is the whole process's, so that a process has one arm."""


class StepFailed(Exception):  # noqa: N818 - it ends a login and is told to Locust, not to the user's code
    """A step failed, and with it its login; the ``with`` of the login ends there."""


class LoginClient:
    """Logs accounts in by steps that the locustfile takes; one for each Locust user, or one for all of them.

    ``environment`` is the user's ``self.environment``; ``steps`` are all that its logins may take, so that the targets
    can be checked for them before anything is sent; ``workers`` is how many worker processes share ``max_rate``. Where
    the targets refuse, the test ends with exit code 2 before the first packet.
    """

    def __init__(
        self,
        environment: Any,
        targets: str | Path,
        arm: Arm = "baseline",
        steps: Sequence[str] = USUAL_STEPS,
        workers: int = 1,
    ) -> None:
        self._environment = environment
        try:
            self._prepared = _prepared(Path(targets).resolve(), arm, tuple(steps), workers)
        except AuthgateError as error:  # the same for every user that is still to come
            _end(environment, str(error), USAGE_ERROR)
            raise StopUser from None

    @property
    def users(self) -> list[str]:
        """The accounts of the targets' credentials, without those that were denied in this test."""
        return self._prepared.users

    def __call__(self, user: str) -> Login:
        """A login of this account, for a ``with`` statement."""
        return Login(self._environment, self._prepared, user)


class Login:
    """One login: each step of the client's is a method that takes it; the first that fails ends the login."""

    def __init__(self, environment: Any, prepared: _Prepared, user: str) -> None:
        self._environment = environment
        self._prepared = prepared
        self._user = user
        self._open: OpenLogin | None = None
        self._first: Any = None
        self._steps: list[StepTiming] = []

    def __enter__(self) -> Login:
        self._first = self._prepared.begin(self._user)
        try:
            self._prepared.wait_for_turn()  # the last wait of all: turns that were saved up would come at once
            self._open = self._prepared.path.by_hand(self._user, _COHORT)
        except BaseException:
            self._prepared.let_go(self._first)
            raise
        return self

    def __getattr__(self, name: str) -> Callable[[], StepTiming]:
        if name not in self._prepared.steps:
            raise AttributeError(f"a login has no step {name}: expected one of {', '.join(self._prepared.steps)}")
        return lambda: self._take(name)

    def _take(self, name: str) -> StepTiming:
        assert self._open is not None, "expected a step within the with statement of its login"
        taken = {step.step for step in self._steps}
        if missing := [need for need in STEPS[name].needs if need not in taken]:
            raise RunError(f"{name}: expected {', '.join(missing)} before it in this login")
        step = self._open.take(name)
        self._steps.append(step)
        self._fire(name, step.service, step.outcome)
        if step.outcome.status != "ok":
            raise StepFailed(name)
        return step

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._open is not None
        self._open.close()
        failed = next((step.outcome for step in self._steps if step.outcome.status != "ok"), OK)
        reason = self._prepared.end(self._user, failed, self._steps, self._first)
        if self._steps and kind in (None, StepFailed):  # one that the test's end cut short is no login
            self._fire(LOGIN, sum(step.service for step in self._steps), failed)
        if reason:
            _end(self._environment, reason, CRASH)
        return kind is StepFailed

    def _fire(self, name: str, took_ns: int, outcome: Outcome) -> None:
        said = None if outcome.status == "ok" else f"{outcome.status} {outcome.code}".rstrip()
        self._environment.events.request.fire(
            request_type=LOGIN if name == LOGIN else _STEP, name=name, response_time=took_ns / 1e6,
            response_length=0, exception=said, context={},
        )  # fmt: skip


def _end(environment: Any, why: str, exit_code: int) -> None:
    """End the test, and say why once."""
    if getattr(environment, "authgate_ended", False):
        return
    environment.authgate_ended = True
    log.error(why)
    environment.process_exit_code = exit_code
    if environment.runner is not None:
        gevent.spawn(environment.runner.quit)


class _Prepared:
    """One arm in this process: its way in, its guards, and the turns of its logins."""

    def __init__(self, file: Path, arm: Arm, steps: tuple[str, ...], workers: int) -> None:
        targets = load_targets(file)
        if arm not in targets.arms:
            raise ConfigError(f"{targets.place('arms')}: expected {arm}, got {', '.join(targets.arms)}")
        target = targets.arms[arm]
        self.steps = steps
        self.users = list(read_accounts(target.credentials, target.realm).users)
        self._known = frozenset(self.users)
        scenario = Scenario.model_validate(
            {
                "name": "by-hand",
                "steps": steps,
                "population": {"users": len(self.users)},
                "arrivals": {"curve": "constant", "rate": targets.max_rate or 1},
            }
        )
        addresses = check_safe(targets, scenario, [arm])
        self._every_s = 0.0 if targets.max_rate is None else workers / targets.max_rate
        self._next = 0.0
        self._scratch = scratch()
        use_krb5_conf(target, Path(self._scratch.name))
        self.path = LoginPath(target, scenario, GeventRuntime(), addresses=addresses)
        self._caution = Caution(targets, arm, gevent.sleep)
        self._let_in: set[str] = set()
        self._denied: set[str] = set()
        self._one_at_a_time = BoundedSemaphore()
        self._counted = DenialCount()
        self._allowed = Policy().limits.denied_share

    def wait_for_turn(self) -> None:
        """Wait until another login keeps to the rate that the owner of the servers has agreed to."""
        now = time.monotonic()
        mine = max(now, self._next)
        self._next = mine + self._every_s
        if mine > now:
            gevent.sleep(mine - now)

    def begin(self, user: str) -> Any:
        """Let a login of the account begin; what its end has to be given. Raises CredentialError where it must not."""
        for late in self.path.denied_late():
            self._withhold(late)
        if user in self._denied:
            raise CredentialError(f"{user}: expected an account that was not denied before in this test")
        if user in self._let_in:
            return None
        if user not in self._known:
            raise CredentialError(f"credentials: expected an account {user}, got none")
        # Nobody else tries it meanwhile, here or in another process: a wrong password is then sent once.
        self._one_at_a_time.acquire()
        if user in self._let_in:  # by who was waited for
            self._one_at_a_time.release()
            return None
        first = self._caution.first_try()
        try:
            first.__enter__()
            self._caution.check([user])
            self.path.prepare([user])
        except BaseException:
            self.let_go(first)
            raise
        return first

    def let_go(self, first: Any) -> None:
        """What a first try of an account has held is others' again."""
        if first is not None:
            first.__exit__(None, None, None)
            self._one_at_a_time.release()

    def _withhold(self, user: str) -> None:
        self._denied.add(user)
        if user in self.users:
            self.users.remove(user)

    def end(self, user: str, outcome: Outcome, steps: Sequence[StepTiming], first: Any) -> str:
        """Count a login's end; why the test has to stop, empty where it may go on."""
        denied = outcome.status == "denied"
        if denied:
            self._withhold(user)
            self._caution.note(user, outcome)
        elif let_in(steps):
            self._let_in.add(user)
        self.let_go(first)
        self._counted += DenialCount(int(denied), 1)
        return self._counted.reason_to_stop(self._allowed)


def _prepared(file: Path, arm: Arm, steps: tuple[str, ...], workers: int) -> _Prepared:
    """What this process has of an arm, made once."""
    with _PREPARING:  # the users of a test begin at once, and preparing waits for answers
        return _prepared_once(file, arm, steps, workers)


def _prepared_once(file: Path, arm: Arm, steps: tuple[str, ...], workers: int) -> _Prepared:
    for known, (other, there) in _PREPARED.items():
        if (known, other, there.steps) != (file, arm, steps):
            raise ConfigError(
                f"LoginClient: expected the arm, targets and steps of this process ({other} of {known.name}), got "
                f"{arm} of {file.name}: another arm needs a process of its own"
            )
        return there
    made = _Prepared(file, arm, steps, workers)
    _PREPARED[file] = (arm, made)
    return made
