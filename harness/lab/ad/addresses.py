"""Loopback addresses for domain controllers, one an arm; two labs of this machine never have the same."""

from __future__ import annotations

import socket
from collections.abc import Collection
from contextlib import ExitStack

from harness.errors import LabError
from harness.lab.ad.settings import OTHER_PORTS, PORTS

POOL = tuple(f"127.0.0.{last}" for last in range(2, 34))
"""The directory's certificate and principals name these, so there are no more."""


def resolver_of(address: str) -> str:
    """Where the forwarder listens that the arm at ``address`` asks for names: whoever has the one has the other."""
    return f"127.0.1.{address.rpartition('.')[2]}"


def take_address(stack: ExitStack, more: Collection[int] = ()) -> str:
    """A free address of the pool, this process's until ``stack`` is unwound or the process ends; raises LabError.

    ``more`` are TCP ports that are needed beside those of every arm.
    """
    reasons: dict[str, None] = {}
    for address in POOL:
        claim = _claim(address)
        if claim is None:
            reasons["another lab has it"] = None
            continue
        taken = _taken(address, more)
        if taken is None:
            stack.enter_context(claim)
            return address
        claim.close()
        reasons[f"{taken} is taken"] = None
    raise LabError(f"AD lab: expected a free address among {POOL[0]} to {POOL[-1]}, got: {', '.join(reasons)}")


def _claim(address: str) -> socket.socket | None:
    # A name of the abstract namespace (unix(7)) is bound to the network namespace, as the ports are, leaves no file,
    # and is free again the moment its process is dead.
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0authgate-ad-lab-{address}")
    except OSError:
        claim.close()
        return None
    return claim


def _taken(address: str, more: Collection[int]) -> str | None:
    """A port of this address that somebody listens on, and that a server of the lab needs."""
    own = (*PORTS.values(), *OTHER_PORTS, *more)
    needed = [*((address, port) for port in own), (resolver_of(address), PORTS["dns"])]
    for host, port in needed:
        for kind, name in ((socket.SOCK_STREAM, "TCP"), (socket.SOCK_DGRAM, "UDP")):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:  # Closed connections that linger are no server.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError:
                    return f"{name} port {port}" if host == address else f"{name} port {port} of {host}"
    return None
