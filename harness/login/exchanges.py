"""What each step of a login does on the wire: every step's name, and the exchange that it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from harness.login.codes import REFUSED
from harness.login.controllers import Controllers
from harness.login.credentials import Accounts
from harness.login.http import EhrSession
from harness.login.kerberos.client import KerberosClient, TicketCache
from harness.login.kerberos.kdcs import KdcCarrier, Kdcs
from harness.login.kerberos.security_context import PLAIN, SEALING, SPNEGO_MECH, ContextWish
from harness.login.ldap import reads
from harness.login.ldap.ntlm import NtlmContext
from harness.login.ldap.session import DirectorySession
from harness.login.locating import Locating
from harness.login.net.clock import StepClock
from harness.login.postgres import DatabaseSession
from harness.login.runtime import TIMED_OUT, Runtime, StepFailedError
from harness.login.sso import SingleSignOnSession
from harness.login.sso_protocols import PROTOCOLS, Protocol
from harness.login.state import LoginState
from harness.login.unheard import Unheard
from harness.model.attempt import Outcome
from harness.model.endpoint import Addresses
from harness.model.steps import STEPS, Service
from harness.model.target import Target

BOUND = (
    "the bind names this TLS connection's certificate (channel binding, RFC 5929), so a directory refuses it where "
    "something between ends TLS by another one"
)
"""Beside a refusal whose reason a directory keeps to itself, as slapd does."""


class Exchanges:
    """The exchanges of one arm's logins, by the names of the steps.

    ``unheard`` takes in whose AS exchange ended at its deadline while a KDC might yet deny it.
    """

    def __init__(
        self,
        target: Target,
        accounts: Accounts,
        kerberos: KerberosClient,
        runtime: Runtime,
        addresses: Addresses,
        unheard: Unheard,
    ) -> None:
        self._unheard = unheard
        self._kdcs = Kdcs(target, addresses)
        self._target = target
        self._accounts = accounts
        self._kerberos = kerberos
        self._runtime = runtime
        front = "" if target.ehr is None else str(target.ehr.endpoint)
        kdc = str(target.kdcs[0]) if len(target.kdcs) == 1 else ""
        self._servers: dict[str, str] = {"kdc": kdc, "http": front, "ehr": front}
        if target.database is not None:
            self._servers["db"], self._db_host = str(target.database.endpoint), target.database.service_host
        self._sso_endpoints = {}
        if target.sso is not None:
            self._sso_endpoints = {key: it.endpoint.at(addresses) for key, it in target.sso.servers.items()}
            self._servers["idp"] = str(target.sso.provider.endpoint)
            for protocol in PROTOCOLS:
                if relying := target.sso.servers.get(protocol.relying):
                    self._servers |= dict.fromkeys(protocol.relying_steps, str(relying.endpoint))
        self._controllers = Controllers(target, addresses)
        self._fronts = target.ehr.endpoint.at(addresses) if target.ehr is not None else ()
        self._databases = target.database.endpoint.at(addresses) if target.database is not None else ()
        locating = Locating(target.dns, self._controllers) if target.dns is not None else None
        self._takes: dict[str, Callable[[LoginState], object]] = {
            "kdc_as": self._kdc_as,
            **{name: partial(self._ticket, step.ticket) for name, step in STEPS.items() if step.ticket is not None},
            "kdc_tgs_ldap": self._kdc_tgs_ldap,
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
            **{name: take for it in PROTOCOLS for name, take in self._signing_on(it).items()},
            "db_connect": self._db_connect,
            "db_query": self._db_query,
        }
        if locating is not None:
            names = ("dns_srv_kerberos", "dns_srv_dc", "dns_a", "cldap_ping")
            self._takes |= {name: getattr(locating, name) for name in names}

    def new_login(self, user: str, tickets: TicketCache) -> LoginState:
        """The state of a login that has not begun."""
        target = self._target
        clock, ca_file = StepClock(), target.directory.ca_file
        ehr = EhrSession(target.ehr, self._fronts, ca_file, clock) if target.ehr is not None else None
        database = DatabaseSession(target.database, self._databases, clock) if target.database is not None else None
        order = tickets.controllers or self._controllers.listed
        notes: list[str] = []
        sso = None
        if target.sso is not None:
            sso = SingleSignOnSession(target.sso, self._sso_endpoints, ca_file, clock, notes)
        directory = DirectorySession(target.directory, clock)
        return LoginState(user, tickets, clock, directory, ehr, sso, database, order, notes=notes)

    def take(self, step: str, login: LoginState) -> None:
        """Take one step, within the deadline of the login's clock; raises StepFailedError."""
        kind = STEPS[step].kind
        login.server = self._servers.get(step) or self._servers.get(kind, "")
        try:
            self._takes[step](login)
        finally:
            if kind == "ldap":
                login.server = str(login.directory.controller.endpoint)
                if referrals := login.directory.new_referrals():
                    login.notes.append(f"{len(referrals)} referrals, not followed: {' '.join(referrals)}")
            login.tickets.controllers = login.order

    # Tickets.

    def _kdc_as(self, login: LoginState) -> None:
        if (cards := self._accounts.cards) is not None:
            login.notes.append(f"certificate {cards.by_user[login.user].certificate_bytes} B")
        with self._carrier(login) as carrier:
            try:
                self._kerberos.initial_ticket(login.user, login.tickets, carrier, partial(self._compute, login))
            except StepFailedError:
                if carrier.unheard:
                    self._unheard.add(login.user, carrier)
                raise

    def _ticket(self, service: Service, login: LoginState) -> None:
        host = self._target.host_of(service)
        assert host is not None
        with self._carrier(login) as carrier:
            self._kerberos.service_token(service.name, host, login.tickets, carrier)

    def _kdc_tgs_ldap(self, login: LoginState) -> None:
        host = login.order[0].controller.service_host
        with self._carrier(login) as carrier:
            wish = ContextWish(flags=SEALING)
            login.bind_begun = host, *self._kerberos.service_token("ldap", host, login.tickets, carrier, wish)

    def _token(self, login: LoginState, service: str, host: str, wish: ContextWish) -> tuple[Any, bytes]:
        """A context by the ticket in the cache and its first token, for a server that has just asked for it."""
        with self._carrier(login, opens_step=False) as carrier:
            return self._kerberos.service_token(service, host, login.tickets, carrier, wish)

    @contextmanager
    def _carrier(self, login: LoginState, opens_step: bool = True) -> Iterator[KdcCarrier]:
        """Of several KDCs the login's own controller is asked first; a step of the KDC's shows which one answered."""
        carrier = self._kdcs.carrier(login.clock, login.order[0].address)
        try:
            yield carrier
        finally:
            login.carriers.append(carrier)
            if opens_step:
                login.server = carrier.server or login.server

    def _compute(self, login: LoginState, function: Callable[[], None]) -> None:
        """Run in a thread what computes for milliseconds; the login learns how long no thread took it up."""
        asked = time.monotonic_ns()
        taken_up: list[int] = []

        def work() -> None:
            taken_up.append(time.monotonic_ns())
            if login.clock.over:  # nobody waits for it any more
                raise StepFailedError(TIMED_OUT)
            function()

        try:
            self._runtime.call(work, login.clock.left_s())
        finally:
            login.pool_wait += (taken_up[0] if taken_up else time.monotonic_ns()) - asked

    # The directory.

    def _ldap_connect(self, login: LoginState) -> None:
        servers = [(it.controller, endpoint) for it in login.order for endpoint in it.endpoints]
        try:
            login.directory.connect(servers)
            login.handshake = str(login.directory.tls or "")
        finally:
            login.notes += login.directory.passed_over

    def _ldap_rootdse(self, login: LoginState) -> None:
        if host := reads.root_entry(login.directory):
            login.notes.append(host)

    def _ldap_bind(self, login: LoginState) -> None:
        begun, login.bind_begun = login.bind_begun, None
        host = login.directory.controller.service_host
        # Within TLS the token has to name the connection, and must not ask for a layer that Active Directory refuses.
        bindings = login.directory.bindings
        if begun is None or bindings is not None or begun[0] != host:
            # The ticket is in the cache, unless a warm clinician's has expired, or the connection is to another
            # controller than the ticket was for: else the AP-REQ is built without the KDC.
            wish = ContextWish(flags=SEALING) if bindings is None else ContextWish(bindings=bindings)
            begun = host, *self._token(login, "ldap", host, wish)
        try:
            login.agreed.append(login.directory.bind_gssapi(*begun[1:]))
        except StepFailedError as failure:
            if bindings is not None and failure.outcome.code.startswith(REFUSED):
                login.notes.append(BOUND)
            raise

    def _ldap_simple_bind(self, login: LoginState) -> None:
        login.directory.bind_simple(login.name, self._accounts.passwords[login.user].reveal())

    def _ldap_ntlm_bind(self, login: LoginState) -> None:
        bindings, password = login.directory.bindings, self._accounts.passwords[login.user]
        channel = None if bindings is None else bindings.application_data
        context = NtlmContext(
            self._target.realm, login.name, password, login.directory.controller.service_host, channel
        )
        login.agreed.append(login.directory.bind_ntlm(context))

    def _ldap_own_entry(self, login: LoginState) -> None:
        login.entry = reads.own_entry(login.directory, self._target.directory, login.name)

    def _ldap_groups(self, login: LoginState) -> None:
        if self._target.directory.schema_kind == "ad":
            return self._ldap_token_groups(login)
        assert login.entry is not None
        login.groups = reads.nested_groups(login.directory, self._target.directory, login.entry, login.name)

    def _ldap_token_groups(self, login: LoginState) -> None:
        assert login.entry is not None
        login.groups = reads.token_groups(login.directory, login.entry)

    def _ldap_in_chain(self, login: LoginState) -> None:
        assert login.entry is not None
        group = reads.in_chain(login.directory, login.entry, login.groups)
        login.notes.append(group or "0 nested groups")

    # The EHR.

    def _http_negotiate(self, login: LoginState) -> None:
        page = self._ehr(login).front(partial(self._spnego, login, self._ehr_host))
        login.agreed.append("mutual" if page.mutual else "server not authenticated")

    def _ehr_query(self, login: LoginState) -> None:
        page = self._ehr(login).chart(partial(self._spnego, login, self._ehr_host))
        if f"{login.name}@{self._target.realm}".encode() not in page.body:
            raise StepFailedError(Outcome("error", "PRINCIPAL_MISSING"))

    @staticmethod
    def _ehr(login: LoginState) -> EhrSession:
        assert login.ehr is not None
        return login.ehr

    def _spnego(self, login: LoginState, host: str, bindings: Any) -> tuple[Any, bytes]:
        return self._token(login, "HTTP", host, ContextWish(mech=SPNEGO_MECH, bindings=bindings))

    # Single sign-on.

    def _signing_on(self, protocol: Protocol) -> dict[str, Callable[[LoginState], object]]:
        start, authenticate, proven, page = protocol.steps
        return {
            start: lambda login: self._sso(login).start(protocol),
            authenticate: self._sso_authenticate,
            proven: lambda login: self._sso(login).callback(),
            page: lambda login: self._sso(login).page(),
        }

    def _sso_authenticate(self, login: LoginState) -> None:
        assert self._target.sso is not None
        host = self._target.sso.provider.service_host
        mutual = self._sso(login).authorize(partial(self._spnego, login, host))
        login.agreed.append("mutual" if mutual else "server not authenticated")

    @staticmethod
    def _sso(login: LoginState) -> SingleSignOnSession:
        assert login.sso is not None
        return login.sso

    # The database.

    def _db_connect(self, login: LoginState) -> None:
        assert login.database is not None
        login.database.connect(login.name, partial(self._token, login, "postgres", self._db_host, PLAIN))

    def _db_query(self, login: LoginState) -> None:
        assert login.database is not None
        if login.database.principal() != f"{login.name}@{self._target.realm}":
            raise StepFailedError(Outcome("error", "PRINCIPAL_MISSING"))

    @property
    def _ehr_host(self) -> str:
        assert self._target.ehr is not None
        return self._target.ehr.service_host
