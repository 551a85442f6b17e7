"""What a domain says of its accounts before any of them is tried: what locks them, and how near they are to it.

Every function raises StepFailedError.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import ldap3

from harness.guards.lockout import LockoutPolicy, Standing
from harness.login.ldap.messages import Entry, escaped
from harness.login.ldap.reads import ANY, naming_attribute
from harness.login.ldap.session import DirectorySession
from harness.model.target import Directory

_ASKED_AT_ONCE = 50
_TICKS_A_SECOND = 10_000_000
_EPOCH_TICKS = 116_444_736_000_000_000
"""Between 1601 and 1970 (MS-DTYP 2.3.3)."""
_DOMAIN = ("lockoutThreshold", "lockOutObservationWindow", "fSMORoleOwner")
_PSO = ("cn", "msDS-LockoutThreshold", "msDS-LockoutObservationWindow")
_OWN = ("badPwdCount", "badPasswordTime", "msDS-ResultantPSO")
_CLOCKS_DIFFER_S = 300.0
"""At most (RFC 4120 §3.2.3); a wrong password may count for so much longer by the domain's clock."""


@dataclass(frozen=True, slots=True)
class Standings:
    """How the accounts stand, those that the directory has; and which controller's word that is."""

    by_user: Mapping[str, Standing]
    domain: LockoutPolicy | None
    told_by: str
    counter: str
    """The PDC emulator, which hears of every wrong password of the domain; others hear of their own alone."""

    @property
    def whole(self) -> bool:
        """Whether every wrong password of the domain is among the failures."""
        return self.told_by == self.counter


def standings(session: DirectorySession, directory: Directory, users: Sequence[str]) -> Standings:
    """How these accounts of an Active Directory domain stand: by the password settings object that results for each of
    them (MS-ADTS 3.1.1.4.5.36), or else by the domain's own policy (MS-SAMR 3.1.1.5)."""
    root = _read(session, "", ("defaultNamingContext",))
    domain = _read(session, _text(root, "defaultNamingContext"), _DOMAIN)
    policy = _policy(domain, "lockoutThreshold", "lockOutObservationWindow", "the domain's policy")
    own: dict[str, LockoutPolicy | None] = {}
    found: dict[str, Standing] = {}
    for user, entry in _entries(session, directory, users):
        name = _text(entry, "msDS-ResultantPSO")
        if name and name not in own:
            pso = _read(session, name, _PSO)
            own[name] = _policy(pso, "msDS-LockoutThreshold", "msDS-LockoutObservationWindow", _text(pso, "cn"))
        theirs = own[name] if name else policy
        found[user] = Standing(theirs, _failures(entry, theirs))
    return Standings(found, policy, session.controller.service_host, _role_owner(session, domain))


def _entries(session: DirectorySession, directory: Directory, users: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """Each user that the directory has, with the entry."""
    for begin in range(0, len(users), _ASKED_AT_ONCE):
        asked = users[begin : begin + _ASKED_AT_ONCE]
        named = {(naming_attribute(directory, user), user.casefold()): user for user in asked}
        terms = "".join(f"({attribute}={escaped(user)})" for attribute, user in named)
        attributes = dict.fromkeys(attribute for attribute, _ in named)
        for entry in session.search(directory.user_base, f"(|{terms})", (*attributes, *_OWN)):
            for attribute in attributes:
                for value in entry.attributes.get(attribute.lower(), ()):
                    user = named.get((attribute, value.decode(errors="replace").casefold()))
                    if user is not None:
                        yield user, entry


def _read(session: DirectorySession, dn: str, attributes: Sequence[str]) -> Entry:
    """An entry by its name; an empty one where it may not be read."""
    found = session.search(dn, ANY, attributes, ldap3.BASE)
    return found[0] if found else Entry(dn, {})


def _policy(entry: Entry, threshold: str, window: str, name: str) -> LockoutPolicy | None:
    """The policy that an entry says; None where it may not be read."""
    most = _text(entry, threshold)
    ticks = _text(entry, window)
    # A time span is a negative number of ticks; the longest one means for ever.
    return LockoutPolicy(int(most), abs(int(ticks or 0)) / _TICKS_A_SECOND, name) if most else None


def _failures(entry: Entry, policy: LockoutPolicy | None) -> int:
    """The wrong passwords that still count (MS-SAMR 3.1.5.14.6)."""
    count, at = int(_text(entry, "badPwdCount") or 0), int(_text(entry, "badPasswordTime") or 0)
    last_s = (at - _EPOCH_TICKS) / _TICKS_A_SECOND
    over = policy is not None and at and last_s + policy.window_s + _CLOCKS_DIFFER_S < time.time()
    return 0 if over else count


def _role_owner(session: DirectorySession, domain: Entry) -> str:
    """The host of the PDC emulator: the server above the settings that the domain names as the role's owner."""
    _, _, server = _text(domain, "fSMORoleOwner").partition(",")
    return _text(_read(session, server, ("dNSHostName",)), "dNSHostName").lower() if server else ""


def _text(entry: Entry, attribute: str) -> str:
    values = entry.attributes.get(attribute.lower(), ())
    return values[0].decode(errors="replace") if values else ""
