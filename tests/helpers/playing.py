"""A server of the test's own that says what it was told to, by TCP and by UDP at one port, and how it says it."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from harness.model.endpoint import Endpoint

HOST = "127.0.0.1"
End = Literal["hangs up", "resets", "listens", "is silent", "repeats"]


@dataclass(frozen=True)
class Play:
    """What is said on one connection, an answer to each thing that is heard, and what comes then.

    A server that ``listens`` waits a moment for another request before it hangs up; one that ``is silent`` keeps the
    connection; one that ``repeats`` says its last answer for as long as anybody listens. ``at_once``: the first answer
    is said before anything is heard.
    """

    answers: tuple[bytes, ...]
    end: End = "hangs up"
    byte_every_s: float = 0.0
    at_once: bool = False


Reply = Callable[[bytes], Iterable[bytes]]
"""The datagrams that answer one."""
_LISTENS_S = 0.003
_IDLE_S = 20.0
"""Only a client that hangs keeps a connection so long."""


def both_at_one_port(host: str) -> tuple[socket.socket, socket.socket]:
    """A listening socket and one for datagrams: a port that is free for the one may be taken for the other."""
    while True:
        stream = socket.create_server((host, 0), backlog=256)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            datagrams.bind(stream.getsockname())
        except OSError:
            stream.close()
            datagrams.close()
        else:
            return stream, datagrams


class Player:
    """A server; ``plays`` are those of the next connections, in order, and ``reply`` what answers datagrams.

    By ``only`` one of the two nobody listens by the other.
    """

    def __init__(self, reply: Reply = lambda _: (), only: Literal["TCP", "UDP", ""] = "") -> None:
        self.plays: deque[Play] = deque()
        self.reply = reply
        self._over = threading.Event()
        self._tcp, self._udp = both_at_one_port(HOST)
        self.endpoint = Endpoint(host=HOST, port=self._tcp.getsockname()[1])
        runs = []
        if only == "UDP":
            self._tcp.close()
        else:
            runs.append(self._accept)
        if only == "TCP":
            self._udp.close()
        else:
            runs.append(self._repeat)
        self._threads = [threading.Thread(target=run, daemon=True) for run in runs]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it, and every connection."""
        self._over.set()
        with suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._udp.sendto(b"", self._udp.getsockname())
        for thread in self._threads:
            thread.join(_IDLE_S)
        self._tcp.close()
        self._udp.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._tcp.accept()
            except OSError:
                return
            play = self.plays.popleft() if self.plays else Play(())
            if play.byte_every_s or play.end in ("is silent", "repeats"):
                threading.Thread(target=self._play, args=(peer, play), daemon=True).start()
            else:
                self._play(peer, play)

    def _play(self, peer: socket.socket, play: Play) -> None:
        with peer, suppress(OSError):
            peer.settimeout(_IDLE_S)
            for number, answer in enumerate(play.answers):
                if not (number == 0 and play.at_once) and not peer.recv(1 << 16):
                    return
                if play.byte_every_s:
                    for byte in answer:
                        peer.sendall(bytes([byte]))
                        if self._over.wait(play.byte_every_s):
                            return
                else:
                    peer.sendall(answer)
            if play.end == "repeats":
                while not self._over.is_set():
                    peer.sendall(play.answers[-1])
            elif play.end == "is silent":
                while not self._over.is_set() and peer.recv(1 << 16):
                    pass
            elif play.end == "listens":
                peer.settimeout(_LISTENS_S)
                peer.recv(1 << 16)
            elif play.end == "resets":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _repeat(self) -> None:
        while not self._over.is_set():
            data, client = self._udp.recvfrom(1 << 16)
            if self._over.is_set():
                return
            for answer in self.reply(data):
                with suppress(OSError):
                    self._udp.sendto(answer, client)


@contextmanager
def player(*plays: Play, reply: Reply = lambda _: (), only: Literal["TCP", "UDP", ""] = "") -> Iterator[Player]:
    """A server until the end of the block."""
    made = Player(reply, only)
    made.plays.extend(plays)
    try:
        yield made
    finally:
        made.close()
