"""Blocking calls under gevent: in threads, timed inside the thread."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool

from harness.login.runtime import TIMED_OUT, StepFailedError, Timed, timed

T = TypeVar("T")
SWITCH_INTERVAL_S = 0.0002


GIVES_UP_AFTER_S = 30.0
"""libkrb5 waits for so long where a KDC is silent, whatever the deadline of the call (28 s were seen)."""
THREADS_AT_MOST = 4096


class GeventRuntime:
    """A Runtime on gevent's thread pool, larger than the number of seats.

    A call that passed its deadline keeps its thread until libkrb5 gives up by itself. While it does, its seat may pass
    a deadline again and again, and each of those calls needs a thread, or a silent KDC would be read as a generator
    without threads. They are made when first needed.
    """

    def __init__(self, seats: int, timeout_s: float) -> None:
        # By default a thread that is back from libkrb5 may wait 5 ms for the interpreter's lock while the hub is busy.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        left_behind = math.ceil(GIVES_UP_AFTER_S / timeout_s)
        self._pool = ThreadPool(max(2 * seats, min(seats * (1 + left_behind), THREADS_AT_MOST)))

    def call(self, function: Callable[[], T], timeout_s: float) -> Timed[T]:
        """See Runtime.call."""
        with gevent.Timeout(timeout_s, StepFailedError(TIMED_OUT)):
            result: Timed[T] | Exception = self._pool.spawn(_caught, function).get()
        if isinstance(result, Exception):
            try:
                raise result
            finally:
                del result  # or the exception, its traceback and this frame would hold each other
        return result


def _caught(function: Callable[[], T]) -> Timed[T] | Exception:
    """An exception as a value: of one that is raised in its threads gevent prints a traceback, which costs the hub."""
    try:
        return timed(function)
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return error
