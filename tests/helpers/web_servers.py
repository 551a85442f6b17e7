"""A web server of a test's own, which gives one answer after the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PATIENCE_S = 20.0


@dataclass
class Front:
    """A front that gives one answer after the other, each to a request of its own."""

    port: int
    requests: list[str] = field(default_factory=list)
    connections: int = 0


@contextmanager
def front(*answers: bytes, byte_every_s: float = 0.0, listens: socket.socket | None = None) -> Iterator[Front]:
    """A front on a port of its own, or by a socket that listens; it hangs up after ``Connection: close`` in an answer.

    After one with ``X-Hangs-Up`` it does so too, which tells a client nothing.
    """
    with listens or socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        found = Front(listener.getsockname()[1])
        over = threading.Event()

        def serve() -> None:
            left = list(answers)
            while left:
                try:
                    connection, _ = listener.accept()
                except OSError:  # nobody comes any more
                    return
                found.connections += 1
                with connection, suppress(OSError):
                    while left and (request := connection.recv(65536)):
                        found.requests.append(request.decode())
                        answer = left.pop(0)
                        if not byte_every_s:
                            connection.sendall(answer)
                        for byte in answer if byte_every_s else b"":
                            connection.sendall(bytes([byte]))
                            if over.wait(byte_every_s):
                                return
                        if b"Connection: close" in answer or b"X-Hangs-Up" in answer or not left:
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield found
        finally:
            over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)
