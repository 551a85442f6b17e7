"""Protocol codes by name, and which of them mean that an account was refused.

Numbers: RFC 4120 §7.5.9 and libkrb5's own table (Kerberos), RFC 4511 §A.1 (LDAP); PostgreSQL's manual, appendix A
(SQLSTATE).
"""

from __future__ import annotations

import errno

from harness.login.kerberos.error_table import BASE, NAMES
from harness.login.restrictions import of_bind, of_kdc
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
    name = _LDAP.get(code, "result")
    return Outcome("denied" if code in _LDAP_DENIED else "error", f"LDAP {code} {name} {of_bind(message)}".strip())


def sql_outcome(state: str) -> Outcome:
    """The outcome of a SQLSTATE: those of class 28 refuse who asks (invalid authorization specification)."""
    return Outcome("denied" if state.startswith("28") else "error", f"SQLSTATE {state}")
