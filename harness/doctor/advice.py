"""What to do about an account that a KDC refuses, by the code and by what else the KDC told of the account."""

from __future__ import annotations

from harness.doctor.as_request import KdcAnswer, enctype_names
from harness.login.codes import advice_on
from harness.login.kerberos.kdcs import REFERRED

CLOCKS = "set the clocks of KDC and load generator by one time source (w32tm /resync, chronyc makestep)"
_NEW_KEYTAB = "make the keytab anew with AES keys (ktpass /crypto AES256-SHA1, msktutil, ktutil)"
_NEW_PASSWORD = "set a new password, in the directory and in the credentials"
_BY_RESTRICTION = {
    "ACCOUNT_DISABLED": "enable the account (Enable-ADAccount)",
    "ACCOUNT_EXPIRED": "set a later expiry date for the account (Set-ADAccountExpiration)",
    "ACCOUNT_LOCKED_OUT": "unlock the account (Unlock-ADAccount), once you know who sends wrong passwords of it",
    "ACCOUNT_RESTRICTION": "find the policy that restricts it (Protected Users, an authentication policy)",
    "INVALID_LOGON_HOURS": "allow the account to log in at the hours of the run (logonHours)",
    "INVALID_WORKSTATION": "allow the account to log in from this machine (userWorkstations)",
    "PASSWORD_EXPIRED": _NEW_PASSWORD,
    "PASSWORD_MUST_CHANGE": (
        "set a password that need not be changed at the next logon (Set-ADUser -ChangePasswordAtLogon $false), and put "
        "it into the credentials"
    ),
}
_BY_CODE = {
    "KDC_ERR_CLIENT_REVOKED": "enable or unlock the account (Enable-ADAccount, Unlock-ADAccount)",
    "KDC_ERR_KEY_EXPIRED": _NEW_PASSWORD,
    "KDC_ERR_NAME_EXP": "set a later expiry date for the account (Set-ADAccountExpiration)",
    "KDC_ERR_CLIENT_NOTYET": "set an earlier start date for the account, or set the KDC's clock",
    "KDC_ERR_POLICY": "lift the account's limits on logon hours and workstations",
    "KDC_ERR_S_PRINCIPAL_UNKNOWN": "correct the realm in the targets",
    "KDC_ERR_WRONG_REALM": "correct the realm in the targets, or leave out the account, which is another realm's",
    REFERRED.code: "leave out the account, which is of a realm that the targets don't name",
    "KRB5_KDC_UNREACH": "start the KDC, or open its port by the transport of kdc_transport",
    "KRB_ERR_RESPONSE_TOO_BIG": "open the KDC's port by TCP: the ticket is too big for UDP",
    "KDC_ERR_ETYPE_NOSUPP": (
        "give the account AES keys: msDS-SupportedEncryptionTypes 24, then a new password; or permit the type "
        "that it has on both sides"
    ),
    "KRB_AP_ERR_SKEW": CLOCKS,
    "KRB5_KDCREP_SKEW": CLOCKS,
}
_OF_KEYS = ("KRB5_KT_NOTFOUND", "KRB5_BAD_ENCTYPE", "KRB5_PROG_ETYPE_NOSUPP", "KRB5_PREAUTH_FAILED")
"""What libkrb5 says where a keytab has no key of a type that the KDC takes."""
_WRONG_KEY = ("KDC_ERR_PREAUTH_FAILED", "KRB_AP_ERR_BAD_INTEGRITY")
"""The second one where the account needs no pre-authentication, so that it is the client who can't read the answer."""
_ELSE = "look for the reason in the KDC's log"


def advice(code: str, realm: str, keytab: bool, answer: KdcAnswer | None) -> str:
    """For the code of an outcome; ``answer`` is what the KDC told before it was given a password or key."""
    if told := advice_on(code):
        return told
    code, _, restriction = code.partition(" ")
    if restriction in _BY_RESTRICTION:
        return _BY_RESTRICTION[restriction]
    if code == "KRB5_KDCREP_MODIFIED":
        return f"write the realm in the targets as the KDC does, whose answers are of {_true_realm(realm, answer)}"
    if code == "KDC_ERR_C_PRINCIPAL_UNKNOWN":
        else_realm = (
            f", or write the realm in the targets in upper case: {realm.upper()}" if realm != realm.upper() else ""
        )
        return f"create the account, or take it out of the credentials{else_realm}"
    if code in _WRONG_KEY:
        return _wrong_key(keytab, answer)
    if code in _OF_KEYS and keytab:
        offered = f", of a type that the KDC takes: {enctype_names(answer.enctypes)}" if answer else ""
        return f"{_NEW_KEYTAB}{offered}"
    return _BY_CODE.get(code, _ELSE)


def _true_realm(realm: str, answer: KdcAnswer | None) -> str:
    if answer is not None and answer.own_realm(realm) != realm:
        return answer.own_realm(realm)
    return realm.upper() if realm != realm.upper() else "another realm"


def _wrong_key(keytab: bool, answer: KdcAnswer | None) -> str:
    if not keytab:
        return "correct its password in the credentials; it was tried once"
    salt = f', which is "{answer.salt}"' if answer is not None and answer.salt else ""
    why = f"its key is of another password, or was made with another salt than the account's{salt}"
    return f"{_NEW_KEYTAB}: {why}; it was tried once"
