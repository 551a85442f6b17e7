"""What computes for milliseconds under gevent: in threads, so that the hub goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent.threadpool import ThreadPool

from harness.login.runtime import TIMED_OUT, StepFailedError

T = TypeVar("T")
SWITCH_INTERVAL_S = 0.0002
THREADS = 16
"""A password's key takes 3 ms and a card's signature little more: a core is full before these are."""


class GeventRuntime:
    """A Runtime on gevent's thread pool."""

    def __init__(self) -> None:
        # By default a thread that is back from libkrb5 may wait 5 ms for the interpreter's lock while the hub is busy.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pool = ThreadPool(THREADS)

    def call(self, function: Callable[[], T], timeout_s: float) -> T:
        """See Runtime.call."""
        with gevent.Timeout(timeout_s, StepFailedError(TIMED_OUT)):
            result: tuple[T] | Exception = self._pool.spawn(_caught, function).get()
        if isinstance(result, Exception):
            try:
                raise result
            finally:
                del result  # or the exception, its traceback and this frame would hold each other
        return result[0]


def _caught(function: Callable[[], T]) -> tuple[T] | Exception:
    """An exception as a value: of one that is raised in its threads gevent prints a traceback, which costs the hub."""
    try:
        return (function(),)
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return error
