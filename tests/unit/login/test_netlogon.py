"""The netlogon ping, with an answer that Samba 4.17 gave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.ldap.netlogon import AGAIN_S, DomainController, first_answer, parse_response, ping, ping_request
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Endpoint
from tests.helpers.playing import player

PATIENCE_S = 20.0
ANSWER = bytes.fromhex(
    "307702010164720400306e306c04086e65746c6f676f6e3160045e17000000bd110000fe2b7487bbb93c4fb57b4f516cb8732706636c696e69"
    "63047465737400c01803646331c01806434c494e4943000344433100001744656661756c742d46697273742d536974652d4e616d6500c03b"
    "05000000ffffffff300c02010165070a010004000400"
)
"""Entry and end of the search, in one datagram."""
BLOB = ANSWER[27 : 27 + 0x5E]
DONE = bytes.fromhex("300c02010165070a010004000400")
"""The whole answer to a ping for a domain that isn't the server's."""


@contextmanager
def responder(*answers: bytes) -> Iterator[Endpoint]:
    """A server that gives one answer after the other, and then none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(PATIENCE_S)

        def serve() -> None:
            for answer in answers:
                _, client = udp.recvfrom(4096)
                udp.sendto(answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Endpoint(host="127.0.0.1", port=udp.getsockname()[1])
        thread.join(PATIENCE_S)


def outcome(*answers: bytes, timeout_s: float = PATIENCE_S) -> Outcome:
    with responder(*answers) as server, pytest.raises(StepFailedError) as raised:
        ping(server, ping_request("clinic.test"), StepClock(timeout_s))
    return raised.value.outcome


@contextmanager
def silent() -> Iterator[Endpoint]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield Endpoint(host="127.0.0.1", port=udp.getsockname()[1])


def test_a_controller_that_is_silent_closed_or_declines_is_passed_over_for_the_next() -> None:
    with silent() as mute, responder(DONE) as declining, responder(ANSWER) as living:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            closed = Endpoint(host="127.0.0.1", port=gone.getsockname()[1])
        clock = StepClock(PATIENCE_S)
        server, found = first_answer((mute, closed, declining, living), ping_request("clinic.test"), clock)
    assert (server, found.host) == (living, "dc1.clinic.test")
    assert clock.settle() >= AGAIN_S * 1e9, "the silent one was listened for"


def test_a_controller_that_is_late_is_still_heard_after_another_has_been_asked() -> None:
    with silent() as mute, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(PATIENCE_S)

        def serve() -> None:
            _, client = udp.recvfrom(4096)
            time.sleep(0.15)
            udp.sendto(ANSWER, client)

        thread = threading.Thread(target=serve)
        thread.start()
        late = Endpoint(host="127.0.0.1", port=udp.getsockname()[1])
        assert first_answer((late, mute), ping_request("clinic.test"), StepClock(PATIENCE_S))[0] == late
        thread.join(PATIENCE_S)


def test_a_client_whose_site_nobody_knows_has_none() -> None:
    # The last name, the client's site, is a pointer to the controller's; the root in its place is no name.
    unmapped = BLOB[:-10] + b"\0" + BLOB[-8:]
    assert parse_response(unmapped).client_site == ""
    assert parse_response(unmapped).site == "Default-First-Site-Name"


def test_a_controllers_answer_is_read_with_its_compressed_names() -> None:
    with responder(ANSWER) as server:
        found = ping(server, ping_request("clinic.test"), StepClock(PATIENCE_S))
    site = "Default-First-Site-Name"
    assert found == DomainController("dc1.clinic.test", "clinic.test", "clinic.test", site, site, 0x11BD)
    assert found.roles == ("PDC", "GC", "LDAP", "DS", "KDC", "closest", "writable")


def test_a_request_asks_for_the_domain_and_the_extended_answer() -> None:
    assert ping_request("clinic.test")[5] == 0x63  # [APPLICATION 3], a search
    assert b"DnsDomain\x04\x0bclinic.test" in ping_request("clinic.test")
    assert b"NtVer\x04\x04\x06\x00\x00\x00" in ping_request("clinic.test")


def test_a_domain_that_is_not_the_servers_has_no_answer() -> None:
    assert outcome(DONE) == Outcome("error", "NETLOGON_NO_ANSWER")


def test_a_datagram_with_another_identifier_is_none_for_us() -> None:
    other = DONE.replace(b"\x02\x01\x01", b"\x02\x01\x07", 1)
    with player(reply=lambda _: (other, ANSWER.replace(b"\x02\x01\x01", b"\x02\x01\x02"), ANSWER)) as server:
        assert ping(server.endpoint, ping_request("clinic.test"), StepClock(PATIENCE_S)).host == "dc1.clinic.test"


def test_a_search_that_failed_says_why() -> None:
    assert outcome(DONE.replace(b"\x0a\x01\x00", b"\x0a\x01\x33")) == Outcome("error", "LDAP 51 busy")


@pytest.mark.parametrize(("opcode", "code"), [(24, "NETLOGON_PAUSED"), (25, "NETLOGON_OPCODE_25")])
def test_a_controller_that_declines_is_an_error(opcode: int, code: str) -> None:
    with pytest.raises(StepFailedError, match=code):
        parse_response(struct.pack("<H", opcode) + BLOB[2:])


def test_silence_is_a_time_out_and_a_closed_port_is_not() -> None:
    assert outcome(timeout_s=0.05) == TIMED_OUT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        closed = Endpoint(host="127.0.0.1", port=gone.getsockname()[1])
    with pytest.raises(StepFailedError, match="CONNECT_FAILED"):
        ping(closed, ping_request("clinic.test"), StepClock(PATIENCE_S))


@given(st.integers(0, len(BLOB) - 1), st.binary(max_size=4))
def test_an_answer_that_is_cut_or_garbled_is_an_error_of_the_step_and_nothing_else(cut: int, more: bytes) -> None:
    with responder(ANSWER[: 27 + cut] + more) as server:
        try:
            ping(server, ping_request("clinic.test"), StepClock(PATIENCE_S))
        except StepFailedError as failure:
            assert failure.outcome.status == "error"
