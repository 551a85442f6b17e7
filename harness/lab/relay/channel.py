"""One direction between two ends: what is put in comes out in order and unchanged, each piece after its waits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import assert_never

from harness.lab.relay.framing import Piece
from harness.lab.relay.waits import BrokenError, LostError, Wait, wait_of
from harness.model.fault import ColdStart, DeadFirst, Delay, Hold, Jitter, Leak, Loss, Reset, Route, Slowdown

Step = Callable[[], Awaitable[None]]


class Channel:
    """A queue of pieces, each with the waits that precede its sending."""

    def __init__(self, send: Callable[[bytes], None], broken: Callable[[], None]) -> None:
        self._send = send
        self._broken = broken
        self._queue: deque[tuple[bytes, Sequence[Step]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._afterwards: Callable[[], None] | None = None

    @property
    def idle(self) -> bool:
        """Whether everything put in has been sent."""
        return self._task is None

    def put(self, data: bytes, waits: Sequence[Step] = ()) -> None:
        """Send ``data`` behind all that was put before it."""
        if self._task is None and not waits:
            self._send(data)
            return
        self._queue.append((data, waits))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def then(self, afterwards: Callable[[], None]) -> None:
        """Do this once everything put in has been sent."""
        if self.idle:
            afterwards()
        else:
            self._afterwards = afterwards

    def cancel(self) -> None:
        """Forget what has not been sent: its sender is gone."""
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._queue:
                data, waits = self._queue.popleft()
                try:
                    for wait in waits:
                        await wait()
                except LostError:
                    continue
                self._send(data)
        except BrokenError:
            self._queue.clear()
            self._broken()
        finally:
            self._task = None
        if self._afterwards is not None:
            self._afterwards()


class Effects:
    """What the faults of one route do, with the state that all of its connections share.

    Every kind of fault is dealt with by its type, so that none can be added and then ignored here.
    """

    def __init__(self, route: Route) -> None:
        self._wire: list[Wait] = []
        self._opening: list[Wait] = []
        self._messages: dict[str, list[Wait]] = {}
        self._slow: dict[str, float] = {}
        for fault in route.faults:
            match fault:
                case Loss() | Jitter():
                    self._wire.append(wait_of(fault))
                case Hold() | Leak() | Delay() | ColdStart() | Reset():
                    place = self._messages.setdefault(fault.at, []) if fault.at_message else self._opening
                    place.append(wait_of(fault))
                case Slowdown():
                    self._slow[fault.at] = self._slow.get(fault.at, 1.0) * fault.factor
                case DeadFirst():
                    raise ValueError("expected a server that answers, got one that is dead")
                case _:
                    assert_never(fault)
        self._service = route.service
        self.reads_messages = any(fault.at_message for fault in route.faults)
        """Whether it matters where a message ends; otherwise bytes are passed as they come."""

    def on_request(self, piece: Piece, opening: bool, pending: PendingRequest, datagram: bool) -> list[Step]:
        """The waits before a client's piece is passed on; ``opening`` says that it is a connection's first."""
        kind = piece[0]
        waits = [*(self._opening if opening else ()), *self._messages.get(kind, ()), *self._wire]
        steps = _steps(waits, datagram)
        factor = self._slow.get(kind, 1.0) * self._slow.get(self._service, 1.0)
        if factor > 1:
            steps.append(partial(pending.note, factor))
        return steps

    def on_answer(self, pending: PendingRequest, datagram: bool) -> list[Step]:
        """The waits before a server's bytes are passed on."""
        steps = _steps(self._wire, datagram)
        if (extra_s := pending.extra_s()) > 0:
            steps.append(lambda: asyncio.sleep(extra_s))
        return steps


class PendingRequest:
    """When a connection's last slowed request was passed on, so that its answer can be made to take a multiple."""

    __slots__ = ("_at", "_factor")

    def __init__(self) -> None:
        self._at = 0.0
        self._factor = 1.0

    async def note(self, factor: float) -> None:
        """A request goes to the server now."""
        self._at, self._factor = time.monotonic(), factor

    def extra_s(self) -> float:
        """How much longer the answer's first bytes have to take; 0 for what follows them."""
        extra_s = (self._factor - 1) * (time.monotonic() - self._at)
        self._factor = 1.0
        return extra_s


def _steps(waits: Sequence[Wait], datagram: bool) -> list[Step]:
    return [partial(wait, datagram) for wait in waits]
