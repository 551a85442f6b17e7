"""Why Active Directory refuses an account, as KDCs and directories say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.doctor.advice import _BY_RESTRICTION, advice
from harness.doctor.as_request import KdcAnswer
from harness.login.codes import kerberos_outcome, ldap_outcome
from harness.login.kerberos.error_table import BASE
from harness.login.net import der
from harness.login.restrictions import RESTRICTIONS, of_bind, of_kdc

OCTETS = 0x04


def krb_error(*parts: tuple[int, bytes], code: int = 18) -> bytes:
    """A KRB-ERROR with these fields beside its code."""
    fields = [(6, der.integer(code)), *parts]
    body = der.encode(der.SEQUENCE, *(der.encode(der.context(number), part) for number, part in fields))
    return der.encode(der.application(30), body)


def extended(status: int, number: int = 3) -> bytes:
    """A data type and a KERB-EXT-ERROR, as a PA-DATA and a KERB-ERROR-DATA both have them."""
    value = status.to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little")
    parts = der.encode(der.context(1), der.integer(number)), der.encode(der.context(2), der.encode(OCTETS, value))
    return der.encode(der.SEQUENCE, *parts)


KEYS = der.encode(der.SEQUENCE, der.encode(der.context(1), der.integer(19)), der.encode(der.context(2), b"\x04\0"))


@pytest.mark.parametrize(
    "e_data",
    [extended(0xC0000193), der.encode(der.SEQUENCE, KEYS, extended(0xC0000193))],
    ids=["as Windows (MS-KILE 2.2.2)", "as Samba, among the account's keys"],
)
def test_the_reason_in_a_kdcs_error_is_read_in_either_form(e_data: bytes) -> None:
    message = krb_error((12, der.encode(OCTETS, e_data)))
    assert of_kdc(message) == "ACCOUNT_EXPIRED"
    outcome = kerberos_outcome(BASE + 18, message)
    assert (outcome.status, outcome.code) == ("denied", "KDC_ERR_CLIENT_REVOKED ACCOUNT_EXPIRED")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        krb_error(),
        krb_error((12, der.encode(OCTETS, KEYS))),
        krb_error((12, der.encode(OCTETS, extended(0xC0000193, number=2)))),
        krb_error((12, der.encode(OCTETS, extended(0xC000006A)))),  # a wrong password is no restriction
    ],
)
def test_an_error_without_a_reason_keeps_its_name(message: bytes) -> None:
    assert kerberos_outcome(BASE + 18, message).code == "KDC_ERR_CLIENT_REVOKED"


@given(st.binary(max_size=80))
def test_whatever_a_kdc_sends_is_read_or_passed_over(data: bytes) -> None:
    assert of_kdc(data) in RESTRICTIONS | {""}
    assert of_kdc(krb_error((12, der.encode(OCTETS, data)))) in RESTRICTIONS | {""}


def test_the_reason_in_a_refused_bind_is_read() -> None:
    said = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 775, v2580"
    assert of_bind(said) == "ACCOUNT_LOCKED_OUT"
    assert ldap_outcome(49, said).code == "LDAP 49 invalidCredentials ACCOUNT_LOCKED_OUT"
    assert ldap_outcome(49, said.replace("775", "52e")).code == "LDAP 49 invalidCredentials"


# What to do.

ANSWER = KdcAnswer(25, 0.001, 0.0, (18, 17), "REGION.TEST", "REGION.TESTclin00007")


def test_there_is_advice_for_each_restriction() -> None:
    assert _BY_RESTRICTION.keys() == RESTRICTIONS


@pytest.mark.parametrize(
    ("code", "realm", "keytab", "words"),
    [
        ("KDC_ERR_CLIENT_REVOKED INVALID_LOGON_HOURS", "REGION.TEST", False, "logonHours"),
        ("KDC_ERR_CLIENT_REVOKED", "REGION.TEST", False, "enable or unlock"),
        ("KRB5_KDCREP_MODIFIED", "region.test", False, "whose answers are of REGION.TEST"),
        ("KDC_ERR_C_PRINCIPAL_UNKNOWN", "region.test", False, "in upper case: REGION.TEST"),
        ("KDC_ERR_C_PRINCIPAL_UNKNOWN", "REGION.TEST", False, "take it out of the credentials"),
        ("KRB_AP_ERR_SKEW", "REGION.TEST", False, "set the clocks"),
        ("KRB5_KDCREP_SKEW", "REGION.TEST", False, "set the clocks"),
        ("KDC_ERR_ETYPE_NOSUPP", "REGION.TEST", False, "AES keys"),
        ("KRB5_KT_NOTFOUND", "REGION.TEST", True, "a type that the KDC takes: aes256-cts-hmac-sha1-96, aes128"),
        ("KDC_ERR_PREAUTH_FAILED", "REGION.TEST", True, "another salt than the account's, which is \"REGION.TESTclin"),
        ("KDC_ERR_PREAUTH_FAILED", "REGION.TEST", False, "correct its password"),
        ("KRB_ERR_RESPONSE_TOO_BIG", "REGION.TEST", False, "by TCP"),
        ("KDC_ERR_WRONG_REALM", "REGION.TEST", False, "another realm's"),
        ("KRB5_SOMETHING", "REGION.TEST", False, "the KDC's log"),
    ],
)
def test_the_advice_is_on_what_the_code_and_the_kdc_tell(code: str, realm: str, keytab: bool, words: str) -> None:
    assert words in advice(code, realm, keytab, ANSWER)
