"""The Kerberos steps by MIT libkrb5, a real client: pre-authentication, KDC fail-over, UDP to TCP, retries.

Only what may wait for a KDC goes to a Runtime's thread, and as one C call: each return into Python there has to win
the interpreter's lock back from the hub, which would be read as the KDC's time. ``krb5`` has no call for a TGS
exchange: the first step of a GSS-API context on a cache without the service's ticket does TGS and builds the AP-REQ.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gssapi
import gssapi.raw
import krb5

from harness.errors import CredentialError, KdcUnavailableError
from harness.login.codes import kerberos_outcome
from harness.login.controllers import Order
from harness.login.credentials import Accounts
from harness.login.kerberos.answers import LastAnswer
from harness.login.kerberos.kdcs import KdcAsk, KdcContexts
from harness.login.kerberos.keytab import read_keytab
from harness.login.names import is_upn, principal_of
from harness.login.net import der
from harness.login.runtime import StepFailedError, Timed
from harness.model.attempt import Outcome
from harness.model.cohort import Authentication
from harness.model.protocol import TicketFacts

Call = Callable[[Callable[[], Any]], Timed[Any]]
"""Runs what may block, within the step's deadline: Runtime.call without its deadline."""

KRB5_MECH = gssapi.MechType.kerberos
SPNEGO_MECH = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
"""RFC 4178."""
_MUTUAL = gssapi.RequirementFlag.mutual_authentication
SEALING = _MUTUAL | gssapi.RequirementFlag.integrity | gssapi.RequirementFlag.confidentiality
FAILURES_NAMED = 3
_KEY_NOT_FOUND = Outcome("error", "KRB5_KT_NOTFOUND")
_cache_numbers = itertools.count(1)
_keytab_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a context is to be like: its mechanism and flags, and the channel that it is bound to."""

    mech: Any = KRB5_MECH
    flags: Any = _MUTUAL
    bindings: Any = None


PLAIN = Ask()


class TicketCache:
    """A MEMORY ticket cache of one login, destroyed after it (a warm clinician's lives on)."""

    __slots__ = ("_ccache", "_context", "client", "controllers", "name")

    def __init__(self, context: krb5.Context) -> None:
        self.name = f"MEMORY:authgate-{next(_cache_numbers)}"
        self._context = context
        self._ccache: krb5.CCache | None = None
        self.controllers: Order = ()
        """The domain controllers that the workstation has found, which it remembers as long as the tickets."""
        self.client = ""
        """Whose they are in the realm, by the KDC's word; empty until it has spoken."""

    def fill(self, credentials: krb5.Creds) -> None:
        """Keep the credentials of an AS exchange."""
        principal = credentials.client  # another than was asked for, where that was an enterprise name
        self._ccache = krb5.cc_resolve(self._context, self.name.encode())
        krb5.cc_initialize(self._context, self._ccache, principal)
        krb5.cc_store_cred(self._context, self._ccache, credentials)
        self.client = b"/".join(principal.components).decode(errors="replace")

    def tickets(self) -> tuple[TicketFacts, ...]:
        """The facts of every ticket in the cache, in the order in which they were obtained."""
        if self._ccache is None:
            return ()
        found = []
        for credentials in self._ccache:
            service = (credentials.server.name or b"").decode()
            if not service.endswith("@X-CACHECONF:"):
                session, ticket = credentials.keyblock.enctype, ticket_enctype(credentials.ticket)
                found.append(
                    TicketFacts(service, _enctype_name(session), len(credentials.ticket), _enctype_name(ticket))
                )
        return tuple(found)

    def close(self) -> None:
        """Destroy the cache; a second call does nothing."""
        ccache, self._ccache = self._ccache, None
        if ccache is not None:
            krb5.cc_destroy(self._context, ccache)


class KerberosClient:
    """The Kerberos client of one arm's clinicians; ``kdcs`` where its logins choose among several.

    With ``last_answer`` the outcome of a login says why the KDC refused it, at the price of its time.
    """

    def __init__(
        self,
        realm: str,
        accounts: Accounts,
        authentication: Authentication,
        kdcs: KdcContexts | None = None,
        last_answer: LastAnswer | None = None,
    ) -> None:
        if authentication == "password" and accounts.keytab is not None:
            raise CredentialError("authentication: password needs credentials.csv or credentials.env, got a keytab")
        self._realm = realm
        self._kdcs = kdcs
        self._last_answer = last_answer
        self._accounts = accounts
        self._authentication = authentication
        self._keytabs: dict[str, krb5.KeyTab] = {}
        self._given = None if accounts.keytab is None else read_keytab(accounts.keytab)
        # A libkrb5 context serves one thread at a time and costs a parse of the configuration, so they are lent out.
        self._contexts: list[krb5.Context] = []
        self._own = krb5.init_context()  # for the caller's own thread, which never waits in it
        # By whether the KDC is asked whom it knows by the name, as Active Directory has to be of a user principal name.
        self._options = {asked: _options(self._own, asked) for asked in (False, True)}

    def derive_keys(self, users: Sequence[str], call: Callable[[Callable[[], None]], object]) -> None:
        """Give each user a MEMORY keytab, so that string-to-key (some ms, the workstation's own) is not in a login.

        From passwords, the salt and parameters are the KDC's own answer (RFC 4120 §5.2.7.5), one exchange a user, which
        is no attempt at a password. ``call`` runs a blocking function. Raises CredentialError with the first users
        that have no key: KdcUnavailableError where the fault is the KDC's, which a later login asks again.
        """
        if self._authentication != "key":
            return
        derived: dict[tuple[str, bytes, bytes, int], krb5.KeyBlock] = {}
        failures: dict[str, Outcome] = {}

        def one(user: str) -> None:
            try:
                self._keytabs[user] = self._key_of(user, derived)
            except krb5.Krb5Error as error:
                failures[user] = kerberos_outcome(error.err_code)

        for user in users:
            try:
                call(lambda user=user: one(user))  # type: ignore[misc]
            except StepFailedError as failure:
                failures[user] = failure.outcome
            if len(failures) >= FAILURES_NAMED:
                break
        if failures:
            theirs = self._accounts.keytab is not None or any(it.status == "denied" for it in failures.values())
            named = "; ".join(f"{user}: {_told(outcome)}" for user, outcome in failures.items())
            kind = CredentialError if theirs else KdcUnavailableError
            raise kind(f"realm {self._realm}: no key for {named}")

    def _key_of(
        self, user: str, derived: dict[tuple[str, bytes, bytes, int], krb5.KeyBlock], kdcs: KdcAsk | None = None
    ) -> krb5.KeyTab:
        with self._context(kdcs) as context:
            principal = self._principal(context, user)
            # A name of its own: two clients of one process, as of two arms, may know other keys of the same user.
            keytab = krb5.kt_resolve(context, f"MEMORY:authgate-{next(_keytab_numbers)}".encode())
            if self._given is not None:
                if not self._given.copy_to(context, keytab, principal):
                    raise StepFailedError(_KEY_NOT_FOUND)
                return keytab
            password = self._accounts.passwords[user].reveal()
            info = krb5.get_etype_info(context, principal, krb5.get_init_creds_opt_alloc(context))
            parameters = info.s2kparams or None
            key = (password, info.salt or b"", parameters or b"", info.etype)
            if key not in derived:
                derived[key] = krb5.c_string_to_key(
                    context, info.etype, password.encode(), info.salt or b"", parameters
                )
            krb5.kt_add_entry(context, keytab, principal, 1, 0, derived[key])
            return keytab

    def new_cache(self) -> TicketCache:
        """An empty ticket cache."""
        return TicketCache(self._own)

    def initial_ticket(self, user: str, cache: TicketCache, call: Call, kdcs: KdcAsk | None = None) -> Timed[Any]:
        """The AS exchange with encrypted time stamp or smart card (two round trips either way); fills the cache.

        By card the KDCs are asked in the order of the target. Raises StepFailedError.
        """
        principal = self._principal(self._own, user)

        def exchange() -> krb5.Creds:
            if self._authentication == "key" and user not in self._keytabs:
                self._keytabs[user] = self._key_of(user, {}, kdcs)  # no KDC would say when the keys were derived
            if (cards := self._accounts.cards) is not None:
                context = krb5.init_context()  # of its own; made, with the plugin in it, in 0.3 ms
                return krb5.get_init_creds_password(context, principal, cards.options(context, user))
            options = self._options[is_upn(user)]
            with self._context(kdcs) as context:
                if self._last_answer is not None:
                    self._last_answer.listen(context)
                if self._authentication == "key":
                    return krb5.get_init_creds_keytab(context, principal, options, self._keytabs[user])
                password = self._accounts.passwords[user].reveal().encode()
                return krb5.get_init_creds_password(context, principal, options, password)

        try:
            done = call(exchange)
            cache.fill(done.value)
        except krb5.Krb5Error as error:
            answer = b"" if self._last_answer is None else self._last_answer.message
            raise StepFailedError(kerberos_outcome(error.err_code, answer)) from None
        return done

    def service_token(
        self, service: str, host: str, cache: TicketCache, call: Call, ask: Ask = PLAIN, kdcs: KdcAsk | None = None
    ) -> tuple[Any, Timed[bytes]]:
        """A GSS-API context for ``service@host`` and its first token; a TGS exchange where the cache has no ticket.

        Raises StepFailedError.
        """
        try:
            acquired = gssapi.raw.acquire_cred_from(
                store={b"ccache": cache.name.encode()}, mechs=[ask.mech], usage="initiate"
            )
            context = gssapi.SecurityContext(
                name=gssapi.Name(f"{service}@{host}", gssapi.NameType.hostbased_service),
                mech=ask.mech,
                creds=gssapi.Credentials(acquired.creds),
                usage="initiate",
                flags=ask.flags,
                channel_bindings=ask.bindings,
            )
            if self._kdcs is None:
                return context, call(context.step)
            name = f"{service}/{host}@{self._realm}"
            token, ended = call(lambda: self._ticket_and_token(context, cache, name, kdcs or KdcAsk())).value
            return context, Timed(token, ended)
        except gssapi.exceptions.GSSError as error:
            raise StepFailedError(kerberos_outcome(error.min_code)) from None

    def _ticket_and_token(self, context: Any, cache: TicketCache, service: str, ask: KdcAsk) -> tuple[bytes, int]:
        """The first token, and when (monotonic ns) its ticket was there; the two in one visit to a thread."""
        assert self._kdcs is not None
        lent = self._kdcs.take(ask)
        try:
            code = lent.get_ticket(cache.name, service)
            ended = time.monotonic_ns()
        finally:
            self._kdcs.give_back(ask, lent)
        if code:
            raise StepFailedError(kerberos_outcome(code))
        return context.step(), ended

    def _principal(self, context: krb5.Context, user: str) -> krb5.Principal:
        return principal_of(context, user, self._realm)

    @contextmanager
    def _context(self, ask: KdcAsk | None = None) -> Iterator[krb5.Context]:
        if self._kdcs is not None and ask is not None:
            lent = self._kdcs.take(ask)
            try:
                yield lent.context
            finally:
                self._kdcs.give_back(ask, lent)
            return
        try:
            context = self._contexts.pop()  # atomic under the interpreter's lock, as append is
        except IndexError:
            context = krb5.init_context()
        try:
            yield context
        finally:
            self._contexts.append(context)


def _options(context: krb5.Context, canonicalize: bool) -> Any:
    options = krb5.get_init_creds_opt_alloc(context)
    krb5.get_init_creds_opt_set_forwardable(options, True)
    krb5.get_init_creds_opt_set_canonicalize(options, canonicalize)
    return options


def ticket_enctype(ticket: bytes) -> int:
    """The encryption type of a Ticket's enc-part (RFC 4120 §5.3 and §5.2.9); raises ValueError."""
    return der.decode(der.decode(ticket).content).field(3).field(0).number()


def _enctype_name(enctype: int) -> str:
    try:
        return krb5.enctype_to_name(enctype)
    except (krb5.Krb5Error, ValueError):  # the service's own business: this client need not know it
        return f"enctype {enctype}"


def _told(outcome: Outcome) -> str:
    return f"timeout {outcome.code}" if outcome.status == "timeout" else outcome.code
