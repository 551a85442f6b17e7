"""Sockets that end their waits at the step's deadline and tell its clock when the kernel sent and received.

Each is bounded in what it reads; a server that drips gains no time by it, since every wait ends at the one deadline.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from harness.login.net.clock import StepClock
from harness.model.endpoint import Endpoint

_TIMESTAMPNS = 35
"""SO_TIMESTAMPNS and SCM_TIMESTAMPNS of Linux (asm-generic/socket.h); Python's socket module has no name for it."""
_STAMP = struct.Struct("@qq")
_ROOM = socket.CMSG_SPACE(_STAMP.size)
_INFO_BYTES = 104
_RTT_AT, _RETRANSMITS_AT = 68, 100
"""Of tcpi_rtt (µs) and tcpi_total_retrans in struct tcp_info (linux/tcp.h)."""
CHUNK = 1 << 14
DATAGRAM_AT_MOST = 65535


def _stamping(made: socket.socket) -> socket.socket:
    made.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    return made


# The kernel stamps packets while any socket asks for it, and patches its own code at the first and the last such
# socket: one that lives as long as the process spares every login that.
_KEEPS_STAMPING = _stamping(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


def _family(host: str) -> int:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _wall(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """The kernel's receive time in ns since 1970, of a message's ancillary data."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _TIMESTAMPNS:
            seconds, ns = _STAMP.unpack_from(data)
            return int(seconds * 1_000_000_000 + ns)
    return None


class Incoming(ABC):
    """What comes on a connection, and of that what is not yet read; what kind of connection it is says ``more``.

    Every method raises what the connection raises.
    """

    __slots__ = ("_unread",)

    def __init__(self) -> None:
        self._unread = bytearray()

    @abstractmethod
    def more(self, size: int) -> bytes:
        """What comes next, about ``size`` bytes at most; empty where the peer has closed the connection."""

    def recv(self, size: int = CHUNK) -> bytes:
        """What has come, at most ``size`` bytes; empty where the peer has closed the connection."""
        if not self._unread:
            data = self.more(size)
            if len(data) <= size:
                return data
            self._unread += data
        return self._taken(size)

    def exactly(self, size: int) -> bytes:
        """So many bytes; raises ConnectionResetError where the connection ends before."""
        while (missing := size - len(self._unread)) > 0:
            data = self.more(max(CHUNK, missing))
            if not data:
                raise ConnectionResetError
            self._unread += data
        return self._taken(size)

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken


class Stream(Incoming):
    """A TCP connection of one login. Raises OSError, and StepFailedError with TIMED_OUT at the clock's deadline."""

    __slots__ = ("_clock", "_socket", "received")

    def __init__(self, connected: socket.socket, clock: StepClock) -> None:
        super().__init__()
        self._socket = connected
        self._clock = clock
        self.received = 0
        """Bytes so far."""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(self._clock.left_s())
        self._clock.sent()
        # Nearly always all of it at once; gevent's sendall asks the kernel for the size of its buffer first.
        sent = self._socket.send(data)
        if sent < len(data):
            self._socket.sendall(data[sent:])

    def more(self, size: int) -> bytes:
        """See Incoming."""
        self._socket.settimeout(self._clock.left_s())
        data, ancillary, _, _ = self._socket.recvmsg(size, _ROOM)
        self._clock.received(_wall(ancillary))
        self.received += len(data)
        return data

    def readable(self, within_s: float) -> bool:
        """Whether something comes within so many seconds, and within the deadline."""
        if self._unread:
            return True
        ready = select.poll()
        ready.register(self._socket, select.POLLIN)
        return bool(ready.poll(min(within_s, self._clock.left_s()) * 1000))

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def connect(endpoint: Endpoint, clock: StepClock, at_most_s: float | None = None) -> Stream:
    """A connection to the endpoint, made within the deadline and within ``at_most_s``; raises as Stream does.

    Its handshake's time is the kernel's own, unless a packet of it had to be sent again: what that cost is in none of
    the kernel's figures, and is the way's to answer for, not the generator's.
    """
    left = clock.left_s()
    made = _stamping(socket.socket(_family(endpoint.host), socket.SOCK_STREAM))
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(left if at_most_s is None else min(left, at_most_s))
        clock.sent()
        began = time.time_ns()
        made.connect((endpoint.host, endpoint.port))
        info = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        rtt_us, again = (int.from_bytes(info[at : at + 4], "little") for at in (_RTT_AT, _RETRANSMITS_AT))
        clock.received(None if again or not rtt_us else began + rtt_us * 1000)
    except BaseException:
        made.close()
        raise
    return Stream(made, clock)


def first_connected(endpoints: Sequence[Endpoint], clock: StepClock) -> Stream:
    """A connection to the first of the endpoints that accepts one; raises the last one's OSError where none does."""
    *others, last = endpoints
    for endpoint in others:
        with suppress(OSError):
            return connect(endpoint, clock)
    return connect(last, clock)


class Datagrams:
    """A UDP socket of one login to one endpoint; raises as Stream does, ConnectionRefusedError where nobody listens."""

    __slots__ = ("_clock", "_socket", "endpoint")

    def __init__(self, endpoint: Endpoint, clock: StepClock) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._socket = _stamping(socket.socket(_family(endpoint.host), socket.SOCK_DGRAM))
        try:
            self._socket.connect((endpoint.host, endpoint.port))  # so that a closed port is heard of
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """For select(2)."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        self._clock.sent()
        self._socket.send(data)

    def recv(self, within_s: float | None = None) -> bytes:
        """The next datagram; raises TimeoutError after ``within_s``."""
        left = self._clock.left_s()
        self._socket.settimeout(left if within_s is None else min(left, within_s))
        data, ancillary, _, _ = self._socket.recvmsg(DATAGRAM_AT_MOST, _ROOM)
        self._clock.received(_wall(ancillary))
        return data

    def close(self) -> None:
        """Forget the socket."""
        self._socket.close()

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
