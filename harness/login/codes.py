"""Protocol codes by name, and which of them mean that an account was refused.

Numbers: RFC 4120 §7.5.9 and libkrb5's own table (Kerberos), RFC 4511 §A.1 (LDAP); PostgreSQL's manual, appendix A
(SQLSTATE).
"""

from __future__ import annotations

import errno

from harness.login.kerberos.error_table import BASE, NAMES
from harness.login.restrictions import BAD_BINDINGS, of_bind, of_kdc
from harness.model.attempt import Outcome

_KERBEROS_DENIED = {1, 6, 12, 18, 21, 23, 24, 62, 66, 71, 72, 75, 77}
"""Of those for a card: that it is no good, and not that a KDC can't tell (no revocation list, no way to a root)."""

_LDAP = {
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    13: "confidentialityRequired",
    32: "noSuchObject",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
_LDAP_DENIED = {48, 49}
REFUSED = "LDAP 49 "
"""How the code of a refused bind begins (invalidCredentials)."""


DEMANDS_FAST = Outcome("error", "KDC_DEMANDS_FAST_ARMOR")
"""A KDC that takes keys and passwords under armour alone; no account is refused by it, since none was shown."""
ARMOR_FAILED = "FAST_ARMOR"
"""Before the code of a workstation that gets no ticket to armour logins by: it says nothing of the clinician."""
_ADVICE = {
    DEMANDS_FAST.code: (
        "the KDC takes no login without FAST armour (RFC 6113): give the targets armor, a keytab and principal of the "
        "workstation"
    ),
    ARMOR_FAILED: "the workstation that armours logins got no ticket: correct armor in the targets, or its account",
    BAD_BINDINGS: (
        "the directory refuses the channel binding: its TLS certificate is another one than this client sees, as where "
        "a load balancer ends TLS; connect past it"
    ),
}


def advice_on(code: str) -> str:
    """What an outcome's code means and what to do, in a sentence; empty for one that is a protocol's own."""
    return next((_ADVICE[word] for word in code.split() if word in _ADVICE), "")


def kerberos_name(number: int) -> str:
    """The name of a number in libkrb5's table, of which the first 128 are those of a KRB-ERROR."""
    return NAMES.get(number, f"KRB5_{number}")


def is_denial(number: int) -> bool:
    """Whether an error code of a KRB-ERROR refuses the account."""
    return number in _KERBEROS_DENIED


def kerberos_outcome(code: int, answer: bytes = b"") -> Outcome:
    """The outcome of a libkrb5 error code (signed 32 bits, or GSS-API's unsigned minor status).

    ``answer`` is the KDC's last message, where it is known: it may say why.
    """
    signed = code - (1 << 32) if code >= 1 << 31 else code
    if signed == errno.EIO:  # what libkrb5 says where it would ask for a password, since a card led to no key
        return Outcome("error", "KRB5_EIO")
    number = signed - BASE
    name = kerberos_name(number) if 0 <= number < 512 else f"KRB5_{signed}"
    return Outcome("denied" if number in _KERBEROS_DENIED else "error", f"{name} {of_kdc(answer)}".strip())


def ldap_outcome(code: int, message: str = "") -> Outcome:
    """The outcome of an LDAP result code other than success; its diagnostic message may say why."""
    name, reason = _LDAP.get(code, "result"), of_bind(message)
    denied = code in _LDAP_DENIED and reason != BAD_BINDINGS  # which says nothing of the account
    return Outcome("denied" if denied else "error", f"LDAP {code} {name} {reason}".strip())


def sql_outcome(state: str) -> Outcome:
    """The outcome of a SQLSTATE: those of class 28 refuse who asks (invalid authorization specification)."""
    return Outcome("denied" if state.startswith("28") else "error", f"SQLSTATE {state}")
