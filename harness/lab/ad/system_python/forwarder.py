"""A DNS forwarder between an arm's web front and its domain controller; run by the system's Python in the arm.

``forwarder.py LISTEN DELAY_S UPSTREAM …`` passes UDP queries (RFC 1035) on to port 53 of the first upstream
address that doesn't refuse them, and its answers back, byte for byte. An answer to a reverse lookup, of an address's
name, leaves ``DELAY_S`` seconds late.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import cast

PORT = 53
GIVES_UP_S = 10.0
_HEADER = 12
_REVERSE = ([b"in-addr"], [b"ip6"])


def is_reverse(query: bytes) -> bool:
    """Whether the first question is for a name below in-addr.arpa or ip6.arpa; false for what is no query."""
    labels = [label.lower() for label in _labels(query)]
    return labels[-1:] == [b"arpa"] and labels[-2:-1] in _REVERSE


def _labels(query: bytes) -> Iterator[bytes]:
    at = _HEADER
    while at < len(query) and query[at]:
        yield query[at + 1 : at + 1 + query[at]]
        at += 1 + query[at]


class _Upstream(asyncio.DatagramProtocol):
    """One query on its way: a socket of its own, so that answers can't be mixed up."""

    def __init__(self, query: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._query = query

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.DatagramTransport, transport).sendto(self._query)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


class Forwarder(asyncio.DatagramProtocol):
    """Passes queries on to one of ``upstreams`` and answers back, those of reverse lookups ``delay_s`` late."""

    def __init__(self, upstreams: list[str], delay_s: float) -> None:
        self._upstreams = upstreams
        self._delay_s = delay_s
        self._carried: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(data, addr))
        self._carried.add(task)  # The loop itself keeps only a weak reference.
        task.add_done_callback(self._carried.discard)

    async def _carry(self, query: bytes, client: tuple[str, int]) -> None:
        for upstream in self._upstreams:
            try:
                answer = await _asked(query, upstream)
            except TimeoutError:
                return
            except OSError:
                continue  # nobody listens there
            if is_reverse(query):
                await asyncio.sleep(self._delay_s)
            if self._transport is not None:
                self._transport.sendto(answer, client)
            return


async def _asked(query: bytes, upstream: str) -> bytes:
    loop = asyncio.get_running_loop()
    transport, asked = await loop.create_datagram_endpoint(lambda: _Upstream(query), remote_addr=(upstream, PORT))
    try:
        return await asyncio.wait_for(asked.answer, GIVES_UP_S)
    finally:
        transport.close()


async def _serve(listen: str, delay_s: float, upstreams: list[str]) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Forwarder(upstreams, delay_s), local_addr=(listen, PORT))
    await loop.create_future()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
