"""One clinician's login, composed of its steps in the order in which a workstation takes them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.errors import CredentialError
from harness.login.credentials import Accounts, read_accounts
from harness.login.directory import check_ca_file
from harness.login.exchanges import Exchanges, LoginState
from harness.login.kerberos import KerberosClient, TicketCache
from harness.login.runtime import TIMED_OUT, Runtime, StepFailedError
from harness.login.trace import KdcTrace
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.endpoint import NO_NAMES, Addresses
from harness.model.plan import NS
from harness.model.protocol import StepFacts, TicketFacts, TlsFacts
from harness.model.scenario import Scenario
from harness.model.steps import STEPS, Cache, steps_of
from harness.model.target import Target


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a login has shown so far, counted over its steps."""

    round_trips: int = 0
    entries: int = 0
    records: int = 0
    received: int = 0
    tickets: tuple[TicketFacts, ...] = ()
    statuses: tuple[int, ...] = ()
    tls: tuple[TlsFacts | None, ...] = ()

    @classmethod
    def by(cls, login: LoginState) -> _Shown:
        directory, web = login.directory, login.ehr
        return cls(
            login.dns_round_trips + directory.round_trips + (0 if web is None else web.round_trips),
            directory.entries,
            login.dns_records,
            directory.received + (0 if web is None else web.received),
            login.tickets.tickets(),
            () if web is None else tuple(web.statuses),
            (directory.tls, None if web is None else web.tls),
        )


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
        self._target = target
        self._scenario = scenario
        self._runtime = runtime
        check_ca_file(target)
        source = target.credentials
        self._accounts: Accounts = read_accounts(source, target.realm)
        named = source.csv or source.keytab or f"environment variable {source.env}"
        self.users = self._accounts.first(scenario.population.users, named)
        self._known = frozenset(self._accounts.users)
        if "ldap_simple_bind" in scenario.steps and not self._accounts.passwords:
            raise CredentialError("ldap_simple_bind needs credentials.csv or credentials.env, got a keytab")
        self._kerberos = KerberosClient(target.realm, self._accounts, scenario.authentication)
        self._warm: dict[str, TicketCache] = {}
        self._exchanges = Exchanges(target, self._accounts, self._kerberos, runtime, addresses)

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
        result = self._run(cached, self._exchanges.new_login(user, tickets))
        if result.outcome is OK:
            self._warm[user] = tickets
        else:
            tickets.close()
        return result

    def login(self, user: str, cache: Cache, explain: bool = False) -> LoginResult:
        """One login, with its protocol facts if asked for; never raises for what the servers do."""
        steps = steps_of(self._scenario.steps, cache)
        if cache == "cold":
            tickets = self._kerberos.new_cache()
            try:
                return self._run(steps, self._exchanges.new_login(user, tickets), explain)
            finally:
                tickets.close()
        if user not in self._warm and steps != self._scenario.steps:
            return LoginResult(Outcome("error", "NO_WARM_CACHE"), ())
        tickets = self._warm.get(user) or self._kerberos.new_cache()
        return self._run(steps, self._exchanges.new_login(user, tickets), explain)

    def _run(self, names: Sequence[str], login: LoginState, explain: bool = False) -> LoginResult:
        steps: list[StepTiming] = []
        facts: list[StepFacts] = []
        outcome = OK
        began = time.monotonic_ns()
        deadline = began + round(self._scenario.timeout_s * NS)
        try:
            for name in names:
                before = _Shown.by(login) if explain else None
                timing = self._step(name, login, deadline)
                steps.append(timing)
                if before is not None:
                    facts.append(self._facts(login, before))
                if timing.outcome.status != "ok":
                    outcome = timing.outcome
                    break
        finally:
            login.close()
        return LoginResult(outcome, tuple(steps), tuple(facts), login.groups)

    def _step(self, name: str, login: LoginState, deadline: int) -> StepTiming:
        login.begin_step()
        asked = time.monotonic_ns()
        timeout_s = min(self._scenario.step_timeout_s, (deadline - asked) / NS)
        outcome, ended = OK, None
        try:
            if timeout_s <= 0:
                raise StepFailedError(TIMED_OUT)
            ended = self._exchanges.take(name, login, timeout_s)
        except StepFailedError as failure:
            outcome = failure.outcome
        except Exception as error:  # noqa: BLE001 - an answer that a library chokes on; its type alone, never its text
            outcome = Outcome("error", f"UNEXPECTED_{type(error).__name__}")
        if ended is None:
            ended = time.monotonic_ns()
        started = asked if login.first_taken is None else login.first_taken
        return StepTiming(name, started, ended, outcome, login.pool_wait, login.server)

    def _facts(self, login: LoginState, before: _Shown) -> StepFacts:
        """What the step just taken showed, beside what had been shown before it."""
        after = _Shown.by(login)
        opened = [new for old, new in zip(before.tls, after.tls, strict=True) if old is None and new is not None]
        return StepFacts(
            round_trips=after.round_trips - before.round_trips,
            entries=after.entries - before.entries,
            records=after.records - before.records,
            answer_bytes=max(0, after.received - before.received),  # a connection that is lost takes its count with it
            tickets=after.tickets[len(before.tickets) :],
            exchanges=self._trace.new_exchanges() if self._trace is not None else (),
            queries=tuple(login.queries),
            tls=opened[0] if opened else None,
            statuses=after.statuses[len(before.statuses) :],
            agreed=tuple(login.agreed),
            notes=tuple(login.notes),
        )
