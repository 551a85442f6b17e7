"""One arm's worker: it prepares the accounts, takes its arrivals from the plan, and tells of every login.

Due times are the plan's and are never rewritten. A seat (one Locust user) claims the next arrival, sleeps until it
is due and sends it. When every seat is taken, the next arrival is claimed late: its wait is charged to the login,
since response time counts from the intended start (no coordinated omission).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool

from harness.errors import CredentialError, KdcUnavailableError, RunError
from harness.guards.consent import check_safe
from harness.guards.lockout import Allowance
from harness.load.health import HealthMeter
from harness.load.pool import GeventRuntime
from harness.login.caution import Caution, let_in, tries_passwords
from harness.login.explained import arm_protocol, explained_login
from harness.login.kerberos.krb5conf import use_krb5_conf
from harness.login.path import LoginPath, LoginResult
from harness.login.runtime import TIMED_OUT
from harness.login.tries import tried
from harness.model.attempt import OK, Attempt, Outcome
from harness.model.plan import Arrival, Block, warm_population
from harness.model.protocol import ArmProtocol, ExplainedLogin
from harness.model.scenario import Scenario
from harness.model.shard import WHOLE, Shard
from harness.model.target import Arm, Targets
from harness.system.cache import scratch

WARM_UPS_AT_ONCE = 16
KEYS_AT_ONCE = 16
UNANSWERED_AT_MOST = 3
"""Of so many users a dead KDC is asked for the key; what it costs is a deadline each."""
WITHHELD = Outcome("withheld", "DENIED_BEFORE")
LATE = Outcome("denied", "KDC_ERR_PREAUTH_FAILED")
"""What a denial that nobody waited for is taken for: the worst that it can be."""


class ArmWorker:
    """The load on one arm; ``on_attempt`` hears of each finished login, ``on_denied`` of each refused account and by
    which key that is remembered.

    ``blocks`` are the arm's; of several workers each sends its ``shard`` alone. ``told``: the denials of others.
    Raises UnsafeTargetError, CredentialError and ConfigError. Its logins go to addresses that it has checked itself.
    """

    def __init__(
        self,
        arm: Arm,
        scenario: Scenario,
        targets: Targets,
        blocks: Sequence[Block],
        on_attempt: Callable[[Attempt], None],
        on_denied: Callable[[str, str], None] = lambda user, key: None,
        shard: Shard = WHOLE,
        told: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._arm = arm
        self._scenario = scenario
        self._shard = shard
        self._blocks = shard.part(blocks)
        self._on_attempt = on_attempt
        self._on_denied = on_denied
        # At the rate that the servers' owner agreed to: both arms prepare at once, and so do all workers of an arm.
        self._pause_s = len(targets.arms) * shard.of / targets.max_rate if targets.max_rate else 0.0
        self._target, addresses = targets.arms[arm], check_safe(targets, scenario, [arm])
        self._scratch = scratch()
        use_krb5_conf(self._target, Path(self._scratch.name))
        self._path = LoginPath(self._target, scenario, GeventRuntime(), addresses=addresses)
        self._caution = Caution(targets, arm, gevent.sleep)
        self._caution.hear(told)
        self._allowance = Allowance({}, 1)
        self._by_password = {name for name, cohort in scenario.mix.items() if tries_passwords(cohort, cohort.taken)}
        self.protocol: ArmProtocol | None = None
        """What the first logins showed, once it is prepared."""
        self._arrivals = ((block, arrival) for block in self._blocks for arrival in block.arrivals)
        self._denied: set[str] = set()
        self._halted = False
        self.origin = 0
        """The run's, in monotonic ns of this machine; known more exactly while the load goes on."""
        self._go = Event()
        self.meter = HealthMeter(arm, shard.index)

    def prepare(self) -> LoginResult:
        """Derive keys, log in once by each way, explained, and fill the warm caches; the result is of such a login.

        Of each warm cohort one login from a filled cache is explained too.

        Raises CredentialError, and RunError where the first login was denied. A candidate whose KDC does not answer is
        for the judge: its logins fail, or derive their keys themselves once it answers.
        """
        shard = self._shard
        expected = shard.cohorts(self._scenario.expected)
        warm = range(warm_population(self._scenario))
        filled = [(cohort, number) for cohort in self._scenario.warm for number in warm if shard.holds(cohort, number)]
        planned = {account for block in self._blocks for account in block.arrivals.accounts}
        planned |= {(cohort, shard.first_user) for cohort in expected} | set(filled)
        users = dict.fromkeys(self._path.user(*who) for who in sorted(planned, key=lambda who: who[1]))
        self._caution.check(users)
        first = self._first_logins(self._derive_keys(users))
        if first.outcome.status == "ok":
            self._allowance = self._caution.allowance(self._path, self._scenario, planned, shard.first_user)
            at_once = Pool(WARM_UPS_AT_ONCE)
            cohorts: dict[str, dict[str, None]] = {}
            for cohort, number in filled:
                cohorts.setdefault(self._path.user(cohort, number), {})[cohort] = None
            for user, theirs in cohorts.items():
                at_once.spawn(self._fill, user, tuple(theirs))
                gevent.sleep(self._pause_s * len(theirs))
            at_once.join()
        return first

    def _derive_keys(self, users: Iterable[str]) -> bool:
        """Derive the users' keys, several at once; whether the KDC told how. A baseline's has to."""
        unanswered: list[KdcUnavailableError] = []
        refused: list[CredentialError] = []

        def one(user: str) -> None:
            try:
                self._path.prepare([user])
            except KdcUnavailableError as error:
                unanswered.append(error)
            except CredentialError as error:
                refused.append(error)

        at_once = Pool(KEYS_AT_ONCE)
        for user in users:
            at_once.spawn(one, user)
            gevent.sleep(self._pause_s)
            if refused or len(unanswered) >= (1 if self._arm == "baseline" else UNANSWERED_AT_MOST):
                break
        at_once.join()
        if refused or (unanswered and self._arm == "baseline"):
            raise (refused or unanswered)[0]
        return not unanswered

    def _fill(self, user: str, cohorts: Sequence[str]) -> None:
        """Fill an account's warm caches, one after the other, as long as it is not denied.

        What failed is tried once more: a moment's glitch would otherwise fail all of its warm logins.
        """
        for cohort in cohorts:
            for _ in range(2):
                if user in self._denied or self._warmed_up(user, cohort).outcome is OK:
                    break
                gevent.sleep(self._pause_s)

    def _warmed_up(self, user: str, cohort: str) -> LoginResult:
        result = self._path.warm_up(user, cohort)
        if result.outcome.status == "denied":
            self._deny(user, result.outcome)
        return result

    def _deny(self, user: str, outcome: Outcome) -> None:
        key = self._caution.note(user, outcome)
        self.withhold(user)
        self._on_denied(user, key)

    def _first_logins(self, answered: bool) -> LoginResult:
        """Whole logins by each way that the cohorts take, then a login of each warm cohort, with their protocol facts.

        The result is that of the first whole one that fails, else of the first. ``answered`` says whether it may
        derive keys anew.
        """
        mix, path = self._scenario.mix, self._path
        ways: dict[tuple[object, ...], str] = {}
        for name in self._shard.cohorts(self._scenario.expected):
            ways.setdefault((mix[name].steps, mix[name].authentication, mix[name].accounts), name)
        explained: list[ExplainedLogin] = []
        whole = []
        for name in ways.values():
            user = path.user(name, self._shard.first_user)
            if answered:
                with suppress(KdcUnavailableError):  # the login itself shows it, at its step
                    path.prepare([user])
                gevent.sleep(self._pause_s)
            with self._caution.first_try():
                self._caution.check([user])
                whole.append(path.whole_login(user, name, explain=True))
                if whole[-1].outcome.status == "denied":
                    self._deny(user, whole[-1].outcome)
                    raise RunError(f"the first login, of {user}, was denied: {whole[-1].outcome.code}")
            explained.append(explained_login(name, user, whole[-1]))
            if whole[-1].outcome.status != "ok":
                break
            gevent.sleep(self._pause_s)
        else:
            explained += self._warm_logins()
        self.protocol = arm_protocol(self._target, explained)
        return whole[0] if whole[-1].outcome.status == "ok" else whole[-1]

    def _warm_logins(self) -> Iterator[ExplainedLogin]:
        """A login of each warm cohort, after one that fills its cache; an account that is denied takes no more part."""
        for name in self._shard.cohorts(self._scenario.warm):
            user = self._path.user(name, self._shard.first_user)
            if user in self._denied:
                continue
            result = self._warmed_up(user, name)
            gevent.sleep(self._pause_s)
            if result.outcome.status == "ok":
                result = self._path.login(user, name, explain=True)
                yield explained_login(name, user, result)
                gevent.sleep(self._pause_s)
                if result.outcome.status == "denied":
                    self._deny(user, result.outcome)

    def start(self, origin: int) -> None:
        """Let the seats begin; ``origin`` is the run's, in monotonic ns."""
        self.origin = origin
        self._go.set()

    def halt(self) -> None:
        """Send nothing more: what is under way ends, and what is due after now is not sent."""
        self._halted = True

    def withhold(self, user: str) -> None:
        """Never send this account's password again in this run."""
        self._denied.add(user)

    def work(self) -> None:
        """Be one seat until the plan is done."""
        self._go.wait()
        for block, arrival in self._arrivals:
            wait = self.origin + arrival.intended - time.monotonic_ns()
            if wait > 0:
                gevent.sleep(wait / 1e9)
            if self._halted:
                return
            self._send(block, arrival, seat_wait=max(0, -wait))

    def _send(self, block: Block, arrival: Arrival, seat_wait: int) -> None:
        user = self._path.user(arrival.cohort, arrival.user)
        self._hear_of_late_denials()
        if arrival.cohort in self._by_password:
            self._allowance.wait(user, gevent.sleep)
        origin = self.origin  # one for the whole login: what it took is measured on one clock
        started = max(time.monotonic_ns() - origin, arrival.intended)
        self.meter.busy_seats += 1
        try:
            endangered = arrival.cohort in self._by_password and not self._allowance.may_be_tried(user)
            withheld = user in self._denied or endangered
            result = LoginResult(WITHHELD, ()) if withheld else self._login(user, arrival)
        finally:
            self.meter.busy_seats -= 1
        if result.outcome.status == "denied":
            self._deny(user, result.outcome)
        ended = max(time.monotonic_ns() - origin, started)
        waited = sum(step.service for step in result.steps)
        attempt = Attempt(
            seq=arrival.seq,
            arm=self._arm,
            block=block.index,
            pair=block.pair,
            user=user,
            cohort=arrival.cohort,
            intended=arrival.intended,
            started=started,
            ended=ended,
            outcome=result.outcome,
            steps=tuple(step.since(origin) for step in result.steps),
            seat_wait=seat_wait,
            own=max(ended - started - waited, 0) if result.steps else 0,
        )
        self.meter.note(attempt)
        self._on_attempt(attempt)

    def _hear_of_late_denials(self) -> None:
        """A login that passed its deadline may have been denied since: its password must not be sent again."""
        for user in self._path.denied_late():
            self._deny(user, LATE)

    def _login(self, user: str, arrival: Arrival) -> LoginResult:
        def one_try() -> LoginResult:
            # Each step has its deadline; this one stands behind them all, for a server that drips.
            result = LoginResult(TIMED_OUT, ())
            if arrival.cohort in self._by_password:
                self._allowance.begin(user)
            try:
                with gevent.Timeout(self._scenario.try_s + 1.0, False):
                    result = self._path.login(user, arrival.cohort)
            finally:
                if arrival.cohort in self._by_password:
                    self._allowance.end(user, let_in(result.steps))
            return result

        def comes_back(after_s: float) -> bool:
            gevent.sleep(after_s)
            self._hear_of_late_denials()
            return user not in self._denied and self._allowance.may_be_tried(user)

        return tried(one_try, self._scenario.patience, comes_back)
