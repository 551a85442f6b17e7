"""A TCP relay between clients and a server, in a process of its own: ``python -m harness.updates.relay``.

1. Bytes leave in the order in which they came, unchanged, and so does a half-close.
2. With a hold, a connection's first client bytes wait for one of the pooled workers, in order of arrival, and then
   for ``hold_s``; what the client sends meanwhile is kept behind them.
3. A client that goes away before its turn frees its place in the queue. A worker that holds already keeps its full
   time: a lookup on behalf of a client isn't called off because the client is gone.
4. With a leak, each connection waits the longer the longer ago the first one came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

from harness.updates.fault import Hold, Leak

BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted: a burst waits for a worker, not for a repeated SYN."""


class _End(asyncio.Protocol):
    """One end of a connection: what arrives here leaves at ``other`` once this end is released."""

    other: _End

    def __init__(self) -> None:
        self.spoke = asyncio.Event()
        self.queued: asyncio.Task[None] | None = None
        """What waits on this end's behalf and is called off when it goes away."""
        self._transport: asyncio.Transport | None = None
        self._kept = bytearray()
        self._released = False
        self._ended = False

    def release(self) -> None:
        """Pass on what was kept, and from now on whatever arrives."""
        self._released = True
        if self._kept:
            self.other.write(bytes(self._kept))
            self._kept.clear()

    def write(self, data: bytes) -> None:
        """Send to whoever is at this end, unless it is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Hang up once everything written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.spoke.set()
        if self._released:
            self.other.write(data)
        else:
            self._kept += data

    def eof_received(self) -> bool:
        self._ended = True
        if not self._released or self.other._ended:
            return False  # Gone before its turn, or both directions are over: close, and connection_lost does the rest.
        other = self.other._transport
        if other is not None and not other.is_closing():
            other.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.queued is not None:
            self.queued.cancel()
        self.other.close()

    def pause_writing(self) -> None:
        if self.other._transport is not None:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other._transport is not None:
            self.other._transport.resume_reading()


class Relay:
    """Passes connections to a free port of 127.0.0.1 on to ``port`` there, after a pooled hold or a plain delay."""

    def __init__(self, port: int, hold: Hold | None = None, delay_s: float = 0.0, leak: Leak | None = None) -> None:
        self._port = port
        self._wait_s = hold.hold_s if hold else delay_s
        self._grows_s = leak.grows_s / 60 if leak else 0.0
        self._began_s: float | None = None
        # A Semaphore wakes those who wait in the order in which they came.
        self._workers: AbstractAsyncContextManager[None] = asyncio.Semaphore(hold.workers) if hold else nullcontext()
        self._carried: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        """Accept connections from now on; raises OSError."""
        return await asyncio.get_running_loop().create_server(self._accept, "127.0.0.1", 0, backlog=BACKLOG)

    def _accept(self) -> _End:
        client, server = _End(), _End()
        client.other, server.other = server, client
        if self._began_s is None:
            self._began_s = time.monotonic()
        client.queued = asyncio.get_running_loop().create_task(self._carry(client, server, self._began_s))
        self._carried.add(client.queued)  # The loop itself keeps only a weak reference.
        client.queued.add_done_callback(self._carried.discard)
        return client

    async def _carry(self, client: _End, server: _End, began_s: float) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: server, "127.0.0.1", self._port)
        except OSError:
            client.close()
            return
        server.release()
        await client.spoke.wait()
        async with self._workers:
            client.queued = None
            await asyncio.sleep(self._wait_s + self._grows_s * (time.monotonic() - began_s))
        client.release()


async def _serve(relay: Relay) -> None:
    server = await relay.listen()
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """Relay until killed; prints one JSON line, ``{"port": …}``, when it listens."""
    parser = argparse.ArgumentParser(prog="python -m harness.updates.relay", description="a relay on 127.0.0.1")
    parser.add_argument("port", type=int, help="the server's port on 127.0.0.1")
    parser.add_argument("--hold-s", type=float, help="hold each new connection this long, by a pooled worker")
    parser.add_argument("--workers", type=int, default=1, help="how many workers hold (1)")
    parser.add_argument("--delay-s", type=float, default=0.0, help="delay each new connection, without a pool (0)")
    parser.add_argument("--leak-s", type=float, help="delay each new connection by so much more every minute")
    options = parser.parse_args(argv)
    hold = Hold(options.hold_s, options.workers) if options.hold_s is not None else None
    leak = Leak(options.leak_s) if options.leak_s is not None else None
    asyncio.run(_serve(Relay(options.port, hold, options.delay_s, leak)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
