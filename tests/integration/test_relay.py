"""The relay as a process, between sockets of this test; timing is asserted by lower bounds and by order only."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from harness.model.fault import ROUTES, Delay, Fault, Hold, Route, Service
from harness.system.process import Family, Identity, module_command

pytestmark = pytest.mark.integration

PATIENCE_S = 20.0
HOLD_S = 0.5


class Echo:
    """A server that answers each message with itself and remembers when each arrived, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def words(self) -> list[bytes]:
        return [word for _, word in self.heard]

    def when(self, word: bytes) -> float:
        return next(at for at, heard in self.heard if heard == word)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while message := _received(connection):
                self.heard.append((time.monotonic(), message))
                connection.sendall(message)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as server:
        yield server


@pytest.fixture
def relay_to(tmp_path: Path) -> Iterator[Callable[..., int]]:
    family = Family()

    def start(port: int | None, *faults: Fault, service: Service = "ldap") -> int:
        command, env = module_command("harness.lab.relay")
        route = Route(service=service, host="127.0.0.1", port=port, faults=faults)
        argv = [*command, ROUTES.dump_json((route,)).decode()]
        relay = family.spawn(argv, env, tmp_path / "log", subprocess.PIPE)
        assert relay.stdout is not None
        (listens_at,) = json.loads(relay.stdout.readline())
        return int(listens_at)

    yield start
    family.close()
    assert (tmp_path / "log").read_text() == ""  # No exception went by in silence.


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def say(port: int, word: bytes) -> socket.socket:
    """A connection that has sent ``word``; the relay reads those sent before it first."""
    connection = connect(port)
    connection.sendall(word)
    time.sleep(0.02)  # Loopback delivers in order, but the relay may see two new connections in one turn of its loop.
    return connection


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("faults", [(), (Hold(hold_s=0.05, workers=2),), (Delay(at="ldap", s=0.05),)])
def test_bytes_pass_unchanged_in_both_directions_with_half_closes(
    relay_to: Callable[..., int], faults: tuple[Fault, ...]
) -> None:
    sent = os.urandom(8_000_000)  # More than any buffer between the two, so both ends have to pause and resume.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = connect(relay_to(listener.getsockname()[1], *faults))
        server, _ = listener.accept()
    server.settimeout(PATIENCE_S)

    def pump(sender: socket.socket) -> None:
        # The half-close waits for the hold's end: one before is a client that has gone.
        sender.sendall(sent)
        sender.shutdown(socket.SHUT_WR)

    def digest(receiver: socket.socket) -> tuple[int, str]:
        received = bytearray()
        while piece := receiver.recv(65536):
            received += piece
        return len(received), hashlib.sha256(received).hexdigest()

    expected = (len(sent), hashlib.sha256(sent).hexdigest())
    with client, server:
        client.sendall(b"first")
        assert server.recv(5) == b"first"
        pumping = threading.Thread(target=pump, args=(client,))
        pumping.start()
        time.sleep(0.1)  # The server is slow to read: what is under way has to wait for it.
        assert digest(server) == expected
        pumping.join()
        pumping = threading.Thread(target=pump, args=(server,))  # The client has half-closed: this way is still open.
        pumping.start()
        assert digest(client) == expected
        pumping.join()


def test_a_server_that_speaks_first_is_heard_before_the_hold_is_over(relay_to: Callable[..., int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = connect(relay_to(listener.getsockname()[1], Hold(hold_s=3600, workers=1)))
        server, _ = listener.accept()
    with client, server:
        server.sendall(b"welcome")
        assert client.recv(7) == b"welcome"


def test_what_follows_the_first_bytes_of_a_held_connection_keeps_its_place(
    relay_to: Callable[..., int], echo: Echo
) -> None:
    with say(relay_to(echo.port, Hold(hold_s=HOLD_S, workers=1)), b"one ") as client:
        client.sendall(b"two ")
        time.sleep(0.05)
        client.sendall(b"three")
        answer = b""
        while len(answer) < 13:
            answer += client.recv(64)
        assert answer == b"one two three"


def test_a_connection_is_held_once_and_not_before_its_time(relay_to: Callable[..., int], echo: Echo) -> None:
    started = time.monotonic()
    port = relay_to(echo.port, Hold(hold_s=HOLD_S, workers=1))
    with say(port, b"first") as client, ExitStack() as stack:
        assert client.recv(64) == b"first"
        assert echo.when(b"first") >= started + HOLD_S
        for number in range(20):  # They keep the worker for 10 s, behind whom what is held again would wait its turn.
            stack.enter_context(say(port, b"other %d" % number))
        for _ in range(50):
            client.sendall(b"next")
            assert client.recv(64) == b"next"
        assert b"other 19" not in echo.words


def test_one_worker_serves_connections_one_after_another_in_order(relay_to: Callable[..., int], echo: Echo) -> None:
    port = relay_to(echo.port, Hold(hold_s=HOLD_S, workers=1))
    started = time.monotonic()
    words = [b"a", b"b", b"c"]
    clients = [say(port, word) for word in words]
    wait_for(lambda: len(echo.heard) == 3)
    assert echo.words == words
    for place, word in enumerate(words, start=1):
        assert echo.when(word) >= started + place * HOLD_S
    for client in clients:
        client.close()


def test_the_pool_is_bounded(relay_to: Callable[..., int], echo: Echo) -> None:
    port = relay_to(echo.port, Hold(hold_s=HOLD_S, workers=2))
    started = time.monotonic()
    clients = [say(port, b"%d" % number) for number in range(6)]
    wait_for(lambda: len(echo.heard) == 6)
    arrived = sorted(at for at, _ in echo.heard)
    for number, at in enumerate(arrived):
        assert at >= started + (number // 2 + 1) * HOLD_S
    assert {*echo.words[:2]} == {b"0", b"1"}
    assert {*echo.words[2:4]} == {b"2", b"3"}
    for client in clients:
        client.close()


def test_a_connection_that_says_nothing_takes_no_worker(relay_to: Callable[..., int], echo: Echo) -> None:
    port = relay_to(echo.port, Hold(hold_s=HOLD_S, workers=1))
    silent = [connect(port) for _ in range(60)]  # With a worker each, they would take 30 s.
    with say(port, b"word") as client:
        assert client.recv(64) == b"word"
    for connection in silent:
        connection.close()


def test_clients_that_have_gone_free_their_places_in_the_queue(relay_to: Callable[..., int], echo: Echo) -> None:
    port = relay_to(echo.port, Hold(hold_s=4 * HOLD_S, workers=1))
    first = say(port, b"first")
    gone = [connect(port) for _ in range(100)]  # Held one after another they would take 200 s.
    for client in gone:
        client.sendall(b"gone")
    last = say(port, b"last")
    for number, client in enumerate(gone):
        if number % 2:  # Both ways of going: a reset, and a proper end.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    assert last.recv(64) == b"last"
    # A client whose turn came before its end was seen may have been served; with so short a queue, one or two.
    assert echo.words[0] == b"first"
    assert echo.words[-1] == b"last"
    assert echo.words.count(b"gone") <= 2
    first.close()
    last.close()


def test_a_worker_that_holds_keeps_its_full_time_though_the_client_has_gone(
    relay_to: Callable[..., int], echo: Echo
) -> None:
    hold_s = 6 * HOLD_S
    port = relay_to(echo.port, Hold(hold_s=hold_s, workers=1))
    started = time.monotonic()
    held = say(port, b"held")
    time.sleep(2 * HOLD_S)  # Long enough for an idle worker to have taken it.
    held.close()
    with say(port, b"next") as client:
        assert client.recv(64) == b"next"
    assert echo.when(b"next") >= started + 2 * hold_s
    assert b"held" not in echo.words


def test_a_plain_delay_holds_no_worker(relay_to: Callable[..., int], echo: Echo) -> None:
    port = relay_to(echo.port, Delay(at="ldap", s=HOLD_S))
    started = time.monotonic()
    clients = [connect(port) for _ in range(100)]  # One after another they would take 50 s.
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
    wait_for(lambda: len(echo.heard) == 100)
    assert all(at >= started + HOLD_S for at, _ in echo.heard)
    for client in clients:
        client.close()


def test_a_dead_server_looks_dead_to_the_client(relay_to: Callable[..., int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with connect(relay_to(port)) as client:
        client.sendall(b"anyone?")
        assert _received(client) == b""


def test_a_server_that_hangs_up_ends_the_clients_connection_too(relay_to: Callable[..., int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = say(relay_to(listener.getsockname()[1]), b"hello")
        server, _ = listener.accept()
    with client:
        assert server.recv(64) == b"hello"
        server.close()
        assert client.recv(64) == b""


def test_a_client_that_hangs_up_ends_the_servers_connection_too(relay_to: Callable[..., int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = say(relay_to(listener.getsockname()[1]), b"hello")
        server, _ = listener.accept()
        with server:
            server.settimeout(PATIENCE_S)
            assert server.recv(64) == b"hello"
            client.close()
            assert server.recv(64) == b""


PARENT = """
import subprocess, sys, time
from pathlib import Path
from harness.system.process import Family, module_command
command, env = module_command("harness.lab.relay")
family = Family()
relay = family.spawn([*command, sys.argv[1]], env, Path(sys.argv[2]), subprocess.PIPE)
print(relay.pid if relay.stdout.readline() else 0, flush=True)
time.sleep(60)
"""


def test_a_relay_dies_with_a_parent_that_is_killed(echo: Echo, tmp_path: Path) -> None:
    routes = ROUTES.dump_json((Route(service="ldap", host="127.0.0.1", port=echo.port),)).decode()
    command = [sys.executable, "-c", PARENT, routes, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            relay = Identity.of(int(parent.stdout.readline()))
            assert relay.alive
        finally:
            parent.kill()
    wait_for(lambda: not relay.alive)
