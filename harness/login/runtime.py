"""How a step computes: what takes milliseconds has to run off the caller's thread and inside a deadline.

Under load the caller is a greenlet and the thread comes from gevent's pool (``harness.load.pool``); a single login
from the command line uses a plain thread.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from harness.model.attempt import Outcome

T = TypeVar("T")


class StepFailedError(Exception):
    """A step that ended otherwise than ok, with how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.status} {outcome.code}".strip())
        self.outcome = outcome


TIMED_OUT = Outcome("timeout", "DEADLINE")


class Runtime(Protocol):
    """Runs within a deadline what computes for milliseconds, such as the key of a password."""

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """The function's value; raises what it raises, or StepFailedError with TIMED_OUT after ``timeout_s``."""
        ...


class ThreadRuntime:
    """A runtime of a plain thread a call, for single logins."""

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """See Runtime.call; a call that passed its deadline goes on in its thread to its end."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)

        threading.Thread(target=work, name="login", daemon=True).start()
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            raise StepFailedError(TIMED_OUT) from None
