"""How a step waits: a blocking C call has to run off the caller's thread and inside a deadline.

Under load the caller is a greenlet and the thread comes from gevent's pool (``harness.load.pool``); a single login
from the command line uses a plain thread.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from harness.model.attempt import Outcome

T = TypeVar("T")


class StepFailedError(Exception):
    """A step that ended otherwise than ok, with how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status} {outcome.code}".strip())
        self.outcome = outcome


TIMED_OUT = Outcome("timeout", "DEADLINE")


@dataclass(frozen=True, slots=True)
class Timed(Generic[T]):
    """A call's value, and when (monotonic ns) its thread had done it."""

    value: T
    ended: int


class Runtime(Protocol):
    """Runs blocking calls within a deadline."""

    def call(self, function: Callable[[], T], timeout_s: float) -> Timed[T]:
        """The function's value; raises what it raises, or StepFailedError with TIMED_OUT after ``timeout_s``."""
        ...


def timed(function: Callable[[], T]) -> Timed[T]:
    """Run the function here and now, and note when it was done."""
    value = function()
    return Timed(value, time.monotonic_ns())


class ThreadRuntime:
    """A runtime of a plain thread a call, for single logins."""

    def call(self, function: Callable[[], T], timeout_s: float) -> Timed[T]:
        """See Runtime.call; a call that passed its deadline goes on in its thread until libkrb5 gives up."""
        future: concurrent.futures.Future[Timed[T]] = concurrent.futures.Future()

        def work() -> None:
            try:
                future.set_result(timed(function))
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)

        # A daemon, or the process could not exit before libkrb5 has given up, 30 s with a silent KDC.
        threading.Thread(target=work, name="login", daemon=True).start()
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            raise StepFailedError(TIMED_OUT) from None
