"""One clinician's login, composed of its steps in the order in which a workstation takes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.errors import CredentialError
from harness.login.credentials import Accounts, read_accounts
from harness.login.directory import DirectorySession, check_ca_file
from harness.login.kerberos import Call, KerberosClient, TicketCache, TicketFacts
from harness.login.runtime import TIMED_OUT, Runtime, StepFailedError, Timed
from harness.login.trace import KdcExchange, KdcTrace
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.plan import NS
from harness.model.scenario import Scenario
from harness.model.steps import STEPS, Cache, steps_of
from harness.model.target import NO_NAMES, Addresses, Target

T = TypeVar("T")


@dataclass(slots=True)
class _Login:
    """The state of one login under way."""

    user: str
    tickets: TicketCache
    directory: DirectorySession
    pool_wait: int = 0
    first_taken: int | None = None
    token: tuple[Any, bytes] | None = None
    entry: tuple[str, tuple[str, ...]] | None = None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What the protocol showed in one step, for the waterfall of a single login."""

    ldap_round_trips: int = 0
    entries: int = 0
    tickets: tuple[TicketFacts, ...] = ()
    exchanges: tuple[KdcExchange, ...] = ()
    tls_version: str | None = None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """How one login went: its outcome, its steps on the monotonic clock (ns), and the facts of each step."""

    outcome: Outcome
    steps: tuple[StepTiming, ...]
    facts: tuple[StepFacts, ...] = field(default=())
    groups: frozenset[str] = frozenset()


class LoginPath:
    """The logins of one arm: one target, one scenario, the accounts of its population."""

    def __init__(
        self,
        target: Target,
        scenario: Scenario,
        runtime: Runtime,
        trace: KdcTrace | None = None,
        addresses: Addresses = NO_NAMES,
    ) -> None:
        self._trace = trace
        self._directories = target.directory.endpoint.at(addresses)
        self._target = target
        self._scenario = scenario
        self._runtime = runtime
        check_ca_file(target.directory)
        source = target.credentials
        self._accounts: Accounts = read_accounts(source, target.realm)
        named = source.csv or source.keytab or f"environment variable {source.env}"
        self.users = self._accounts.first(scenario.population.users, named)
        self._known = frozenset(self._accounts.users)
        if "ldap_simple_bind" in scenario.steps and not self._accounts.passwords:
            raise CredentialError("ldap_simple_bind needs credentials.csv or credentials.env, got a keytab")
        self._kerberos = KerberosClient(target.realm, self._accounts, scenario.authentication)
        self._warm: dict[str, TicketCache] = {}
        self._takes: dict[str, Callable[[_Login, float], int | None]] = {
            "kdc_as": self._kdc_as,
            "kdc_tgs_ldap": self._kdc_tgs_ldap,
            "ldap_connect": self._ldap_connect,
            "ldap_bind": self._ldap_bind,
            "ldap_simple_bind": self._ldap_simple_bind,
            "ldap_own_entry": self._ldap_own_entry,
            "ldap_groups": self._ldap_groups,
        }

    def prepare(self, users: Sequence[str]) -> None:
        """Derive the users' long-term keys where the scenario's logins need them.

        Raises CredentialError, and as KdcUnavailableError where a login derives the key itself once a KDC answers.
        """
        if unknown := [user for user in users if user not in self._known]:
            raise CredentialError(f"credentials: expected an account {unknown[0]}, got none")
        if "kdc_as" in self._scenario.steps:
            timeout_s = self._scenario.step_timeout_s
            self._kerberos.derive_keys(users, lambda derive: self._runtime.call(derive, timeout_s))

    def warm_up(self, user: str) -> LoginResult:
        """Fill the user's ticket cache by the steps that a warm login leaves out, and keep it; nothing is measured."""
        tickets = self._kerberos.new_cache()
        cached = tuple(name for name in self._scenario.steps if STEPS[name].cached)
        result = self._run(cached, _Login(user, tickets, self._directory()))
        if result.outcome is OK:
            self._warm[user] = tickets
        else:
            tickets.close()
        return result

    def login(self, user: str, cache: Cache, explain: bool = False) -> LoginResult:
        """One login, with its protocol facts if asked for; never raises for what the servers do."""
        steps = steps_of(self._scenario.steps, cache)
        directory = self._directory()
        if cache == "cold":
            tickets = self._kerberos.new_cache()
            try:
                return self._run(steps, _Login(user, tickets, directory), explain)
            finally:
                tickets.close()
        if user not in self._warm and steps != self._scenario.steps:
            return LoginResult(Outcome("error", "NO_WARM_CACHE"), ())
        return self._run(steps, _Login(user, self._warm.get(user) or self._kerberos.new_cache(), directory), explain)

    def _directory(self) -> DirectorySession:
        return DirectorySession(self._target.directory, self._directories)

    def _run(self, names: Sequence[str], login: _Login, explain: bool = False) -> LoginResult:
        steps: list[StepTiming] = []
        facts: list[StepFacts] = []
        outcome = OK
        began = time.monotonic_ns()
        deadline = began + round(self._scenario.timeout_s * NS)
        try:
            for name in names:
                before = _counts(login) if explain else (0, 0, 0)
                timing = self._step(name, login, deadline)
                steps.append(timing)
                if explain:
                    facts.append(self._facts(name, login, before))
                if timing.outcome.status != "ok":
                    outcome = timing.outcome
                    break
        finally:
            login.directory.close()
        return LoginResult(outcome, tuple(steps), tuple(facts), login.groups)

    def _step(self, name: str, login: _Login, deadline: int) -> StepTiming:
        login.pool_wait, login.first_taken = 0, None
        asked = time.monotonic_ns()
        timeout_s = min(self._scenario.step_timeout_s, (deadline - asked) / NS)
        outcome, ended = OK, None
        try:
            if timeout_s <= 0:
                raise StepFailedError(TIMED_OUT)
            ended = self._takes[name](login, timeout_s)
        except StepFailedError as failure:
            outcome = failure.outcome
        except Exception as error:  # noqa: BLE001 - an answer that a library chokes on; its type alone, never its text
            outcome = Outcome("error", f"UNEXPECTED_{type(error).__name__}")
        if ended is None:
            ended = time.monotonic_ns()
        started = asked if login.first_taken is None else login.first_taken
        return StepTiming(name, started, ended, outcome, login.pool_wait)

    def _call(self, login: _Login, timeout_s: float) -> Call:
        """What a Kerberos step runs its exchange by; the login learns when a thread took it up, if any did."""

        def call(function: Callable[[], T]) -> Timed[T]:
            taken_up: list[int] = []

            def work() -> T:
                taken_up.append(time.monotonic_ns())
                return function()

            asked = time.monotonic_ns()
            try:
                return self._runtime.call(work, timeout_s)
            finally:
                login.pool_wait += (taken_up[0] if taken_up else time.monotonic_ns()) - asked
                login.first_taken = taken_up[0] if taken_up else None

        return call

    # Each step gives the instant at which it ended where its thread knows better than the caller, who has to wake up.

    def _kdc_as(self, login: _Login, timeout_s: float) -> int:
        return self._kerberos.initial_ticket(login.user, login.tickets, self._call(login, timeout_s)).ended

    def _kdc_tgs_ldap(self, login: _Login, timeout_s: float) -> int:
        host = self._target.directory.service_host
        context, done = self._kerberos.service_token("ldap", host, login.tickets, self._call(login, timeout_s))
        login.token = context, done.value
        return done.ended

    def _ldap_connect(self, login: _Login, timeout_s: float) -> None:
        login.directory.connect(timeout_s)

    def _ldap_bind(self, login: _Login, timeout_s: float) -> None:
        asked = time.monotonic()
        if login.token is None:  # a warm cache: the ticket is there, and the AP-REQ is built without the KDC
            self._kdc_tgs_ldap(login, timeout_s)
        assert login.token is not None
        login.directory.bind_gssapi(*login.token, timeout_s - (time.monotonic() - asked))

    def _ldap_simple_bind(self, login: _Login, timeout_s: float) -> None:
        login.directory.bind_simple(login.user, self._accounts.passwords[login.user].reveal(), timeout_s)

    def _ldap_own_entry(self, login: _Login, timeout_s: float) -> None:
        login.entry = login.directory.own_entry(login.user, timeout_s)

    def _ldap_groups(self, login: _Login, timeout_s: float) -> None:
        assert login.entry is not None
        login.groups = login.directory.groups(*login.entry, timeout_s)

    def _facts(self, name: str, login: _Login, before: tuple[int, int, int]) -> StepFacts:
        """What the step just taken added to what was counted before it."""
        round_trips, entries, tickets = before
        return StepFacts(
            login.directory.round_trips - round_trips,
            login.directory.entries - entries,
            login.tickets.tickets()[tickets:],
            self._trace.new_exchanges() if self._trace is not None else (),
            login.directory.tls_version if name == "ldap_connect" else None,
        )


def _counts(login: _Login) -> tuple[int, int, int]:
    return login.directory.round_trips, login.directory.entries, len(login.tickets.tickets())
