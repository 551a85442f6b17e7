"""The end of a test at Locust's master, where a worker went missing.

Locust 2.47 says that a test is stopping until every worker it knows is ready again, and it knows a missing one for a
minute more (``MasterRunner.check_stopped``, ``HEARTBEAT_DEAD_INTERNAL``): so long its page would show no form.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
from locust.runners import STATE_INIT, STATE_MISSING, STATE_STOPPED, STATE_STOPPING, MasterRunner

READY_AGAIN_WITHIN_S = 30.0
POLL_S = 0.1


def stop_without_the_missing(environment: Any) -> None:
    """Let each test be stopped as soon as every worker that is there is ready again."""
    if isinstance(environment.runner, MasterRunner):
        environment.events.test_stop.add_listener(lambda **_: gevent.spawn(_settle, environment.runner))


def _settle(runner: MasterRunner) -> None:
    deadline = time.monotonic() + READY_AGAIN_WITHIN_S
    while runner.state == STATE_STOPPING and time.monotonic() < deadline:
        if all(client.state in (STATE_INIT, STATE_MISSING) for client in runner.clients.all):
            runner.update_state(STATE_STOPPED)
        gevent.sleep(POLL_S)
