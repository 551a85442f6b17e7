"""The clock of one login's steps: how long the step may still wait, and how long it has waited for servers.

A step's service time is what its servers took: the sum over its round trips, each from the instant before its request
was handed to the kernel to the instant at which the kernel received the last part of its answer. What the generator
takes between and on top of that (a late wake-up, decoding, encoding the next request) is the generator's own, and is
recorded beside it. The kernel's receive times are those of SO_TIMESTAMPNS (socket(7)); its handshakes TCP_INFO's.
"""

from __future__ import annotations

import time

from harness.login.runtime import TIMED_OUT, StepFailedError

_SLACK_NS = 50_000
"""By how much a kernel's time may lie past the reader's own before the system's clock must have been set between."""


class StepClock:
    """One login's clock; every socket of the login tells it what it sends and receives.

    A round trip goes from the first send after the last answer to the last receive before the next send, whatever the
    number of sockets: where a second server is asked since the first is silent, the wait for the first counts.
    """

    __slots__ = ("_deadline", "_received", "_sent", "_sent_wall", "_waited")

    def __init__(self, within_s: float = 0.0) -> None:
        self.begin(time.monotonic_ns() + round(within_s * 1e9))

    def begin(self, deadline: int) -> None:
        """Begin a step that ends by ``deadline`` (monotonic ns)."""
        self._deadline = deadline
        self._waited = 0
        self._sent: int | None = None
        self._sent_wall = 0
        self._received: int | None = None

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic_ns() >= self._deadline

    def left_s(self) -> float:
        """The seconds until the deadline; raises StepFailedError with TIMED_OUT once there are none."""
        left = self._deadline - time.monotonic_ns()
        if left <= 0:
            raise StepFailedError(TIMED_OUT)
        return left / 1e9

    def sent(self) -> None:
        """A request goes out now: to be called just before it is handed to the kernel."""
        if self._received is not None:
            self._waited += self._received
            self._sent = self._received = None
        if self._sent is None:
            self._sent_wall = time.time_ns()
            self._sent = time.monotonic_ns()

    def received(self, wall: int | None) -> None:
        """Something came, which the kernel received at ``wall`` (ns since 1970); None where it did not say."""
        if self._sent is None:
            return  # nobody had asked: the answer to the next request will be timed by itself
        elapsed = time.monotonic_ns() - self._sent
        by_kernel = elapsed if wall is None else wall - self._sent_wall
        self._received = by_kernel if 0 <= by_kernel <= elapsed + _SLACK_NS else elapsed

    def needs_no_answer(self) -> None:
        """Nothing is waited for after what was sent last, such as the last message of a handshake."""
        if self._received is None:
            self._sent = None

    def settle(self, failed: bool = False) -> int:
        """End the step; how long (ns) it waited for servers.

        What was sent last and not answered counts up to now where the step failed by it, and not at all where the step
        ended well without an answer.
        """
        if self._received is not None:
            self._waited += self._received
        elif failed and self._sent is not None:
            self._waited += time.monotonic_ns() - self._sent
        self._sent = self._received = None
        return self._waited
