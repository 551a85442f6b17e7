"""The Kerberos steps by MIT libkrb5, a real client: pre-authentication, PKINIT, keys, tickets, tokens.

libkrb5 makes and reads the messages; a KdcCarrier sends them, so that nothing here waits by itself, and GSS-API finds
every ticket in the cache (the process's krb5.conf names no KDC that it could ask). What computes for milliseconds, a
password's key or a card's signature, is handed to the caller's thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import gssapi
import krb5

from harness.errors import CredentialError, KdcUnavailableError
from harness.login.codes import DEMANDS_FAST, kerberos_outcome
from harness.login.controllers import Order
from harness.login.credentials import Accounts
from harness.login.kerberos.answers import KeyInfo, chosen_key, demands_fast, enctype_name, ticket_enctype
from harness.login.kerberos.armor import ArmorTicket
from harness.login.kerberos.kdcs import KdcCarrier
from harness.login.kerberos.keytab import read_keytab
from harness.login.kerberos.libkrb5 import (
    ENTERPRISE,
    Context,
    InitialExchange,
    LibraryError,
    Principal,
    Step,
    get_ticket,
    here,
)
from harness.login.kerberos.security_context import PLAIN, ContextWish, SecurityContext
from harness.login.names import is_upn, principal_of
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.cohort import Authentication
from harness.model.credentials import Armor
from harness.model.protocol import TicketFacts

FAILURES_NAMED = 3
_KEY_NOT_FOUND = Outcome("error", "KRB5_KT_NOTFOUND")
_cache_numbers = itertools.count(1)
_keytab_numbers = itertools.count(1)


class TicketCache:
    """A MEMORY ticket cache of one login, destroyed after it (a warm clinician's lives on)."""

    __slots__ = ("_context", "client", "controllers", "filled", "name")

    def __init__(self, context: krb5.Context) -> None:
        self.name = f"MEMORY:authgate-{next(_cache_numbers)}"
        self._context = context
        self.filled = False
        self.controllers: Order = ()
        """The domain controllers that the workstation has found, which it remembers as long as the tickets."""
        self.client = ""
        """Whose they are in the realm, by the KDC's word; empty until it has spoken."""

    def tickets(self) -> tuple[TicketFacts, ...]:
        """The facts of every ticket in the cache, in the order in which they were obtained."""
        if not self.filled:
            return ()
        found = []
        for credentials in krb5.cc_resolve(self._context, self.name.encode()):
            service = (credentials.server.name or b"").decode()
            if not service.endswith("@X-CACHECONF:"):
                session, ticket = credentials.keyblock.enctype, ticket_enctype(credentials.ticket)
                found.append(TicketFacts(service, enctype_name(session), len(credentials.ticket), enctype_name(ticket)))
        return tuple(found)

    def close(self) -> None:
        """Destroy the cache; a second call does nothing."""
        if self.filled:
            self.filled = False
            krb5.cc_destroy(self._context, krb5.cc_resolve(self._context, self.name.encode()))


class _KeyInfoFound(Exception):  # noqa: N818 - what was looked for, and no error
    def __init__(self, info: KeyInfo) -> None:
        super().__init__()
        self.info = info


class KerberosClient:
    """The Kerberos client of one arm's clinicians."""

    def __init__(
        self, realm: str, accounts: Accounts, authentication: Authentication, armor: Armor | None = None
    ) -> None:
        if authentication == "password" and accounts.keytab is not None:
            raise CredentialError("authentication: password needs credentials.csv or credentials.env, got a keytab")
        self._realm = realm
        self._accounts = accounts
        self._authentication = authentication
        self._keytabs: dict[str, krb5.KeyTab] = {}
        self._given = None if accounts.keytab is None else read_keytab(accounts.keytab)
        self._armor = None if armor is None else ArmorTicket(armor, realm)
        if armor is not None and self._armor is not None and not self._armor.has_key:
            raise CredentialError(f"{armor.keytab}: expected a key of {armor.principal}@{realm} (armor), got none")
        self._name = f"MEMORY:authgate-{next(_keytab_numbers)}"
        """Two clients of one process, as of two arms, may know other keys of the same user."""
        self._context = Context()
        self._keys = krb5.init_context()  # python-krb5's, for keytabs and caches

    @property
    def computes(self) -> bool:
        """Whether a login's AS exchange computes for milliseconds, and so belongs into a thread."""
        return self._authentication != "key"

    def derive_keys(self, users: Iterable[str], carrier: Callable[[], KdcCarrier], run: Step = here) -> None:
        """Give each user a MEMORY keytab, so that string-to-key (some ms, the workstation's own) is not in a login.

        From passwords, the salt and parameters are the KDC's own answer (RFC 4120 §5.2.7.5), one exchange a user, which
        is no attempt at a password; ``carrier`` makes what carries it, within a deadline of its own. Raises
        CredentialError with the first users that have no key: KdcUnavailableError where the fault is the KDC's, which a
        later login asks again. The ticket that armours logins is obtained first.
        """
        if self._armor is not None:
            self._obtain_armor(self._armor, carrier())
        if self._authentication != "key":
            return
        failures: dict[str, Outcome] = {}
        for user in users:
            try:
                self._keytabs[user] = self._key_of(user, carrier(), run)
            except krb5.Krb5Error as error:
                failures[user] = kerberos_outcome(error.err_code)
            except StepFailedError as failure:
                failures[user] = failure.outcome
            if len(failures) >= FAILURES_NAMED:
                break
        if failures:
            theirs = self._accounts.keytab is not None or any(it.status == "denied" for it in failures.values())
            named = "; ".join(f"{user}: {_told(outcome)}" for user, outcome in failures.items())
            kind = CredentialError if theirs else KdcUnavailableError
            raise kind(f"realm {self._realm}: no key for {named}")

    def _obtain_armor(self, armor: ArmorTicket, carrier: KdcCarrier) -> None:
        try:
            armor.cache(carrier)
        except StepFailedError as failure:
            told = _told(failure.outcome)
            kind = CredentialError if armor.refused else KdcUnavailableError
            raise kind(f"realm {self._realm}: no ticket for the workstation that armours logins: {told}") from None

    def _key_of(self, user: str, carrier: KdcCarrier, run: Step) -> krb5.KeyTab:
        context = self._keys
        principal = principal_of(context, user, self._realm)
        keytab = krb5.kt_resolve(context, self._keytab_name(user).encode())
        if self._given is not None:
            if not self._given.copy_to(context, keytab, principal):
                raise StepFailedError(_KEY_NOT_FOUND)
            return keytab
        password = self._accounts.passwords[user].reveal().encode()
        info = self._key_info(user, carrier)
        salt = info.salt if info.salt is not None else (self._realm + user.replace("/", "")).encode()
        derived: list[bytes] = []
        with _outcomes():
            run(lambda: derived.append(self._context.derive_key(info.enctype, password, salt, info.parameters)))
        key = krb5.init_keyblock(context, info.enctype, derived[0])
        krb5.kt_add_entry(context, keytab, principal, 1, 0, key)
        return keytab

    def _key_info(self, user: str, carrier: KdcCarrier) -> KeyInfo:
        """How the user's key is derived, by the KDC's answer to a request without pre-authentication."""

        def carry(request: bytes, tcp_only: bool, realm: str) -> bytes:
            answer = carrier.carry(request, tcp_only, realm)
            try:
                info = chosen_key(request, answer)
            except ValueError:
                raise StepFailedError(Outcome("error", "KDC_MALFORMED")) from None
            if info is not None:
                raise _KeyInfoFound(info)
            return answer

        try:
            with _outcomes():
                InitialExchange(self._context, self._principal(user), canonicalize=is_upn(user)).run(carry)
        except _KeyInfoFound as found:
            return found.info
        raise StepFailedError(Outcome("error", "NO_KEY_INFORMATION"))

    def new_cache(self) -> TicketCache:
        """An empty ticket cache."""
        return TicketCache(self._keys)

    def initial_ticket(self, user: str, cache: TicketCache, carrier: KdcCarrier, run: Step = here) -> None:
        """The AS exchange with encrypted time stamp or smart card (two round trips either way); fills the cache.

        ``run`` runs what computes for long. Raises StepFailedError.
        """
        heard: list[bytes] = []

        def carry(request: bytes, tcp_only: bool, realm: str) -> bytes:
            heard[:] = [carrier.carry(request, tcp_only, realm)]
            return heard[0]

        try:
            with _outcomes(heard):
                exchange = self._exchange(user, carrier, run)
                exchange.run(carry, run if self.computes else here)
                exchange.store(cache.name)
                cache.filled = True
        except StepFailedError:
            if self._authentication != "smart-card" and heard and demands_fast(heard[-1]):
                raise StepFailedError(DEMANDS_FAST) from None
            raise
        owner = krb5.cc_get_principal(self._keys, krb5.cc_resolve(self._keys, cache.name.encode()))
        cache.client = b"/".join(owner.components).decode(errors="replace")

    def _exchange(self, user: str, carrier: KdcCarrier, run: Step) -> InitialExchange:
        armor = "" if self._armor is None else self._armor.cache(carrier)
        if (cards := self._accounts.cards) is not None and self._authentication == "smart-card":
            context = Context()  # of its own, in which the plugin keeps its card; made, with the plugin, in 0.3 ms
            return InitialExchange(context, self._principal(user, context), cards.settings(user), is_upn(user), armor)
        if self._authentication == "key":
            if user not in self._keytabs:
                self._keytabs[user] = self._key_of(user, carrier, run)  # no KDC would say when keys were derived
            exchange = InitialExchange(self._context, self._principal(user), canonicalize=is_upn(user), armor=armor)
            exchange.by_keytab(self._keytab_name(user))
            return exchange
        context = Context()  # of its own, since a thread has it meanwhile
        exchange = InitialExchange(context, self._principal(user, context), canonicalize=is_upn(user), armor=armor)
        exchange.by_password(self._accounts.passwords[user].reveal())
        return exchange

    def service_token(
        self, service: str, host: str, cache: TicketCache, carrier: KdcCarrier, wish: ContextWish = PLAIN
    ) -> tuple[SecurityContext, bytes]:
        """A GSS-API context for ``service@host`` and its first token; a TGS exchange where the cache has no ticket.

        Raises StepFailedError.
        """
        with _outcomes():
            wanted = self._context.service(f"{service}/{host}@{self._realm}")
            get_ticket(self._context, cache.name, wanted, carrier.carry)
            context = SecurityContext(service, host, cache.name, wish)
            return context, context.step()

    def _principal(self, user: str, context: Context | None = None) -> Principal:
        return (context or self._context).principal(f"{user}@{self._realm}", ENTERPRISE if is_upn(user) else 0)

    def _keytab_name(self, user: str) -> str:
        return f"{self._name}-{user}"


@contextmanager
def _outcomes(heard: Sequence[bytes] = ()) -> Iterator[None]:
    """libkrb5's and GSS-API's errors as a step's outcome; what was ``heard`` last of a KDC may say why."""
    try:
        yield
    except LibraryError as error:
        raise StepFailedError(kerberos_outcome(error.code, heard[-1] if heard else b"")) from None
    except gssapi.exceptions.GSSError as error:
        raise StepFailedError(kerberos_outcome(error.min_code)) from None


def _told(outcome: Outcome) -> str:
    return f"timeout {outcome.code}" if outcome.status == "timeout" else outcome.code
