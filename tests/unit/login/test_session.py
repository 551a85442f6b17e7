"""What a directory session does by itself: names of binds, referrals."""

from __future__ import annotations

import pytest

from harness.login.ldap.session import DirectorySession, bind_name
from harness.login.runtime import StepFailedError
from tests.helpers.targets import target


def test_a_search_that_is_referred_ends_there_and_says_whither() -> None:
    class Referring:
        def search(self, *_: object, **__: object) -> tuple[bool, dict[str, object], None, None]:
            return False, {"result": 10, "referrals": ["ldap://other.test/DC=other,DC=test"]}, None, None

    session = DirectorySession(target().directory)
    session._connection = Referring()
    with pytest.raises(StepFailedError, match="LDAP 10 referral"):
        session.search("DC=other,DC=test", "(cn=x)", ["cn"])
    assert session.new_referrals() == ["ldap://other.test/DC=other,DC=test"]
    assert session.new_referrals() == []


@pytest.mark.parametrize(
    ("user", "escaped"),
    [
        ('James "Jim" Smith, III', r"James \"Jim\" Smith\, III"),  # RFC 4514 §4
        ("a+b;c<d>e\\f", r"a\+b\;c\<d\>e\\f"),
        ("#zoe ", r"\#zoe\ "),
        (" zoe", r"\ zoe"),
        (" ", "\\ "),
        ("z o#e=å", "z o#e=å"),
        ("zoe\0", r"zoe\00"),
        ("{user}{0}", "{user}{0}"),
    ],
)
def test_a_user_in_a_bind_dn_stays_one_value_of_it(user: str, escaped: str) -> None:
    assert bind_name("uid={user},ou=people,dc={x}", user) == f"uid={escaped},ou=people,dc={{x}}"
    assert bind_name("{user}@clinic.test", user) == f"{user}@clinic.test"
