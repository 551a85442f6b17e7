"""The ticket under which a workstation's AS exchanges are armoured (FAST, RFC 6113 §5.4): its own account's."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import krb5

from harness.login.codes import ARMOR_FAILED, kerberos_outcome
from harness.login.kerberos.kdcs import KdcCarrier
from harness.login.kerberos.keytab import read_keytab
from harness.login.kerberos.libkrb5 import Context, InitialExchange, LibraryError
from harness.login.names import principal_of
from harness.login.runtime import StepFailedError
from harness.login.secret_files import private_file
from harness.model.attempt import Outcome
from harness.model.credentials import Armor

_numbers = itertools.count(1)


class ArmorTicket:
    """The workstation's ticket-granting ticket in a MEMORY cache, which a domain member has before anybody logs in.

    One for all logins of an arm in a process; it is renewed at half of its life. A workstation that was refused is not
    asked for again, since every login would count one wrong password more against it.
    """

    def __init__(self, armor: Armor, realm: str) -> None:
        self._principal = f"{armor.principal}@{realm}"
        self._keys = krb5.init_context()
        self._context = Context()
        self._name = f"MEMORY:authgate-armor-{next(_numbers)}"
        self._keytab = krb5.kt_resolve(self._keys, self._name.encode())
        principal = principal_of(self._keys, armor.principal, realm)
        path = private_file(Path(armor.keytab))
        self.has_key = bool(read_keytab(path).copy_to(self._keys, self._keytab, principal))
        self._cache = ""
        self._renew_at = 0.0
        self._asking = False
        self._refused: Outcome | None = None

    @property
    def refused(self) -> bool:
        """Whether the KDC refuses the workstation."""
        return self._refused is not None

    def cache(self, carrier: KdcCarrier) -> str:
        """The name of the cache with the ticket, obtained or renewed first where need be; raises StepFailedError."""
        if self._refused is not None:
            raise StepFailedError(self._refused)
        if not self._cache or (time.monotonic() > self._renew_at and not self._asking):
            self._asking = True
            try:
                self._obtain(carrier)
            finally:
                self._asking = False
        return self._cache

    def _obtain(self, carrier: KdcCarrier) -> None:
        exchange = InitialExchange(self._context, self._context.principal(self._principal))
        # Of its own, since others may be reading the one before; there are a few in a day.
        cache = f"{self._name}-{next(_numbers)}"
        try:
            exchange.by_keytab(self._name)
            exchange.run(carrier.carry)
            exchange.store(cache)
        except LibraryError as error:
            found = kerberos_outcome(error.code)
            outcome = Outcome("error", f"{ARMOR_FAILED} {found.code}")
            if found.status == "denied":
                self._refused = outcome
            raise StepFailedError(outcome) from None
        (ticket,) = krb5.cc_resolve(self._keys, cache.encode())
        self._cache = cache
        self._renew_at = time.monotonic() + max(ticket.times.endtime - time.time(), 0) / 2
