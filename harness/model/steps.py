"""The steps of a clinician's login, in the order in which a workstation takes them.

A cold login starts with an empty ticket cache and takes them all; a warm one leaves out those whose answer a
cache still holds. They are different populations and different metrics (rule 9 of the design).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cache = Literal["cold", "warm"]
CACHES: tuple[Cache, ...] = ("cold", "warm")
LOGIN = "login"
"""The name under which the whole login is judged beside its steps."""


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange of the login: ``needs`` names steps that come before it, ``cached`` says a warm login skips it."""

    name: str
    title: str
    needs: tuple[str, ...] = ()
    cached: bool = False


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("kdc_as", "Kerberos AS exchange (RFC 4120 §3.1)", cached=True),
        Step("kdc_tgs_ldap", "Kerberos TGS exchange for ldap/ (RFC 4120 §3.3)", ("kdc_as",), cached=True),
        Step("ldap_connect", "LDAP connection, with TLS where configured (RFC 4511, 4513)"),
        Step("ldap_bind", "LDAP SASL GSSAPI bind (RFC 4752)", ("kdc_tgs_ldap", "ldap_connect")),
        Step("ldap_simple_bind", "LDAP simple bind (RFC 4513 §5.1)", ("ldap_connect",)),
        Step("ldap_own_entry", "LDAP search for the clinician's own entry", ("ldap_connect",)),
        Step("ldap_groups", "LDAP expansion of nested groups", ("ldap_own_entry",)),
    )
}


def steps_of(steps: tuple[str, ...], cache: Cache) -> tuple[str, ...]:
    """The steps that a login with this cache takes, in order."""
    return steps if cache == "cold" else tuple(name for name in steps if not STEPS[name].cached)
