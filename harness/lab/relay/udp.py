"""Datagrams passed on to a server, and its answers back to the client that sent the request."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from harness.lab.relay.channel import Channel, Effects, PendingRequest
from harness.lab.relay.framing import kerberos_kind
from harness.model.fault import Route

FORGOTTEN_AFTER_S = 30.0
"""A client whose request is this old waits for no answer any more."""
ANSWERED_S = 1.0
"""After an answer it is forgotten sooner: one exchange is all that a socket of libkrb5 or of a resolver is for."""


async def listen(route: Route, effects: Effects, at: socket.socket) -> asyncio.BaseTransport:
    """Take datagrams on a bound socket from now on; raises OSError."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Front(route, effects), sock=at)
    return transport


class _Front(asyncio.DatagramProtocol):
    """Where clients send to; each of their sockets has one of its own towards the server."""

    def __init__(self, route: Route, effects: Effects) -> None:
        self._route = route
        self._effects = effects
        self._clients: dict[tuple[str, int], _Client] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        client = self._clients.get(addr)
        if client is None:
            client = self._clients[addr] = _Client(
                self._route,
                self._effects,
                lambda answer: self._transport.sendto(answer, addr),
                lambda: self._clients.pop(addr, None),
            )
        client.ask(data)


class _Client(asyncio.DatagramProtocol):
    """One client's socket towards the server."""

    def __init__(self, route: Route, effects: Effects, answer: Any, forget: Any) -> None:
        loop = asyncio.get_running_loop()
        self._kind = kerberos_kind if route.service == "kdc" else lambda _: ""
        self._effects = effects
        self._forget = forget
        self._pending = PendingRequest()
        self._transport: asyncio.DatagramTransport | None = None
        self._out = Channel(self._send, self._nothing)
        self._back = Channel(answer, self._nothing)
        self._forgotten = loop.call_later(FORGOTTEN_AFTER_S, self._close)
        self._connected = loop.create_task(
            loop.create_datagram_endpoint(lambda: self, remote_addr=(route.host, route.port or 0))
        )

    def ask(self, data: bytes) -> None:
        """Pass on what the client has sent."""
        steps = self._effects.on_request((self._kind(data), data), True, self._pending, True)
        self._last(FORGOTTEN_AFTER_S)
        if not self._connected.done():
            steps.insert(0, self._until_connected)
        self._out.put(data, steps)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._back.put(data, self._effects.on_answer(self._pending, True))
        self._back.then(lambda: self._last(ANSWERED_S))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: to the client that is silence."""

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data)

    async def _until_connected(self) -> None:
        await asyncio.shield(self._connected)

    def _last(self, seconds: float) -> None:
        self._forgotten.cancel()
        self._forgotten = asyncio.get_running_loop().call_later(seconds, self._close)

    def _close(self) -> None:
        self._forget()
        self._out.cancel()
        if self._transport is not None:
            self._transport.close()

    @staticmethod
    def _nothing() -> None:
        """A datagram has no connection to be reset: it is lost, and that is all."""
