"""What a directory session does by itself: names of binds, referrals, answers that are none."""

from __future__ import annotations

import contextlib
import socket

import pytest

from harness.login.ldap.session import DirectorySession, bind_name
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.net.der import encode, integer
from harness.login.net.streams import Stream
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from tests.helpers.targets import target

OCTETS = 0x04


def test_a_search_that_is_referred_ends_there_and_says_whither() -> None:
    uri = b"ldap://other.test/DC=other,DC=test"
    result = encode(0x0A, b"\x0a") + encode(OCTETS) + encode(OCTETS) + encode(0xA3, encode(OCTETS, uri))
    answer = encode(der.SEQUENCE, integer(1), encode(0x65, result))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        session = DirectorySession(target().directory, clock := StepClock(20))
        session._stream = Stream(ours, clock)
        with pytest.raises(StepFailedError, match="LDAP 10 referral"):
            session.search("DC=other,DC=test", "(cn=x)", ["cn"])
    assert session.new_referrals() == [uri.decode()]
    assert session.new_referrals() == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x30\x80", "LDAP_MALFORMED"),
        (b"\x30\x85\x01\x00\x00\x00\x00", "LDAP_MALFORMED"),
        (b"\x30\x84\x7f\xff\xff\xff", "LDAP_ANSWER_TOO_LARGE"),
        (encode(der.SEQUENCE, integer(2), encode(0x65)), "LDAP_MALFORMED"),
        (encode(der.SEQUENCE, integer(1), encode(0x42)), "LDAP_MALFORMED"),
        (encode(der.SEQUENCE, b"\x30\x80" * 3000), "LDAP_MALFORMED"),
        (encode(der.SEQUENCE, integer(1), encode(0x64, encode(OCTETS, b"cn=x"), encode(der.SEQUENCE))) * 4,
         "LDAP_ANSWER_TOO_LARGE"),
        (b"\x30\x83\x10\x00\x01", "LDAP_ANSWER_TOO_LARGE"),
        (b"\x30\x05\x02", "CONNECTION_LOST"),
    ],
)  # fmt: skip
def test_what_a_directory_garbles_or_never_ends_is_an_outcome(said: bytes, code: str) -> None:
    directory = target().directory.model_copy(update={"entries_at_most": 3})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        session = DirectorySession(directory, clock := StepClock(20))
        session._stream = Stream(ours, clock)
        with pytest.raises(StepFailedError) as raised:
            session.search("DC=other,DC=test", "(cn=x)", ["cn"])
    assert raised.value.outcome == Outcome("error", code)


def test_ranges_and_pages_without_an_end_come_to_one_and_numbers_of_messages_begin_anew() -> None:
    """A session takes in four of the longest answers; a login that asks more than 127 times goes on."""
    directory = target().directory.model_copy(update={"answer_at_most_bytes": 4000})
    result = encode(0x0A, b"\0") + encode(OCTETS) + encode(OCTETS)
    asked = 0
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
        session = DirectorySession(directory, clock := StepClock(20))
        session._stream = Stream(ours, clock)
        with pytest.raises(StepFailedError, match="LDAP_ANSWER_TOO_LARGE"):
            while asked < 10_000:
                number = asked % 127 + 1
                theirs.sendall(encode(der.SEQUENCE, integer(number), encode(0x65, result)))
                assert session.search("", "(cn=x)", ["cn"]) == []
                theirs.recv(4096)
                asked += 1
    assert 127 < asked < 4 * 4000


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
