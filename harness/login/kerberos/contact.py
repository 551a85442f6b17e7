"""One KDC by one transport, and how a request reaches it and its answer is read."""

from __future__ import annotations

import time

from harness.login.kerberos.policies import KdcPolicy
from harness.login.net.clock import StepClock
from harness.login.net.streams import Datagrams, Stream, connect
from harness.model.endpoint import Endpoint
from harness.model.protocol import Transport

_LENGTH_BYTES = 4
"""Before a message by TCP (RFC 4120 §7.2.2)."""
MESSAGE_AT_MOST = 1 << 20
"""No ticket of a login comes near 1 MiB (the limit of libkrb5 itself)."""


class Contact:
    """One KDC by one transport: a socket, once it is opened."""

    __slots__ = ("_begun", "_udp", "endpoint", "open", "request", "stream", "transport", "until")

    def __init__(self, endpoint: Endpoint, transport: Transport) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.stream: Stream | None = None
        self._udp: Datagrams | None = None
        self._begun = bytearray()
        self.open = False
        self.until = 0.0

    def send(self, request: bytes, clock: StepClock, policy: KdcPolicy) -> None:
        """Send the request, on a new socket the first time; raises OSError and StepFailedError."""
        if self.transport == "UDP":
            if self._udp is None:
                self._udp = Datagrams(self.endpoint, clock)
            self._udp.send(request)
        elif self.stream is None:
            self.stream = connect(self.endpoint, clock, policy.each_s)
            self.stream.sendall(len(request).to_bytes(4, "big") + request)
            self.until = time.monotonic() + policy.connected_s
        self.open = True

    def fileno(self) -> int:
        """For select(2)."""
        socket = self._udp if self.stream is None else self.stream
        assert socket is not None
        return socket.fileno()

    def read(self, within_s: float) -> bytes | None:
        """The answer, or None of one that has come in part alone.

        Raises TimeoutError where nothing comes within ``within_s``, OSError, and StepFailedError. A KDC that drips
        gains no time by it: what is waited for is the whole answer, and the others are listened to meanwhile.
        """
        if self._udp is not None:
            return self._udp.recv(within_s)
        assert self.stream is not None
        if not self.stream.readable(within_s):
            raise TimeoutError
        if not (data := self.stream.recv()):
            raise ConnectionResetError
        self._begun += data
        if len(self._begun) < _LENGTH_BYTES:
            return None
        size = int.from_bytes(self._begun[:_LENGTH_BYTES], "big")
        if size > MESSAGE_AT_MOST:
            raise ConnectionResetError(f"a message of {size} bytes")
        end = _LENGTH_BYTES + size
        return bytes(self._begun[_LENGTH_BYTES:end]) if len(self._begun) >= end else None

    def close(self) -> None:
        """Hang up."""
        self.open = False
        for socket in (self._udp, self.stream):
            if socket is not None:
                socket.close()
