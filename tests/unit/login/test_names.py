"""How an account may be written, and what a KDC is asked by it."""

from __future__ import annotations

import krb5
import pytest

from harness.doctor.as_request import as_request
from harness.login.ldap.session import bind_name
from harness.login.names import UnusableNameError, account_name, principal_of
from harness.login.net import der

REALM = "REGION.TEST"
UPN = "anna.svensson@hospital.example"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("clin00007", "clin00007"),
        ("clin00007@REGION.TEST", "clin00007"),
        ("clin00007@region.test", "clin00007"),
        (UPN, UPN),
        ("PC01$", "PC01$"),
        ("HTTP/ehr.region.test", "HTTP/ehr.region.test"),
    ],
)
def test_a_suffix_that_is_the_realm_says_nothing_and_another_one_is_kept(written: str, name: str) -> None:
    assert account_name(written, REALM) == name


@pytest.mark.parametrize("written", ["REGION\\clin00007", "@region.test", "clin00007@", "a@b@c"])
def test_a_name_that_says_no_account_is_refused_and_not_quoted(written: str) -> None:
    with pytest.raises(UnusableNameError) as caught:
        account_name(written, REALM)
    assert written not in str(caught.value)
    assert str(caught.value).startswith("a user, or user@suffix, got ")


def test_a_user_principal_name_is_an_enterprise_name_of_the_realm() -> None:
    context = krb5.init_context()
    found = principal_of(context, UPN, REALM)
    assert (found.type, found.components, found.realm) == (
        krb5.NameType.enterprise_principal,
        [UPN.encode()],
        b"REGION.TEST",
    )
    plain = principal_of(context, "clin00007", REALM)
    assert (plain.type, plain.components) == (krb5.NameType.principal, [b"clin00007"])


def test_the_doctor_asks_a_kdc_by_the_same_name() -> None:
    def client(user: str) -> tuple[int, list[bytes]]:
        body = next(der.decode(as_request(REALM, user)).parts()).field(4)
        name = body.field(1)
        return name.field(0).number(), [part.content for part in name.field(1).parts()]

    assert client(UPN) == (10, [UPN.encode()])
    assert client("clin00007") == (1, [b"clin00007"])
    assert client("HTTP/ehr") == (1, [b"HTTP", b"ehr"])


def test_a_simple_bind_takes_a_user_principal_name_as_it_is() -> None:
    assert bind_name("{user}@region.test", UPN) == UPN
    assert bind_name("{user}@region.test", "zoe") == "zoe@region.test"
    assert bind_name("uid={user},ou=people", UPN) == f"uid={UPN},ou=people"
