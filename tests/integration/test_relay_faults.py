"""Each fault of the relay on real sockets: what it strikes, what it spares, and that no byte is changed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness.model.fault import ROUTES, DeadFirst, Delay, Fault, Jitter, Loss, Reset, Route, Service, Slowdown
from harness.system.process import Family, module_command
from tests.helpers.playing import both_at_one_port

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
HERE = "127.0.0.9"
"""Not 127.0.0.1, as the AD lab's servers are not."""
SLOW_S = 0.1
FOREVER_S = 3600.0
AS, TGS = b"\x6a\x03\x02\x01\x05", b"\x6c\x03\x02\x01\x05"
BIND = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
SEARCH = b"\x30\x09\x02\x01\x02\x63\x04\x04\x00\x0a\x01"

ROUTES_BY_NAME: dict[str, tuple[Service, Fault | None]] = {
    "plain": ("kdc", None),
    "as": ("kdc", Delay(at="kdc_as", s=FOREVER_S)),
    "search": ("ldap", Delay(at="ldap_search", s=FOREVER_S)),
    "reset": ("ldap", Reset(at="ldap", share=0.25)),
    "lossy datagrams": ("dns", Loss(at="dns", share=0.3)),
    "lossy stream": ("http", Loss(at="http", share=0.2)),
    "jitter": ("http", Jitter(at="http", s=0.01)),
    "slow": ("http", Slowdown(at="http", factor=5)),
    "dropped": ("kdc", DeadFirst(at="kdc", how="drop")),
    "silent": ("kdc", DeadFirst(at="kdc", how="silent")),
}


def by_tcp(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


class Echo:
    """A server that answers each piece, and each datagram, with itself after a while."""

    def __init__(self) -> None:
        self.stream, self.datagrams = both_at_one_port(HERE)
        self.port = self.stream.getsockname()[1]
        for run in (self._accept, self._repeat):
            threading.Thread(target=run, daemon=True).start()

    def close(self) -> None:
        self.stream.close()
        self.datagrams.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.stream.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(65536):
                    if piece == b"slow":
                        time.sleep(SLOW_S)
                    connection.sendall(piece)
            except ConnectionError:
                return

    def _repeat(self) -> None:
        while True:
            try:
                self.datagrams.sendto(*self.datagrams.recvfrom(65536))
            except OSError:
                return


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """One relay process with a route for each fault."""
    log = tmp_path_factory.mktemp("relay") / "log"
    family = Family()
    with closing(Echo()) as echo:
        routes = [
            Route(
                service=service,
                host=HERE,
                port=None if isinstance(fault, DeadFirst) else echo.port,
                faults=(fault,) if fault else (),
            )
            for service, fault in ROUTES_BY_NAME.values()
        ]
        command, env = module_command("harness.lab.relay")
        argv = [*command, ROUTES.dump_json(tuple(routes)).decode()]
        relay = family.spawn(argv, env, log, subprocess.PIPE)
        assert relay.stdout is not None
        yield dict(zip(ROUTES_BY_NAME, json.loads(relay.stdout.readline()), strict=True))
        family.close()
    assert Path(log).read_text() == ""  # No exception went by in silence.


def connect(port: int) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=PATIENCE_S)


def datagram_socket(port: int, timeout_s: float = PATIENCE_S) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(timeout_s)
    made.connect((HERE, port))
    return made


def heard(connection: socket.socket, count: int) -> bytes:
    answer = b""
    while len(answer) < count:
        piece = connection.recv(65536)
        assert piece, "the relay hung up"
        answer += piece
    return answer


def is_silent(connection: socket.socket, for_s: float = 0.2) -> bool:
    connection.settimeout(for_s)
    try:
        connection.recv(1)
    except TimeoutError:
        return True
    return False


def test_datagrams_and_streams_pass_unchanged_on_one_port_and_each_client_hears_its_own(ports: dict[str, int]) -> None:
    for size in (1, 1400, 20_000):
        with datagram_socket(ports["plain"]) as one, datagram_socket(ports["plain"]) as other:
            said = [os.urandom(size), os.urandom(size)]
            one.send(said[0])
            other.send(said[1])
            assert [one.recv(65536), other.recv(65536)] == said
    said = [os.urandom(100_000)]
    with connect(ports["plain"]) as client:
        client.sendall(said[0])
        assert heard(client, len(said[0])) == said[0]


def test_a_delay_of_as_requests_spares_tgs_requests_by_tcp_and_by_udp(ports: dict[str, int]) -> None:
    with connect(ports["as"]) as first, connect(ports["as"]) as ticket:
        first.sendall(by_tcp(AS))
        ticket.sendall(by_tcp(TGS))
        assert heard(ticket, len(by_tcp(TGS))) == by_tcp(TGS)
        assert is_silent(first)
    with datagram_socket(ports["as"]) as first, datagram_socket(ports["as"]) as ticket:
        first.send(AS)
        ticket.send(TGS)
        assert ticket.recv(100) == TGS
        assert is_silent(first)


def test_a_delay_of_searches_spares_the_bind_before_it_and_holds_back_what_follows(ports: dict[str, int]) -> None:
    with connect(ports["search"]) as client:
        client.sendall(BIND + SEARCH + BIND)
        assert heard(client, len(BIND)) == BIND
        assert is_silent(client)


def test_encrypted_ldap_passes_though_it_holds_what_looks_like_a_search(ports: dict[str, int]) -> None:
    with connect(ports["search"]) as client:
        client.sendall(BIND)
        assert heard(client, len(BIND)) == BIND
        client.sendall(b"\x16\x03\x01" + SEARCH)
        assert heard(client, 3 + len(SEARCH)) == b"\x16\x03\x01" + SEARCH


def test_a_share_of_connections_is_reset_and_the_others_are_served(ports: dict[str, int]) -> None:
    served = 0
    for _ in range(200):
        with connect(ports["reset"]) as client:
            client.sendall(BIND)
            try:
                assert heard(client, len(BIND)) == BIND
                served += 1
            except ConnectionResetError:
                continue
    assert 125 < served < 175


def test_a_share_of_datagrams_is_lost_each_way_and_the_others_are_unchanged(ports: dict[str, int]) -> None:
    answers = []
    with datagram_socket(ports["lossy datagrams"], timeout_s=5.0) as client:
        for number in range(200):
            client.send(b"%d" % number)
        try:
            while True:
                answers.append(int(client.recv(100)))
        except TimeoutError:
            pass
    assert answers == sorted(set(answers))
    assert 65 < len(answers) < 135  # 0.7² of 200


@pytest.mark.parametrize("name", ["lossy stream", "jitter"])
def test_loss_and_jitter_on_a_stream_cost_time_and_change_nothing(ports: dict[str, int], name: str) -> None:
    with connect(ports[name]) as client:
        for _ in range(10):
            said = os.urandom(2000)
            client.sendall(said)
            assert heard(client, len(said)) == said


def test_a_slowdown_multiplies_what_the_server_took_of_each_answer(ports: dict[str, int]) -> None:
    with connect(ports["slow"]) as client:
        for _ in range(2):
            began = time.monotonic()
            client.sendall(b"slow")
            assert heard(client, 4) == b"slow"
            assert time.monotonic() - began >= 5 * SLOW_S


def test_a_server_that_drops_takes_no_connection_and_a_silent_one_takes_all_and_says_nothing(
    ports: dict[str, int],
) -> None:
    with pytest.raises(TimeoutError):
        socket.create_connection((HERE, ports["dropped"]), timeout=0.3)
    for name in ("dropped", "silent"):
        with datagram_socket(ports[name]) as asking:
            asking.send(AS)
            assert is_silent(asking)
    for _ in range(3):
        with connect(ports["silent"]) as asking:
            asking.sendall(by_tcp(AS))
            assert is_silent(asking)
