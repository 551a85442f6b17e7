"""What the relay knows of messages, and how long each fault lets a packet wait; without sockets and without waiting."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import subprocess
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.lab.relay import channel, tcp, waits
from harness.lab.relay.channel import Effects, PendingRequest
from harness.lab.relay.framing import Framer
from harness.lab.relay.waits import BrokenError, LostError, WaitingFault, wait_of
from harness.model.fault import (
    ColdStart,
    DeadFirst,
    Delay,
    Fault,
    Hold,
    Jitter,
    Leak,
    Loss,
    Reset,
    Route,
    Service,
    Slowdown,
)
from harness.system.process import module_command
from tests.helpers.stand_ins import stand_in

AS, TGS = b"\x6a\x03\x02\x01\x05", b"\x6c\x03\x02\x01\x05"
BIND = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
SEARCH = b"\x30\x84\x00\x00\x00\x07\x02\x02\x01\x00\x63\x01\x00"
UNBIND = b"\x30\x05\x02\x01\x03\x42\x00"
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01"
SEALED = b"\x00\x00\x00\x30\x60\x63"


def by_tcp(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


MESSAGES: dict[Service, dict[bytes, str]] = {
    "kdc": {by_tcp(AS): "kdc_as", by_tcp(TGS): "kdc_tgs", by_tcp(b"\x7e\x00"): ""},
    "ldap": {BIND: "ldap_bind", SEARCH: "ldap_search", UNBIND: ""},
}


def cut(framer: Framer, data: bytes, places: list[int]) -> list[tuple[str, bytes]]:
    ends = sorted({*places, len(data)})
    return [piece for start, end in zip([0, *ends], ends, strict=False) for piece in framer.cut(data[start:end])]


@pytest.mark.parametrize("service", ["kdc", "ldap"])
@given(data=st.data())
def test_messages_are_told_apart_however_they_arrive_and_no_byte_is_changed(
    service: Service, data: st.DataObject
) -> None:
    said = data.draw(st.lists(st.sampled_from(sorted(MESSAGES[service])), max_size=6))
    sent = b"".join(said)
    places = data.draw(st.lists(st.integers(0, len(sent))))
    assert cut(Framer(service), sent, places) == [(MESSAGES[service][message], message) for message in said]


@pytest.mark.parametrize("opaque", [TLS, SEALED])
@given(places=st.lists(st.integers(0, 40)))
def test_what_is_encrypted_is_passed_as_it_comes_and_looked_at_no_more(opaque: bytes, places: list[int]) -> None:
    sent = BIND + opaque + BIND
    pieces = cut(Framer("ldap"), sent, [place for place in places if place <= len(sent)])
    assert b"".join(piece for _, piece in pieces) == sent
    assert [kind for kind, _ in pieces if kind] == ["ldap_bind"]


@given(st.binary(max_size=64), st.sampled_from(["kdc", "ldap", "http", "dns"]), st.lists(st.integers(0, 64)))
def test_any_bytes_leave_in_order_as_far_as_they_are_no_unfinished_message(
    noise: bytes, service: Service, places: list[int]
) -> None:
    pieces = cut(Framer(service), noise, [place for place in places if place <= len(noise)])
    assert noise.startswith(b"".join(piece for _, piece in pieces))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Every sleep that was asked for, none of which takes any time but on a clock that they drive."""
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    stand_in(monkeypatch, waits, "asyncio", sleep=sleep)
    stand_in(monkeypatch, waits, "time", monotonic=lambda: sum(asked))
    yield asked


def passed(fault: WaitingFault, times: int, datagram: bool = False) -> int:
    """How many of so many packets the fault lets through."""

    async def run() -> int:
        wait = wait_of(fault)
        through = 0
        for _ in range(times):
            try:
                await wait(datagram)
                through += 1
            except (LostError, BrokenError):
                continue
        return through

    return asyncio.run(run())


def test_a_delay_strikes_its_share_and_the_same_ones_each_time(slept: list[float]) -> None:
    fault = Delay(at="kdc_as", s=4.5, share=0.2)
    assert passed(fault, 1000) == 1000
    first = list(slept)
    assert sorted(set(first)) == [0.0, 4.5]
    assert 140 < first.count(4.5) < 260
    slept.clear()
    passed(fault, 1000)
    assert slept == first


def test_resets_and_losses_strike_their_share() -> None:
    assert 700 < passed(Reset(at="ldap", share=0.25), 1000) < 800
    assert 850 < passed(Loss(at="dns", share=0.1), 1000, datagram=True) < 950


def test_a_loss_on_tcp_is_a_retransmission_that_doubles(slept: list[float]) -> None:
    assert passed(Loss(at="ldap", share=0.5), 1000) == 1000
    assert {0.2, 0.4, 0.8} <= set(slept)
    assert 350 < slept.count(0.2) < 650


def test_jitter_has_its_mean(slept: list[float]) -> None:
    passed(Jitter(at="kdc", s=0.02), 4000)
    assert sum(slept) / 4000 == pytest.approx(0.02, rel=0.1)


def test_a_cold_start_fades_and_a_leak_grows_from_the_first_login_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [1000.0], []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    stand_in(monkeypatch, waits, "asyncio", sleep=sleep)
    stand_in(monkeypatch, waits, "time", monotonic=lambda: now[0])

    async def run(fault: WaitingFault) -> list[float]:
        asked.clear()
        wait = wait_of(fault)
        for minute in range(3):
            now[0] = 1000.0 + 60 * minute
            await wait(False)
        return list(asked)

    assert asyncio.run(run(ColdStart(at="kdc", s=0.4, fades_s=60))) == pytest.approx(
        [0.4, 0.4 / math.e, 0.4 / math.e**2]
    )
    assert asyncio.run(run(Leak(at="kdc", grows_s=0.2))) == pytest.approx([0.0, 0.2, 0.4])


def test_an_answer_is_stretched_once_by_what_the_server_itself_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [5.0]
    stand_in(monkeypatch, channel, "time", monotonic=lambda: now[0])
    pending = PendingRequest()
    asyncio.run(pending.note(3.0))
    now[0] = 5.2
    assert pending.extra_s() == pytest.approx(0.4)
    assert pending.extra_s() == 0


def test_a_fault_at_a_message_spares_the_others_and_one_at_a_service_strikes_what_opens() -> None:
    def struck(fault: Fault, service: Service) -> list[str]:
        effects = Effects(Route(service=service, host="127.0.0.1", port=1, faults=(fault,)))
        kinds = [(kind, opening) for kind in ("kdc_as", "kdc_tgs") for opening in (True, False)]
        return [
            f"{kind} {opening}"
            for kind, opening in kinds
            if effects.on_request((kind, b""), opening, PendingRequest(), False)
        ]

    assert struck(Delay(at="kdc_as", s=1), "kdc") == ["kdc_as True", "kdc_as False"]
    assert struck(Delay(at="kdc", s=1), "kdc") == ["kdc_as True", "kdc_tgs True"]
    assert struck(Slowdown(at="kdc_tgs", factor=2), "kdc") == ["kdc_tgs True", "kdc_tgs False"]
    assert len(struck(Slowdown(at="kdc", factor=2), "kdc")) == len(struck(Jitter(at="kdc", s=1), "kdc")) == 4


ONE_OF_EACH: dict[type[Fault], Fault] = {
    type(fault): fault
    for fault in (
        Hold(at="ldap", hold_s=4.5, workers=2),
        Leak(at="ldap", grows_s=0.1),
        Delay(at="kdc_as", s=1),
        Slowdown(at="dns", factor=2),
        ColdStart(at="http", s=1, fades_s=60),
        Reset(at="ldap_bind", share=0.5),
        Loss(at="kdc", share=0.5),
        Jitter(at="dns", s=0.1),
        DeadFirst(at="kdc"),
    )
}


@pytest.mark.parametrize("kind", get_args(get_args(Fault)[0]), ids=lambda kind: kind.__name__)
def test_a_fault_of_any_kind_does_something_to_a_request(kind: type[Fault]) -> None:
    fault = ONE_OF_EACH[kind]
    if kind is DeadFirst:  # another route's, which answers nobody
        Route(service=fault.service, host="127.0.0.1", port=None, faults=(fault,))
        return
    effects = Effects(Route(service=fault.service, host="127.0.0.1", port=1, faults=(fault,)))
    assert effects.on_request((fault.at, b""), True, PendingRequest(), False)


@pytest.mark.parametrize(
    ("faults", "port", "said"),
    [
        ([{"kind": "storm", "at": "kdc"}], 1, "'storm'"),
        ([{"kind": "delay", "at": "ldap", "s": 1}], 1, "expected faults at kdc alone, got one at ldap"),
        ([{"kind": "dead_first", "at": "kdc"}], 1, "expected dead_first alone on a route without a port"),
        ([{"kind": "delay", "at": "kdc", "s": 1}], None, "expected dead_first alone on a route without a port"),
        ([], None, "expected dead_first alone on a route without a port"),
    ],
)
def test_a_fault_that_a_relay_could_not_play_ends_it_before_it_listens(
    faults: list[dict[str, object]], port: int | None, said: str
) -> None:
    command, env = module_command("harness.lab.relay")
    route = {"service": "kdc", "host": "127.0.0.1", "port": port, "faults": faults}
    done = subprocess.run([*command, json.dumps([route])], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and done.stdout == ""
    assert said in done.stderr


def test_slowdowns_of_one_answer_multiply() -> None:
    faults = (Slowdown(at="kdc", factor=2), Slowdown(at="kdc_as", factor=3), Slowdown(at="kdc_as", factor=1.5))
    effects = Effects(Route(service="kdc", host="127.0.0.1", port=1, faults=faults))

    def stretched(kind: str) -> float:
        noted: list[float] = []

        async def note(factor: float) -> None:
            noted.append(factor)

        pending = PendingRequest()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PendingRequest, "note", lambda _, factor: note(factor))
            (step,) = effects.on_request((kind, b""), False, pending, False)
            asyncio.run(step())
        return noted[0]

    assert [stretched(kind) for kind in ("kdc_as", "kdc_tgs", "")] == [9.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "values", [{"hold_s": 0}, {"hold_s": -1}, {"hold_s": math.nan}, {"workers": 0}, {"at": "smtp"}]
)
def test_a_hold_without_time_workers_or_place_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Hold.model_validate({"hold_s": 4.5, "workers": 16} | values)


def test_what_a_relay_passes_on_leaves_at_once_at_both_ends() -> None:
    """Nagle's algorithm would hold a small second answer for the client's delayed acknowledgement, 40 ms on Linux."""

    async def at_once() -> list[bool]:
        server = await asyncio.start_server(lambda reader, writer: writer.write(b"hello"), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        at = socket.create_server(("127.0.0.1", 0))
        relay = await tcp.listen(route := Route(service="ldap", host="127.0.0.1", port=port), Effects(route), at)
        with pytest.MonkeyPatch.context() as patch:
            ends: list[tcp._End] = []
            made = tcp._End.connection_made

            def noted(end: tcp._End, transport: asyncio.BaseTransport) -> None:
                made(end, transport)
                ends.append(end)

            patch.setattr(tcp._End, "connection_made", noted)
            reader, writer = await asyncio.open_connection(*at.getsockname())
            assert await reader.read(5) == b"hello"
            sockets = [end._transport.get_extra_info("socket") for end in ends if end._transport is not None]
            found = [bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for one in sockets]
            writer.close()
        relay.close()
        server.close()
        return found

    assert asyncio.run(at_once()) == [True, True]
