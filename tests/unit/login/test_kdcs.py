"""Which KDC is asked when: the policies of MIT's client and of Windows', on servers closed, silent or busy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from harness.login.kerberos import kdcs as module
from harness.login.kerberos.kdcs import REFERRED, UNREACHABLE, KdcCarrier, Kdcs
from harness.login.kerberos.policies import MIT, WINDOWS, KdcPolicy
from harness.login.net import der
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.endpoint import Endpoint
from tests.helpers.playing import Play, player
from tests.helpers.targets import REALM, target

QUICK = KdcPolicy(each_s=0.05, connected_s=0.3, last_s=0.05, backoff_s=0.05, passes=3)
WORKSTATION = replace(WINDOWS, each_s=0.2, connected_s=0.2, backoff_s=0.1)
"""One that waits less."""
REQUEST = b"request"
ANSWER = b"\x6b\x03\x02\x01\x05"
Reply = Callable[[bytes], bytes | None]


def krb_error(code: int) -> bytes:
    """A KRB-ERROR with this code (RFC 4120 §5.9.1), as far as its reader looks."""
    fields = der.encode(der.context(6), der.integer(code))
    return der.encode(der.application(30), der.encode(der.SEQUENCE, fields))


@contextmanager
def udp_kdc(reply: Reply) -> Iterator[tuple[Endpoint, list[bytes]]]:
    heard: list[bytes] = []
    over = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.02)

        def serve() -> None:
            while not over.is_set():
                try:
                    request, client = server.recvfrom(65535)
                except TimeoutError:
                    continue
                heard.append(request)
                if (answer := reply(request)) is not None:
                    server.sendto(answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Endpoint(host="127.0.0.1", port=server.getsockname()[1]), heard
        finally:
            over.set()
            thread.join()


@contextmanager
def tcp_kdc(
    answer: bytes | None, after: threading.Event | None = None, asked: threading.Event | None = None
) -> Iterator[Endpoint]:
    """One that answers so by TCP, ``after`` something, or keeps the connection and says nothing; ``asked`` tells."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                kept.append(peer)
                peer.recv(65535)
                if asked is not None:
                    asked.set()
                if answer is not None:
                    if after is not None:
                        after.wait(20)
                    peer.sendall(len(answer).to_bytes(4, "big") + answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Endpoint(host="127.0.0.1", port=server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for peer in kept:
            peer.close()


def closed() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return Endpoint(host="127.0.0.1", port=gone.getsockname()[1])


def carrier(
    *kdcs: Endpoint, transport: str = "udp-first", within_s: float = 20.0, policy: KdcPolicy = QUICK
) -> KdcCarrier:
    return KdcCarrier(Kdcs(target(kdc_transport=transport)), kdcs, StepClock(within_s), policy)


def told(found: KdcCarrier) -> list[tuple[str, str, bool]]:
    return [(it.server, it.transport, it.answer_bytes is not None) for it in found.exchanges]


def outcome(found: KdcCarrier, request: bytes = REQUEST, tcp_only: bool = False, realm: str = REALM) -> object:
    with pytest.raises(StepFailedError) as raised:
        found.carry(request, tcp_only, realm)
    return raised.value.outcome


def test_the_preferred_kdc_is_asked_first_and_the_others_as_listed() -> None:
    several = target().model_copy(update={"kdcs": tuple(Endpoint(host=f"127.0.0.{n}", port=88) for n in (2, 3, 4))})
    for first, order in (("127.0.0.4", [4, 2, 3]), ("127.0.0.9", [2, 3, 4]), ("", [2, 3, 4])):
        asked = Kdcs(several).carrier(StepClock(1), first)._kdcs
        assert [kdc.host for kdc in asked] == [f"127.0.0.{n}" for n in order]


def test_a_kdc_that_answers_is_the_only_one_asked() -> None:
    with udp_kdc(lambda _: ANSWER) as (first, _), udp_kdc(lambda _: ANSWER) as (second, heard):
        found = carrier(first, second)
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert told(found) == [(str(first), "UDP", True)]
    assert heard == []


def test_a_silent_kdc_is_left_for_the_next_and_stays_in_the_record() -> None:
    with udp_kdc(lambda _: None) as (first, _), udp_kdc(lambda _: ANSWER) as (second, _):
        found = carrier(first, second)
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert told(found) == [(str(first), "UDP", False), (str(second), "UDP", True)]
    assert found.server == str(second)


def test_a_silent_kdc_that_answers_after_all_is_still_heard() -> None:
    slow = threading.Event()

    def late(_: bytes) -> bytes:
        slow.wait(5)
        return ANSWER

    def hint(_: bytes) -> None:
        slow.set()

    with udp_kdc(late) as (first, _), udp_kdc(hint) as (second, _):
        found = carrier(first, second, policy=KdcPolicy(0.05, 0.3, 5.0, 0.05, 3))
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert found.server == str(first)


def test_a_closed_kdc_costs_no_wait() -> None:
    with tcp_kdc(ANSWER) as second:
        found = carrier(gone := closed(), second, transport="tcp", policy=MIT, within_s=0.9)
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert told(found) == [(str(gone), "TCP", False), (str(second), "TCP", True)]
    assert found.exchanges[0].note == "Connection refused"


def test_on_a_connection_an_answer_is_waited_for_longer_before_the_next_is_asked() -> None:
    with tcp_kdc(None) as first, tcp_kdc(ANSWER) as second:
        found = carrier(first, second, transport="tcp")
        assert found.carry(REQUEST, False, REALM) == ANSWER
        assert found._clock.settle() >= 0.9 * QUICK.connected_s * 1e9
    assert found.server == str(second)


def test_one_that_drips_is_left_for_the_next_as_a_silent_one_is_and_out_of_time_at_the_deadline() -> None:
    drip = Play((bytes((0, 0, 2, 0)) + bytes(512),), byte_every_s=0.02)
    with player(drip, drip) as dripping, tcp_kdc(ANSWER) as second:
        found = carrier(dripping.endpoint, second, transport="tcp")
        assert found.carry(REQUEST, False, REALM) == ANSWER
        assert outcome(carrier(dripping.endpoint, transport="tcp", within_s=0.15)) == TIMED_OUT
    assert told(found) == [(str(dripping.endpoint), "TCP", False), (str(second), "TCP", True)]


def test_an_answer_that_begins_as_an_error_and_is_none_is_left_to_libkrb5_to_refuse() -> None:
    garbage = b"\x7e\x05\x30\x82"
    with udp_kdc(lambda _: garbage) as (kdc, _):
        found = carrier(kdc)
        assert found.carry(REQUEST, False, REALM) == garbage
    assert found.exchanges[0].answer_bytes == len(garbage)


def test_one_whose_hang_up_comes_with_the_deadline_is_out_of_time_and_not_unreachable() -> None:
    """A length that no message has, of which the last byte comes when the step is over."""
    with player(Play((b"\x30\x82\x02\x00",), byte_every_s=0.1)) as kdc:
        assert outcome(carrier(kdc.endpoint, within_s=0.4)) == TIMED_OUT


def test_one_that_is_unavailable_is_left_for_the_next() -> None:
    """KDC_ERR_SVC_UNAVAILABLE, as a controller gives it while it starts."""
    with udp_kdc(lambda _: krb_error(29)) as (first, _), udp_kdc(lambda _: ANSWER) as (second, _):
        found = carrier(first, second)
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert [it.error for it in found.exchanges] == ["KDC_ERR_SVC_UNAVAILABLE", ""]


def test_a_request_too_long_for_udp_goes_by_tcp() -> None:
    with tcp_kdc(ANSWER) as kdc:
        found = carrier(kdc)
        assert found.carry(b"x" * (module.UDP_AT_MOST + 1), False, REALM) == ANSWER
        assert found.carry(REQUEST, True, REALM) == ANSWER
    assert {transport for _, transport, _ in told(found)} == {"TCP"}


def test_udp_is_asked_again_on_each_pass_and_tcp_once() -> None:
    with udp_kdc(lambda _: None) as (silent, heard):
        found = carrier(silent)
        assert outcome(found) == UNREACHABLE
    assert len(heard) == QUICK.passes
    assert [transport for _, transport, _ in told(found)].count("TCP") == 1


def test_where_nobody_listens_a_kdc_is_unreachable_at_once() -> None:
    assert outcome(carrier(closed(), closed(), policy=MIT, within_s=0.9)) == UNREACHABLE


def test_the_deadline_ends_it() -> None:
    with udp_kdc(lambda _: None) as (silent, _):
        found = carrier(silent, within_s=0.02)
        assert outcome(found) == TIMED_OUT
        assert found.unheard
        found.forget()
        assert not found.unheard


def heard_late(found: KdcCarrier) -> int | None:
    """The denial that is heard once nobody waits any more."""
    for _ in range(2000):
        if (code := found.late_denial()) is not None:
            return code
        threading.Event().wait(0.01)
    return None


def test_what_is_answered_too_late_is_heard_without_a_wait() -> None:
    go = threading.Event()

    def late(_: bytes) -> bytes:
        go.wait(5)
        return krb_error(24)

    with udp_kdc(late) as (kdc, _):
        found = carrier(kdc, within_s=0.02)
        assert outcome(found) == TIMED_OUT
        assert found.late_denial() is None
        go.set()
        assert heard_late(found) == 24
    assert not found.unheard


def test_a_referral_to_another_realm_is_not_followed() -> None:
    found = carrier(closed())
    assert outcome(found, realm="OTHER.TEST") == REFERRED
    assert found.exchanges == ()


def test_a_workstation_leaves_a_silent_kdc_for_the_next_and_asks_by_tcp_alone() -> None:
    with tcp_kdc(None) as first, tcp_kdc(ANSWER) as second:
        found = carrier(first, second, policy=WORKSTATION)
        assert found.carry(REQUEST, False, REALM) == ANSWER
        assert found._clock.settle() >= 0.9 * WORKSTATION.connected_s * 1e9, "the wait for the first counts"
    assert told(found) == [(str(first), "TCP", False), (str(second), "TCP", True)]
    assert not found.unheard, "the login has gone on: nobody listens any more"


def test_a_workstation_takes_no_answer_of_a_kdc_that_it_has_left() -> None:
    left = threading.Event()
    with tcp_kdc(ANSWER, after=left) as first, tcp_kdc(None, asked=left) as second:
        found = carrier(first, second, policy=replace(WORKSTATION, sends=2))
        assert outcome(found) == UNREACHABLE
    assert told(found) == [(str(first), "TCP", False), (str(second), "TCP", False)]


def test_a_workstation_asks_three_times_in_all_and_pauses_before_it_asks_a_kdc_again() -> None:
    with tcp_kdc(None) as only:
        found = carrier(only, policy=WORKSTATION)
        assert outcome(found) == UNREACHABLE
        waited = 3 * WORKSTATION.connected_s + 2 * WORKSTATION.backoff_s
        assert found._clock.settle(failed=True) >= 0.9 * waited * 1e9
    assert told(found) == 3 * [(str(only), "TCP", False)]


def test_a_workstation_asks_the_next_at_once_where_a_kdc_is_closed() -> None:
    with tcp_kdc(ANSWER) as second:
        found = carrier(gone := closed(), second, policy=WINDOWS, within_s=5)
        assert found.carry(REQUEST, False, REALM) == ANSWER
    assert told(found) == [(str(gone), "TCP", False), (str(second), "TCP", True)]


def test_a_workstation_s_pause_ends_at_the_deadline() -> None:
    assert outcome(carrier(closed(), policy=WINDOWS, within_s=0.2)) == TIMED_OUT


def test_a_denial_by_a_kdc_that_a_workstation_has_left_is_still_heard() -> None:
    """Or its account would be tried again, and locked."""
    left = threading.Event()
    with tcp_kdc(krb_error(24), after=left) as first, tcp_kdc(None, asked=left) as second:
        found = carrier(first, second, policy=replace(WORKSTATION, sends=2))
        assert outcome(found) == UNREACHABLE
        assert found.unheard
        assert heard_late(found) == 24


@pytest.mark.parametrize("client", ["mit", "windows"])
def test_the_target_says_whose_policy_a_login_follows(client: str) -> None:
    found = Kdcs(target(kdc_transport="tcp", kdc_client=client)).carrier(StepClock(1))
    assert found._policy is {"mit": MIT, "windows": WINDOWS}[client]


def test_a_workstation_by_udp_is_refused() -> None:
    with pytest.raises(ValueError, match="kdc_transport: expected tcp, which kdc_client: windows uses, got udp-first"):
        target(kdc_client="windows", kdc_transport="udp-first")
