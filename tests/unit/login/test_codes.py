"""The names of Kerberos' and LDAP's codes, and the outcomes that they are."""

from __future__ import annotations

import errno

import pytest

from harness.login.codes import advice_on, kerberos_outcome, ldap_outcome
from harness.model.attempt import Outcome

KRB5_BASE = -1765328384


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (6, "denied", "KDC_ERR_C_PRINCIPAL_UNKNOWN"),
        (12, "denied", "KDC_ERR_POLICY"),
        (18, "denied", "KDC_ERR_CLIENT_REVOKED"),
        (23, "denied", "KDC_ERR_KEY_EXPIRED"),
        (24, "denied", "KDC_ERR_PREAUTH_FAILED"),
        (7, "error", "KDC_ERR_S_PRINCIPAL_UNKNOWN"),
        (14, "error", "KDC_ERR_ETYPE_NOSUPP"),
        (29, "error", "KDC_ERR_SVC_UNAVAILABLE"),
        (37, "error", "KRB_AP_ERR_SKEW"),
        (52, "error", "KRB_ERR_RESPONSE_TOO_BIG"),
        (156, "error", "KRB5_KDC_UNREACH"),
        # RFC 4556: of a card that is no good, and of a KDC that can't tell.
        (62, "denied", "KDC_ERR_CLIENT_NOT_TRUSTED"),
        (72, "denied", "KDC_ERR_REVOKED_CERTIFICATE"),
        (75, "denied", "KDC_ERR_CLIENT_NAME_MISMATCH"),
        (70, "error", "KDC_ERR_CANT_VERIFY_CERTIFICATE"),
        (73, "error", "KDC_ERR_REVOCATION_STATUS_UNKNOWN"),
        (76, "error", "KDC_ERR_KDC_NAME_MISMATCH"),
        (99, "error", "KRB5_99"),
        (511, "error", "KRB5_511"),
    ],
)
def test_a_kerberos_code_is_read_alike_signed_as_libkrb5_gives_it_and_unsigned_as_gssapi_does(
    number: int, status: str, code: str
) -> None:
    signed = KRB5_BASE + number
    for given in (signed, signed + (1 << 32)):
        found = kerberos_outcome(given)
        assert (found.status, found.code) == (status, code)


def test_a_password_that_nobody_was_there_to_type_is_an_error_by_name() -> None:
    assert kerberos_outcome(errno.EIO) == Outcome("error", "KRB5_EIO")


def test_the_code_of_a_wrong_password_is_a_denial() -> None:
    """The two numbers are what libkrb5 and GSS-API give for KDC_ERR_PREAUTH_FAILED."""
    assert kerberos_outcome(-1765328360) == kerberos_outcome(2529638936) == kerberos_outcome(KRB5_BASE + 24)
    assert kerberos_outcome(2529638936).code == "KDC_ERR_PREAUTH_FAILED"


@pytest.mark.parametrize("code", [0, 13, 110, 100001, 39756032])
def test_a_code_of_another_table_is_an_error_and_keeps_its_number(code: int) -> None:
    found = kerberos_outcome(code)
    assert (found.status, found.code) == ("error", f"KRB5_{code}")


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        (49, "denied", "LDAP 49 invalidCredentials"),
        (48, "denied", "LDAP 48 inappropriateAuthentication"),
        (8, "error", "LDAP 8 strongerAuthRequired"),
        (51, "error", "LDAP 51 busy"),
        (53, "error", "LDAP 53 unwillingToPerform"),
        (118, "error", "LDAP 118 result"),
    ],
)
def test_an_ldap_code_keeps_its_number_beside_its_name(code: int, status: str, name: str) -> None:
    found = ldap_outcome(code)
    assert (found.status, found.code) == (status, name)


def test_active_directory_s_refusal_of_a_channel_binding_is_no_denial_and_is_told_in_a_sentence() -> None:
    said = "80090346: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 80090346, v4563"
    found = ldap_outcome(49, said)
    assert (found.status, found.code) == ("error", "LDAP 49 invalidCredentials BAD_CHANNEL_BINDINGS")
    assert advice_on(found.code).startswith("the directory refuses the channel binding")
    assert advice_on("LDAP 49 invalidCredentials") == ""
