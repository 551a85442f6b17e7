"""What each step of a login does on the wire: every step's name, and the exchange that it is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import krb5

from harness.login.codes import kerberos_outcome
from harness.login.controllers import Controllers
from harness.login.credentials import Accounts
from harness.login.http import EhrSession
from harness.login.kerberos.client import PLAIN, SEALING, SPNEGO_MECH, Ask, Call, KerberosClient, TicketCache
from harness.login.kerberos.kdcs import KdcAsk
from harness.login.ldap import reads
from harness.login.ldap.ntlm import NtlmContext
from harness.login.ldap.session import DirectorySession
from harness.login.locating import Locating
from harness.login.postgres import DatabaseSession
from harness.login.runtime import TIMED_OUT, Runtime, StepFailedError, Timed
from harness.login.state import LoginState
from harness.model.attempt import Outcome
from harness.model.endpoint import Addresses
from harness.model.plan import NS
from harness.model.target import Target

T = TypeVar("T")


class Exchanges:
    """The exchanges of one arm's logins, by the names of the steps.

    ``denied_late`` takes in whom a KDC denied after the step's deadline, when nobody waited for its answer any more.
    """

    def __init__(
        self,
        target: Target,
        accounts: Accounts,
        kerberos: KerberosClient,
        runtime: Runtime,
        addresses: Addresses,
        denied_late: deque[str],
    ) -> None:
        self._denied_late = denied_late
        self._target = target
        self._accounts = accounts
        self._kerberos = kerberos
        self._runtime = runtime
        front = "" if target.ehr is None else str(target.ehr.endpoint)
        kdc = str(target.kdcs[0]) if len(target.kdcs) == 1 else ""
        self._servers = {"kdc": kdc, "http": front, "ehr": front}
        if target.database is not None:
            self._servers["db"], self._db_host = str(target.database.endpoint), target.database.service_host
        self._controllers = Controllers(target, addresses)
        self._fronts = target.ehr.endpoint.at(addresses) if target.ehr is not None else ()
        self._databases = target.database.endpoint.at(addresses) if target.database is not None else ()
        locating = Locating(target.dns, self._controllers) if target.dns is not None else None
        self._takes: dict[str, Callable[[LoginState, float], int | None]] = {
            "kdc_as": self._kdc_as,
            "kdc_tgs_host": lambda login, timeout_s: self._ticket("host", target.services.host, login, timeout_s),
            "kdc_tgs_ldap": self._kdc_tgs_ldap,
            "kdc_tgs_cifs": lambda login, timeout_s: self._ticket("cifs", target.services.cifs, login, timeout_s),
            "kdc_tgs_http": lambda login, timeout_s: self._ticket("HTTP", self._ehr_host, login, timeout_s),
            "kdc_tgs_postgres": lambda login, timeout_s: self._ticket("postgres", self._db_host, login, timeout_s),
            "ldap_connect": self._ldap_connect,
            "ldap_rootdse": self._ldap_rootdse,
            "ldap_bind": self._ldap_bind,
            "ldap_simple_bind": self._ldap_simple_bind,
            "ldap_ntlm_bind": self._ldap_ntlm_bind,
            "ldap_own_entry": self._ldap_own_entry,
            "ldap_groups": self._ldap_groups,
            "ldap_token_groups": self._ldap_token_groups,
            "ldap_in_chain": self._ldap_in_chain,
            "http_negotiate": self._http_negotiate,
            "ehr_query": self._ehr_query,
            "db_connect": self._db_connect,
            "db_query": self._db_query,
        }
        if locating is not None:
            names = ("dns_srv_kerberos", "dns_srv_dc", "dns_a", "cldap_ping")
            self._takes |= {name: getattr(locating, name) for name in names}

    def new_login(self, user: str, tickets: TicketCache) -> LoginState:
        """The state of a login that has not begun."""
        target = self._target
        ehr = EhrSession(target.ehr, self._fronts, target.directory.ca_file) if target.ehr is not None else None
        database = DatabaseSession(target.database, self._databases) if target.database is not None else None
        order = tickets.controllers or self._controllers.listed
        return LoginState(user, tickets, DirectorySession(target.directory), ehr, database, order)

    def take(self, step: str, login: LoginState, timeout_s: float) -> int | None:
        """Take one step; when it ended (monotonic ns), where a thread knows that better than the caller.

        Raises StepFailedError.
        """
        kind = step.partition("_")[0]
        login.server = self._servers.get(kind, "")
        try:
            return self._takes[step](login, timeout_s)
        finally:
            if kind == "ldap":
                login.server = str(login.directory.controller.endpoint)
                if referrals := login.directory.new_referrals():
                    login.notes.append(f"{len(referrals)} referrals, not followed: {' '.join(referrals)}")
            login.tickets.controllers = login.order

    # Tickets. A step that waits for a KDC ends when its thread says so, which is before the caller wakes up.

    def _kdc_as(self, login: LoginState, timeout_s: float) -> int:
        if (cards := self._accounts.cards) is not None:
            login.notes.append(f"certificate {cards.by_user[login.user].certificate_bytes} B")
        with self._asking(login) as ask:
            return self._kerberos.initial_ticket(login.user, login.tickets, self._call(login, timeout_s), ask).ended

    def _ticket(self, service: str, host: str | None, login: LoginState, timeout_s: float) -> int:
        assert host is not None
        with self._asking(login) as ask:
            call = self._call(login, timeout_s)
            return self._kerberos.service_token(service, host, login.tickets, call, kdcs=ask)[1].ended

    def _kdc_tgs_ldap(self, login: LoginState, timeout_s: float) -> int:
        call, host = self._call(login, timeout_s), login.order[0].controller.service_host
        with self._asking(login) as ask:
            wish = Ask(flags=SEALING)
            context, done = self._kerberos.service_token("ldap", host, login.tickets, call, wish, ask)
        login.bind_begun = host, context, done.value
        return done.ended

    def _token(self, login: LoginState, service: str, host: str, wish: Ask, timeout_s: float) -> tuple[Any, bytes]:
        """A context by the ticket in the cache and its first token, for a server that has just asked for it."""
        call = self._call(login, timeout_s, opens_step=False)
        with self._asking(login, opens_step=False) as ask:
            context, token = self._kerberos.service_token(service, host, login.tickets, call, wish, ask)
        return context, token.value

    @contextmanager
    def _asking(self, login: LoginState, opens_step: bool = True) -> Iterator[KdcAsk]:
        """Of several KDCs the login's own controller is asked first; a step of the KDC's shows which one answered."""
        ask = KdcAsk(login.order[0].address)
        try:
            yield ask
        finally:
            if ask.said:
                login.exchanges += ask.exchanges
                if opens_step:
                    login.server = ask.server

    def _call(self, login: LoginState, timeout_s: float, opens_step: bool = True) -> Call:
        """What a Kerberos exchange is run by; the login learns how long no thread took it up, and when one did.

        A step that the exchange opens begins only then; one that has begun on the wire before has its own beginning.
        """

        def call(function: Callable[[], T]) -> Timed[T]:
            taken_up: list[int] = []
            asked = time.monotonic_ns()
            deadline = asked + round(timeout_s * NS)

            def work() -> T:
                taken_up.append(time.monotonic_ns())
                if taken_up[0] > deadline:  # nobody waits for it any more
                    raise StepFailedError(TIMED_OUT)
                try:
                    return function()
                except krb5.Krb5Error as error:
                    if time.monotonic_ns() > deadline and kerberos_outcome(error.err_code).status == "denied":
                        self._denied_late.append(login.user)
                    raise

            try:
                return self._runtime.call(work, timeout_s)
            finally:
                login.pool_wait += (taken_up[0] if taken_up else time.monotonic_ns()) - asked
                if opens_step and taken_up:
                    login.first_taken = taken_up[0]

        return call

    # The directory.

    def _ldap_connect(self, login: LoginState, timeout_s: float) -> None:
        servers = [(it.controller, endpoint) for it in login.order for endpoint in it.endpoints]
        try:
            login.directory.connect(servers, timeout_s)
        finally:
            login.notes += login.directory.passed_over

    def _ldap_rootdse(self, login: LoginState, timeout_s: float) -> None:
        if host := reads.root_entry(login.directory, timeout_s):
            login.notes.append(host)

    def _ldap_bind(self, login: LoginState, timeout_s: float) -> None:
        asked = time.monotonic()
        begun, login.bind_begun = login.bind_begun, None
        host = login.directory.controller.service_host
        # Within TLS the token has to name the connection, and must not ask for a layer that Active Directory refuses.
        bindings = login.directory.bindings
        if begun is None or bindings is not None or begun[0] != host:
            # The ticket is in the cache, unless a warm clinician's has expired, or the connection is to another
            # controller than the ticket was for: else the AP-REQ is built without the KDC.
            wish = Ask(flags=SEALING) if bindings is None else Ask(bindings=bindings)
            call = self._call(login, timeout_s)
            with self._asking(login, opens_step=False) as ask:
                context, done = self._kerberos.service_token("ldap", host, login.tickets, call, wish, ask)
            begun = host, context, done.value
        left = timeout_s - (time.monotonic() - asked)
        login.agreed.append(login.directory.bind_gssapi(*begun[1:], left))

    def _ldap_simple_bind(self, login: LoginState, timeout_s: float) -> None:
        login.directory.bind_simple(login.name, self._accounts.passwords[login.user].reveal(), timeout_s)

    def _ldap_ntlm_bind(self, login: LoginState, timeout_s: float) -> None:
        bindings, password = login.directory.bindings, self._accounts.passwords[login.user]
        channel = None if bindings is None else bindings.application_data
        context = NtlmContext(
            self._target.realm, login.name, password, login.directory.controller.service_host, channel
        )
        login.agreed.append(login.directory.bind_ntlm(context, timeout_s))

    def _ldap_own_entry(self, login: LoginState, timeout_s: float) -> None:
        login.entry = reads.own_entry(login.directory, self._target.directory, login.name, timeout_s)

    def _ldap_groups(self, login: LoginState, timeout_s: float) -> None:
        if self._target.directory.schema_kind == "ad":
            return self._ldap_token_groups(login, timeout_s)
        assert login.entry is not None
        login.groups = reads.nested_groups(login.directory, self._target.directory, login.entry, login.name, timeout_s)

    def _ldap_token_groups(self, login: LoginState, timeout_s: float) -> None:
        assert login.entry is not None
        login.groups = reads.token_groups(login.directory, login.entry, timeout_s)

    def _ldap_in_chain(self, login: LoginState, timeout_s: float) -> None:
        assert login.entry is not None
        group = reads.in_chain(login.directory, login.entry, login.groups, timeout_s)
        login.notes.append(group or "0 nested groups")

    # The EHR.

    def _http_negotiate(self, login: LoginState, timeout_s: float) -> None:
        page = self._ehr(login).front(partial(self._spnego, login), timeout_s)
        login.agreed.append("mutual" if page.mutual else "server not authenticated")

    def _ehr_query(self, login: LoginState, timeout_s: float) -> None:
        page = self._ehr(login).chart(partial(self._spnego, login), timeout_s)
        if f"{login.name}@{self._target.realm}".encode() not in page.body:
            raise StepFailedError(Outcome("error", "PRINCIPAL_MISSING"))

    @staticmethod
    def _ehr(login: LoginState) -> EhrSession:
        assert login.ehr is not None
        return login.ehr

    def _spnego(self, login: LoginState, bindings: Any, timeout_s: float) -> tuple[Any, bytes]:
        return self._token(login, "HTTP", self._ehr_host, Ask(mech=SPNEGO_MECH, bindings=bindings), timeout_s)

    # The database.

    def _db_connect(self, login: LoginState, timeout_s: float) -> None:
        assert login.database is not None
        login.database.connect(login.name, partial(self._token, login, "postgres", self._db_host, PLAIN), timeout_s)

    def _db_query(self, login: LoginState, timeout_s: float) -> None:
        assert login.database is not None
        if login.database.principal(timeout_s) != f"{login.name}@{self._target.realm}":
            raise StepFailedError(Outcome("error", "PRINCIPAL_MISSING"))

    @property
    def _ehr_host(self) -> str:
        assert self._target.ehr is not None
        return self._target.ehr.service_host
