"""Protocol codes by name, and which of them mean that an account was refused.

Numbers: RFC 4120 §7.5.9 (Kerberos; libkrb5 adds its table's base), RFC 4511 §A.1 (LDAP); PostgreSQL's manual,
appendix A (SQLSTATE).
"""

from __future__ import annotations

import errno

from harness.model.attempt import Outcome

_KRB5_BASE = -1765328384

_KERBEROS = {
    1: "KDC_ERR_NAME_EXP",
    2: "KDC_ERR_SERVICE_EXP",
    3: "KDC_ERR_BAD_PVNO",
    6: "KDC_ERR_C_PRINCIPAL_UNKNOWN",
    7: "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    9: "KDC_ERR_NULL_KEY",
    12: "KDC_ERR_POLICY",
    13: "KDC_ERR_BADOPTION",
    14: "KDC_ERR_ETYPE_NOSUPP",
    15: "KDC_ERR_SUMTYPE_NOSUPP",
    16: "KDC_ERR_PADATA_TYPE_NOSUPP",
    18: "KDC_ERR_CLIENT_REVOKED",
    19: "KDC_ERR_SERVICE_REVOKED",
    20: "KDC_ERR_TGT_REVOKED",
    21: "KDC_ERR_CLIENT_NOTYET",
    22: "KDC_ERR_SERVICE_NOTYET",
    23: "KDC_ERR_KEY_EXPIRED",
    24: "KDC_ERR_PREAUTH_FAILED",
    25: "KDC_ERR_PREAUTH_REQUIRED",
    29: "KDC_ERR_SVC_UNAVAILABLE",
    31: "KRB_AP_ERR_BAD_INTEGRITY",
    32: "KRB_AP_ERR_TKT_EXPIRED",
    33: "KRB_AP_ERR_TKT_NYV",
    34: "KRB_AP_ERR_REPEAT",
    37: "KRB_AP_ERR_SKEW",
    41: "KRB_AP_ERR_MODIFIED",
    44: "KRB_AP_ERR_BADKEYVER",
    52: "KRB_ERR_RESPONSE_TOO_BIG",
    60: "KRB_ERR_GENERIC",
    # PKINIT (RFC 4556 §3.1.3); 66 is MS-PKCA's, of a card that is not strongly mapped to its account.
    62: "KDC_ERR_CLIENT_NOT_TRUSTED",
    63: "KDC_ERR_KDC_NOT_TRUSTED",
    64: "KDC_ERR_INVALID_SIG",
    65: "KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED",
    66: "KDC_ERR_CERTIFICATE_MISMATCH",
    68: "KDC_ERR_WRONG_REALM",
    70: "KDC_ERR_CANT_VERIFY_CERTIFICATE",
    71: "KDC_ERR_INVALID_CERTIFICATE",
    72: "KDC_ERR_REVOKED_CERTIFICATE",
    73: "KDC_ERR_REVOCATION_STATUS_UNKNOWN",
    75: "KDC_ERR_CLIENT_NAME_MISMATCH",
    76: "KDC_ERR_KDC_NAME_MISMATCH",
    77: "KDC_ERR_INCONSISTENT_KEY_PURPOSE",
    78: "KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED",
    79: "KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED",
    80: "KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED",
    81: "KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED",
    # From 128 on the numbers are libkrb5's own (krb5_err.et).
    156: "KRB5_KDC_UNREACH",
    157: "KRB5_KDCREP_MODIFIED",
    171: "KRB5_REALM_CANT_RESOLVE",
    181: "KRB5_KT_NOTFOUND",
    193: "KRB5_FCC_NOFILE",
    202: "KRB5_GET_IN_TKT_LOOP",
    210: "KRB5_PREAUTH_FAILED",
}
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
    """The name of an error code as it is in a KRB-ERROR."""
    return _KERBEROS.get(number, f"KRB5_{number}")


def is_denial(number: int) -> bool:
    """Whether an error code of a KRB-ERROR refuses the account."""
    return number in _KERBEROS_DENIED


def kerberos_outcome(code: int) -> Outcome:
    """The outcome of a libkrb5 error code (signed 32 bits, or GSS-API's unsigned minor status)."""
    signed = code - (1 << 32) if code >= 1 << 31 else code
    if signed == errno.EIO:  # what libkrb5 says where it would ask for a password, since a card led to no key
        return Outcome("error", "KRB5_EIO")
    number = signed - _KRB5_BASE
    name = kerberos_name(number) if 0 <= number < 512 else f"KRB5_{signed}"
    return Outcome("denied" if number in _KERBEROS_DENIED else "error", name)


def ldap_outcome(code: int) -> Outcome:
    """The outcome of an LDAP result code other than success."""
    name = _LDAP.get(code, "result")
    return Outcome("denied" if code in _LDAP_DENIED else "error", f"LDAP {code} {name}")


def sql_outcome(state: str) -> Outcome:
    """The outcome of a SQLSTATE: those of class 28 refuse who asks (invalid authorization specification)."""
    return Outcome("denied" if state.startswith("28") else "error", f"SQLSTATE {state}")
