"""Connections passed on to a server.

1. Bytes leave in the order in which they came, unchanged, and so does a half-close.
2. A client that goes away before its turn is forgotten: it frees its place in a queue, and the server hears nothing.
3. What a server has said before it hung up still reaches the client.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from harness.lab.relay.channel import Channel, Effects, PendingRequest
from harness.lab.relay.framing import Framer
from harness.model.fault import Route

BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted: a burst waits for a worker, not for a repeated SYN."""
_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


async def listen(route: Route, effects: Effects, at: socket.socket) -> asyncio.Server:
    """Accept connections on a bound socket from now on; raises OSError."""

    def accept() -> asyncio.Protocol:
        return _Link(route, effects).client

    return await asyncio.get_running_loop().create_server(accept, sock=at, backlog=BACKLOG)


class _Link:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, route: Route, effects: Effects) -> None:
        self._effects = effects
        self._framer = Framer(route.service) if effects.reads_messages else None
        self._pending = PendingRequest()
        self._opened = False
        self._connected = asyncio.get_running_loop().create_future()
        self.client = _End(self._from_client, leaves_queue=True)
        self._server = _End(self._from_server, leaves_queue=False)
        self.client.join(self._server, self._reset)
        self._server.join(self.client, self._reset)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(route))

    async def _connect(self, route: Route) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._server, route.host, route.port or 0)
        except OSError:
            self.client.close()
            return
        if self.client.gone:
            self._server.close()
        self._connected.set_result(None)

    def _from_client(self, data: bytes) -> None:
        for piece in self._framer.cut(data) if self._framer is not None else (("", data),):
            steps = self._effects.on_request(piece, not self._opened, self._pending, False)
            self._opened = True
            if not self._connected.done():
                steps.insert(0, lambda: asyncio.shield(self._connected))
            self.client.channel.put(piece[1], steps)

    def _from_server(self, data: bytes) -> None:
        self._server.channel.put(data, self._effects.on_answer(self._pending, False))

    def _reset(self) -> None:
        self.client.reset()
        self._server.close()


class _End(asyncio.Protocol):
    """One end of a connection; what it says leaves at the other end by its ``channel``."""

    channel: Channel

    def __init__(self, said: Callable[[bytes], None], leaves_queue: bool) -> None:
        self._said = said
        self._leaves_queue = leaves_queue
        self._transport: asyncio.Transport | None = None
        self._ended = False
        self.gone = False

    def join(self, other: _End, broken: Callable[[], None]) -> None:
        """Let what this end says leave at ``other``."""
        self._other = other
        self.channel = Channel(other.write, broken)

    def write(self, data: bytes) -> None:
        """Send to this end, unless it is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def finish(self) -> None:
        """Half-close once everything written has been sent."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """Hang up once everything written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Hang up with a reset, as a server does that fails."""
        if self._transport is not None:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # asyncio does so only where the listening socket was made with IPPROTO_TCP; without it a small second answer
        # would wait for the client's delayed acknowledgement, 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._said(data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._leaves_queue and not self.channel.idle:
            return False  # Gone before its turn: the transport closes, and connection_lost does the rest.
        if self._other._ended:
            self.channel.then(self._other.close)
            return not self.channel.idle
        self.channel.then(self._other.finish)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self._leaves_queue:
            self.channel.cancel()
            self._other.close()
        else:
            self.channel.then(self._other.close)

    def pause_writing(self) -> None:
        if self._other._transport is not None:
            self._other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._other._transport is not None:
            self._other._transport.resume_reading()
