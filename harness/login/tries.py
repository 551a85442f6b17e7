"""Clinicians who give a login up and come back: the tries of one login, as one result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from harness.login.path import LoginResult
from harness.model.attempt import Outcome, StepTiming
from harness.model.patience import Patience
from harness.model.steps import EARLIER_TRIES


def tried(
    one_try: Callable[[], LoginResult], patience: Patience | None, comes_back: Callable[[float], bool]
) -> LoginResult:
    """The last try of a login, its steps behind an EARLIER_TRIES for each try that was given up before it.

    A try is repeated if it ended by time-out; one that was denied, or failed at once, is the answer. ``comes_back``
    waits so many seconds and says whether the login may be sent again.
    """
    earlier: list[StepTiming] = []
    while True:
        began = time.monotonic_ns()
        result = one_try()
        if patience is None or result.outcome.status != "timeout" or len(earlier) + 1 == patience.tries:
            break
        if not comes_back(patience.again_after_s):
            break
        earlier.append(_given_up(result, began))
    return replace(result, steps=(*earlier, *result.steps))


def _given_up(result: LoginResult, began: int) -> StepTiming:
    """From a try's start to that of the next one; the code says which step was under way."""
    under_way = result.steps[-1].step if result.steps else ""
    # The generator's own shortage of threads must not vanish with the try.
    pool_wait = max((step.pool_wait for step in result.steps), default=0)
    own = sum(step.own for step in result.steps)
    return StepTiming(EARLIER_TRIES, began, time.monotonic_ns(), Outcome("timeout", under_way), pool_wait, own=own)
