"""A step's time is the sum of its round trips by the kernel's clock, without the generator's own lateness."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.login.net.clock import StepClock
from harness.login.net.streams import Datagrams, connect
from harness.login.runtime import StepFailedError
from harness.model.endpoint import Endpoint

MS = 1_000_000


@contextmanager
def echo(delay_s: float = 0.0) -> Iterator[tuple[Endpoint, list[tuple[int, int]]]]:
    """A TCP server that answers each 4 bytes after a while, and when (ns since 1970) it had received and sent."""
    seen: list[tuple[int, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                while data := peer.recv(4):
                    got = time.time_ns()
                    time.sleep(delay_s)
                    sent = time.time_ns()
                    peer.sendall(data)
                    seen.append((got, sent))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Endpoint(host="127.0.0.1", port=listener.getsockname()[1]), seen
        thread.join(10)


def test_what_the_reader_comes_late_for_is_not_in_a_steps_time() -> None:
    with echo() as (endpoint, seen):
        clock = StepClock(20)
        stream = connect(endpoint, clock)
        clock.settle()
        clock.begin(time.monotonic_ns() + 20_000 * MS)
        began = time.monotonic_ns()
        for _ in range(3):
            stream.sendall(b"ping")
            assert stream.readable(20)
            time.sleep(0.03)  # the answer has come long before it is read
            assert stream.exactly(4) == b"ping"
        waited = clock.settle()
        took = time.monotonic_ns() - began
        stream.close()
    assert sum(sent - got for got, sent in seen) <= waited, "it holds all that the server took"
    assert waited <= took - 3 * 30 * MS, "and nothing of what the reader slept"


def test_what_the_server_takes_is_in_a_steps_time() -> None:
    with echo(delay_s=0.02) as (endpoint, seen):
        clock = StepClock(20)
        stream = connect(endpoint, clock)
        stream.sendall(b"ping")
        stream.exactly(4)
        waited = clock.settle()
        stream.close()
    assert waited >= sum(sent - got for got, sent in seen) >= 20 * MS


def test_a_handshakes_time_is_the_kernels() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clock = StepClock(20)
        stream = connect(Endpoint(host="127.0.0.1", port=listener.getsockname()[1]), clock)
        time.sleep(0.02)
        assert 0 < clock.settle() < 20 * MS
        stream.close()


def test_a_step_that_fails_by_silence_has_waited_all_along() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        clock = StepClock(0.05)
        with Datagrams(Endpoint(host="127.0.0.1", port=mute.getsockname()[1]), clock) as udp:
            began = time.monotonic_ns()
            udp.send(b"anybody?")
            with pytest.raises(TimeoutError):
                udp.recv()
        waited = time.monotonic_ns() - began
        with pytest.raises(StepFailedError, match="DEADLINE"):
            clock.left_s()
        assert clock.over
        assert clock.settle(failed=True) >= 0.9 * waited


def test_what_is_sent_last_and_needs_no_answer_is_no_wait() -> None:
    clock = StepClock(20)
    clock.sent()
    time.sleep(0.02)
    assert clock.settle() == 0
    clock.sent()
    time.sleep(0.02)
    clock.needs_no_answer()
    clock.sent()
    clock.received(time.time_ns())
    assert clock.settle() < 20 * MS


def test_the_wait_for_a_silent_server_counts_where_another_one_answers() -> None:
    clock = StepClock(20)
    clock.sent()
    time.sleep(0.02)
    clock.sent()  # to the second one
    clock.received(time.time_ns())
    assert clock.settle() >= 20 * MS


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_system_clock_that_is_set_meanwhile_costs_no_measurement(jump_s: int) -> None:
    clock = StepClock(20)
    clock.sent()
    time.sleep(0.01)
    clock.received(time.time_ns() + jump_s * 1000 * MS)
    assert 10 * MS <= clock.settle() < 3600 * 1000 * MS


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12))
def test_what_a_step_has_waited_is_never_more_than_it_took(script: list[tuple[int, bool]]) -> None:
    began = time.monotonic_ns()
    clock = StepClock(20)
    for times, answered in script:
        for _ in range(times):
            clock.sent()
        if answered:
            clock.received(None)
    assert 0 <= clock.settle(failed=True) <= time.monotonic_ns() - began
