"""What each fault does to a packet before it is passed on: nothing, a wait, its loss, or the connection's end."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import assert_never

from harness.model.fault import ColdStart, Delay, Hold, Jitter, Leak, Loss, Reset

RETRANSMITTED_AFTER_S = 0.2
"""Linux's least time until TCP sends again (TCP_RTO_MIN in include/net/tcp.h); doubled each time (RFC 6298 §5.5)."""


class LostError(Exception):
    """The packet isn't passed on."""


class BrokenError(Exception):
    """The connection is reset."""


Wait = Callable[[bool], Awaitable[None]]
"""Returns when a packet may go on; its argument says whether that is a datagram. Raises LostError or BrokenError."""


WaitingFault = Hold | Leak | ColdStart | Delay | Jitter | Reset | Loss
"""The faults that act before a packet is passed on."""


def wait_of(fault: WaitingFault) -> Wait:
    """The wait that a fault is, with the state that all of its packets share.

    Random numbers come from a seed, so that two runs of one fault affect the same packets in the order of arrival.
    """
    chance = random.Random(repr(fault)).random
    match fault:
        case Hold():
            return _pool(fault)
        case Leak():
            age_s = _clock()
            return lambda _: asyncio.sleep(fault.grows_s / 60 * age_s())
        case ColdStart():
            age_s = _clock()
            return lambda _: asyncio.sleep(fault.s * math.exp(-age_s() / fault.fades_s))
        case Delay():
            return lambda _: asyncio.sleep(fault.s if chance() < fault.share else 0.0)
        case Jitter():
            return lambda _: asyncio.sleep(-fault.s * math.log(1.0 - chance()))
        case Reset():
            return lambda _: _broken(chance() < fault.share)
        case Loss():
            return lambda datagram: _lost(datagram, fault.share, chance)
        case _:
            assert_never(fault)


def _clock() -> Callable[[], float]:
    """Seconds since the first call: a fault's life begins with the first login, not with the relay."""
    began: list[float] = []

    def age_s() -> float:
        now = time.monotonic()
        if not began:
            began.append(now)
        return now - began[0]

    return age_s


def _pool(fault: Hold) -> Wait:
    workers = asyncio.Semaphore(fault.workers)  # It wakes waiting tasks in the order in which they came.

    async def hold(_: bool) -> None:
        await workers.acquire()
        # A lookup on behalf of a client isn't called off because the client is gone: the worker keeps its full time.
        asyncio.get_running_loop().call_later(fault.hold_s, workers.release)
        await asyncio.sleep(fault.hold_s)

    return hold


async def _broken(struck: bool) -> None:
    if struck:
        raise BrokenError


async def _lost(datagram: bool, share: float, chance: Callable[[], float]) -> None:
    again_s = RETRANSMITTED_AFTER_S
    while chance() < share:
        if datagram:
            raise LostError
        await asyncio.sleep(again_s)
        again_s *= 2
