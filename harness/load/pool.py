"""Blocking calls under gevent: in threads, timed inside the thread."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool

from harness.login.runtime import TIMED_OUT, StepFailedError, Timed, timed

T = TypeVar("T")
SWITCH_INTERVAL_S = 0.0002


class GeventRuntime:
    """A Runtime on gevent's thread pool, larger than the number of seats.

    A call that passed its deadline keeps its thread until libkrb5 gives up by itself (12 to 20 s with a silent KDC), so
    there are twice as many threads as seats; they are made when first needed.
    """

    def __init__(self, seats: int) -> None:
        # By default a thread that is back from libkrb5 may wait 5 ms for the interpreter's lock while the hub is busy.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pool = ThreadPool(2 * seats)

    def call(self, function: Callable[[], T], timeout_s: float) -> Timed[T]:
        """See Runtime.call."""
        with gevent.Timeout(timeout_s, StepFailedError(TIMED_OUT)):
            result: Timed[T] = self._pool.spawn(timed, function).get()
            return result
