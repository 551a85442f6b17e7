"""How an account may be written, and what each protocol is told of it.

``clin00007`` is a principal of the realm, and the name of an entry. ``anna.svensson@hospital.example``, a user
principal name whose suffix is not the realm (MS-ADTS 5.1.1.1.1), is asked for as an enterprise name (RFC 6806 §5), and
the ticket says which principal that is.
"""

from __future__ import annotations

import krb5

_BEFORE_SUFFIX = "@"


class UnusableNameError(ValueError):
    """A name that says no account of the realm; the text never quotes it."""


def account_name(written: str, realm: str) -> str:
    """The account's name without a suffix that is the realm's own; raises UnusableNameError."""
    if "\\" in written:
        raise UnusableNameError("a user, or user@suffix, got a name with a backslash; leave the domain before it out")
    name, _, suffix = written.partition(_BEFORE_SUFFIX)
    if _BEFORE_SUFFIX not in written:
        return written
    if not name or not suffix or _BEFORE_SUFFIX in suffix:
        raise UnusableNameError("a user, or user@suffix, got a name with an @ elsewhere")
    return name if suffix.casefold() == realm.casefold() else written


def is_upn(user: str) -> bool:
    """Whether the name is one that only the KDC knows the principal of."""
    return _BEFORE_SUFFIX in user


def principal_of(context: krb5.Context, user: str, realm: str) -> krb5.Principal:
    """Whom to ask the realm's KDC for."""
    how = krb5.PrincipalParseFlags.enterprise if is_upn(user) else krb5.PrincipalParseFlags.none
    return krb5.parse_name_flags(context, f"{user}@{realm}".encode(), how)
