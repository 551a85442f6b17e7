"""One clinician's login, composed of its steps in the order in which a workstation takes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import CredentialError
from harness.login.credentials import Accounts, read_accounts
from harness.login.exchanges import Exchanges
from harness.login.kerberos.client import KerberosClient, TicketCache
from harness.login.kerberos.kdcs import Kdcs
from harness.login.ldap.session import DirectorySession, check_ca_file
from harness.login.net.clock import StepClock
from harness.login.runtime import Runtime, StepFailedError
from harness.login.state import LoginState
from harness.login.unheard import Unheard
from harness.model.attempt import OK, Outcome, StepTiming
from harness.model.cohort import Authentication
from harness.model.endpoint import NO_NAMES, Addresses
from harness.model.plan import NS
from harness.model.protocol import StepFacts, TicketFacts, TlsFacts
from harness.model.scenario import Scenario
from harness.model.steps import STEPS
from harness.model.target import AccountKind, Directory, Target

T = TypeVar("T")

_QUESTION_S = 30.0
"""For thousands of accounts, fifty a search."""
_BOUND_BY_KERBEROS = ("kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind")
_BOUND_BY_PASSWORD = ("ldap_connect", "ldap_simple_bind")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a login has shown so far, counted over its steps."""

    round_trips: int = 0
    entries: int = 0
    records: int = 0
    received: int = 0
    tickets: tuple[TicketFacts, ...] = ()
    statuses: tuple[tuple[int, ...], ...] = ()
    tls: tuple[TlsFacts | None, ...] = ()

    @classmethod
    def by(cls, login: LoginState) -> _Shown:
        directory, database = login.directory, login.database
        webs = [web for web in (login.ehr, login.sso) if web is not None]
        connected = [one for one in (directory, *webs, database) if one is not None]
        return cls(
            login.locating_round_trips + sum(one.round_trips for one in connected),
            directory.entries,
            login.dns_records,
            directory.received + sum(web.received for web in webs),
            login.tickets.tickets(),
            tuple(tuple(web.statuses) for web in webs),
            (directory.tls, *(tls for web in webs for tls in web.tls)),
        )


@dataclass(frozen=True, slots=True)
class LoginResult:
    """How one login went: its outcome, its steps on the monotonic clock (ns), and the facts of each step."""

    outcome: Outcome
    steps: tuple[StepTiming, ...]
    facts: tuple[StepFacts, ...] = field(default=())
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OpenLogin:
    """A login under way: ``take`` takes a step of it by its name, ``close`` ends it."""

    take: Callable[[str], StepTiming]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Clients:
    """By whose accounts some cohorts log in, and how: one for each kind of accounts and authentication."""

    accounts: Accounts
    known: frozenset[str]
    users: tuple[str, ...]
    """Of the population, as the plan numbers them."""
    kerberos: KerberosClient
    exchanges: Exchanges


class LoginPath:
    """The logins of one arm: one target, one scenario, the accounts of its population."""

    def __init__(
        self,
        target: Target,
        scenario: Scenario,
        runtime: Runtime,
        addresses: Addresses = NO_NAMES,
    ) -> None:
        self._target = target
        self._scenario = scenario
        self._runtime = runtime
        self._addresses = addresses
        self._unheard = Unheard()
        self._kdcs = Kdcs(target, addresses)
        check_ca_file(target)
        self._cohorts = scenario.mix
        kinds = {name: (cohort.authentication, cohort.accounts) for name, cohort in self._cohorts.items()}
        made = {kind: self._make_clients(*kind) for kind in dict.fromkeys(kinds.values())}
        self._clients = {name: made[kind] for name, kind in kinds.items()}
        for name, cohort in self._cohorts.items():
            clients = self._clients[name]
            without = set(clients.users) - clients.accounts.passwords.keys()
            if without and (step := next((step for step in cohort.steps if STEPS[step].password), None)):
                raise CredentialError(
                    f"{step} needs each user's password, in credentials.csv or env, got none of {min(without)}"
                )
        self._warm: dict[tuple[str, str], TicketCache] = {}

    def _make_clients(self, authentication: Authentication | None, whose: AccountKind) -> _Clients:
        target = self._target.of(whose)
        source = target.credentials
        how = authentication or self._scenario.authentication
        accounts = read_accounts(source, target.realm, how, whose)
        named = str(source.key_source) if accounts.cards is None else "credentials.smart_cards"
        count = self._scenario.population.users  # of clinicians: components are few, and take turns
        users = accounts.first(count if whose == "clinicians" else min(count, len(accounts.users)), named)
        kerberos = KerberosClient(target.realm, accounts, how, target.armor)
        exchanges = Exchanges(target, accounts, kerberos, self._runtime, self._addresses, self._unheard)
        return _Clients(accounts, frozenset(accounts.users), users, kerberos, exchanges)

    def user(self, cohort: str, number: int) -> str:
        """The account that logs in where the plan says the ``number``-th; fewer accounts take turns."""
        users = self._clients[cohort].users
        return users[number % len(users)]

    def denied_late(self) -> Iterator[str]:
        """The accounts that were denied after their step's deadline, since this was last asked."""
        yield from self._unheard.denied()

    def prepare(self, users: Sequence[str]) -> None:
        """Derive the users' long-term keys where the scenario's logins need them.

        Raises CredentialError, and as KdcUnavailableError where a login derives the key itself once a KDC answers.
        """
        if unknown := [user for user in users if not any(user in c.known for c in self._clients.values())]:
            raise CredentialError(f"credentials: expected an account {unknown[0]}, got none")
        timeout_s = self._scenario.step_timeout_s
        asking = {id(c): c for name, c in self._clients.items() if "kdc_as" in self._cohorts[name].steps}
        for clients in asking.values():
            theirs = [user for user in users if user in clients.known]
            clients.kerberos.derive_keys(
                theirs,
                lambda: self._kdcs.carrier(StepClock(timeout_s)),
                lambda compute: self._runtime.call(compute, timeout_s),
            )

    def warm_up(self, user: str, cohort: str = "warm") -> LoginResult:
        """Fill the user's ticket cache by the steps that this cohort leaves out, and keep it; nothing is measured."""
        tickets = self._clients[cohort].kerberos.new_cache()
        result = self._run(cohort, self._cohorts[cohort].held, user, tickets)
        if result.outcome is OK:
            replaced = self._warm.pop((cohort, user), None)
            self._warm[cohort, user] = tickets
        else:
            replaced = tickets
        if replaced is not None:
            replaced.close()
        return result

    def login(self, user: str, cohort: str, explain: bool = False) -> LoginResult:
        """One try of a cohort's login, with its protocol facts if asked for; never raises for what the servers do."""
        how = self._cohorts[cohort]
        if how.cache == "cold":
            return self.whole_login(user, cohort, explain)
        tickets = self._warm.get((cohort, user))
        if tickets is None and how.held:
            return LoginResult(Outcome("error", "NO_WARM_CACHE"), ())
        tickets = tickets or self._clients[cohort].kerberos.new_cache()
        return self._run(cohort, how.taken, user, tickets, explain)

    def whole_login(self, user: str, cohort: str, explain: bool = False) -> LoginResult:
        """One login by all of a cohort's steps, from an empty ticket cache."""
        tickets = self._clients[cohort].kerberos.new_cache()
        try:
            return self._run(cohort, self._cohorts[cohort].steps, user, tickets, explain)
        finally:
            tickets.close()

    def by_hand(self, user: str, cohort: str) -> OpenLogin:
        """A login from an empty ticket cache whose steps the caller takes one by one, and which it has to close."""
        clients = self._clients[cohort]
        tickets = clients.kerberos.new_cache()
        login = clients.exchanges.new_login(user, tickets)

        def take(name: str) -> StepTiming:
            deadline = time.monotonic_ns() + round(self._scenario.try_s * NS)  # the caller may pause between steps
            return self._step(name, login, clients.exchanges, deadline)

        def close() -> None:
            login.close()
            tickets.close()

        return OpenLogin(take, close)

    def directory_of(self, cohort: str) -> Directory:
        """Where the entries of the cohort's accounts are."""
        return self._target.of(self._cohorts[cohort].accounts).directory

    def ask_directory(
        self, user: str, cohort: str, question: Callable[[DirectorySession], T], host: str | None = None
    ) -> T:
        """What the user, bound to the directory, hears to a question; of the controller ``host`` first, if any.

        Nothing of it is measured. Raises StepFailedError.
        """
        clients, timeout_s = self._clients[cohort], self._scenario.step_timeout_s
        tickets = clients.kerberos.new_cache()
        login = clients.exchanges.new_login(user, tickets)
        login.order = tuple(sorted(login.order, key=lambda it: it.controller.service_host != host))
        by_kerberos = any("kdc_as" in each.steps for each in self._cohorts.values())
        steps = _BOUND_BY_KERBEROS if by_kerberos else _BOUND_BY_PASSWORD
        try:
            for step in steps:
                login.begin_step()
                login.clock.begin(time.monotonic_ns() + round(timeout_s * NS))
                clients.exchanges.take(step, login)
            login.clock.begin(time.monotonic_ns() + round(_QUESTION_S * NS))
            return question(login.directory)
        finally:
            login.close()
            tickets.close()

    def _run(
        self, cohort: str, names: Sequence[str], user: str, tickets: TicketCache, explain: bool = False
    ) -> LoginResult:
        exchanges = self._clients[cohort].exchanges
        login = exchanges.new_login(user, tickets)
        steps: list[StepTiming] = []
        facts: list[StepFacts] = []
        outcome = OK
        began = time.monotonic_ns()
        deadline = began + round(self._scenario.try_s * NS)
        try:
            for name in names:
                before = _Shown.by(login) if explain else None
                timing = self._step(name, login, exchanges, deadline)
                steps.append(timing)
                if before is not None:
                    facts.append(self._facts(login, before))
                if timing.outcome.status != "ok":
                    outcome = timing.outcome
                    break
        finally:
            login.close()
        return LoginResult(outcome, tuple(steps), tuple(facts), login.groups)

    def _step(self, name: str, login: LoginState, exchanges: Exchanges, deadline: int) -> StepTiming:
        login.begin_step()
        outcome = OK
        started = time.monotonic_ns()
        login.clock.begin(min(deadline, started + round(self._scenario.step_timeout_s * NS)))
        try:
            login.clock.left_s()
            exchanges.take(name, login)
        except StepFailedError as failure:
            outcome = failure.outcome
        except Exception as error:  # noqa: BLE001 - an answer that a library chokes on; its type alone, never its text
            outcome = Outcome("error", f"UNEXPECTED_{type(error).__name__}")
        ended = time.monotonic_ns()
        waited = login.clock.settle(failed=outcome is not OK)
        own = max(ended - started - waited, 0)
        return StepTiming(name, started, ended, outcome, login.pool_wait, login.server, own, login.way)

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
            exchanges=tuple(one for carrier in login.carriers for one in carrier.exchanges),
            queries=tuple(login.queries),
            tls=opened[0] if opened else None,
            statuses=tuple(
                s for old, new in zip(before.statuses, after.statuses, strict=True) for s in new[len(old) :]
            ),
            agreed=tuple(login.agreed),
            notes=tuple(login.notes),
        )
