"""Relays of one arm's services: ``python -m harness.lab.relay ROUTES`` runs until it is killed.

ROUTES is JSON, as ``harness.model.fault.ROUTES`` reads it; each listens at the server's own address. One JSON line is
printed when all listen: the ports, in the order of the routes.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from harness.lab.relay import tcp, udp
from harness.lab.relay.channel import Effects
from harness.model.fault import ROUTES, DeadFirst, Route
from harness.system.process import SERVER_PORTS, TRIED_PORTS

_DATAGRAMS = ("kdc", "dns")
"""Services that are asked by UDP too, on the same port."""


def _sockets(route: Route) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket on one port of the route's address; raises OSError."""
    for port in random.SystemRandom().sample(range(*SERVER_PORTS), k=TRIED_PORTS):
        stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError):
            stream.bind((route.host, port))
            datagrams.bind((route.host, port))
            datagrams.setblocking(False)
            return stream, datagrams
        stream.close()
        datagrams.close()
    raise OSError(f"{route.host}: expected a free port among {TRIED_PORTS} tried")


async def _open(route: Route, kept: list[object]) -> int:
    """Listen for one route; its port. ``kept`` holds what must live as long as the relay."""
    stream, datagrams = _sockets(route)
    port: int = stream.getsockname()[1]
    kept += [stream, datagrams]
    if route.port is None:
        _play_dead(route, stream, kept)
        return port
    effects = Effects(route)
    kept.append(await tcp.listen(route, effects, stream))
    if route.service in _DATAGRAMS:
        kept.append(await udp.listen(route, effects, datagrams))
    else:
        datagrams.close()
    return port


def _play_dead(route: Route, stream: socket.socket, kept: list[object]) -> None:
    """Never answer: datagrams stay unread, and a connection is dropped or kept without an answer."""
    (fault,) = route.faults
    assert isinstance(fault, DeadFirst)
    drop = fault.how == "drop"
    stream.listen(0 if drop else tcp.BACKLOG)
    if drop:
        # A backlog of 0 holds one connection; while it is full the kernel drops every SYN (tcp(7), listen(2)).
        filler = socket.create_connection(stream.getsockname())
        kept.append(filler)


async def _serve(routes: Sequence[Route]) -> None:
    kept: list[object] = []
    ports = [await _open(route, kept) for route in routes]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().create_future()


def main(argv: Sequence[str] | None = None) -> int:
    """Relay until killed."""
    (text,) = sys.argv[1:] if argv is None else argv
    asyncio.run(_serve(ROUTES.validate_json(text)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
