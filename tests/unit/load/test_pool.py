"""Calls in threads under gevent."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from harness.load.pool import THREADS, GeventRuntime
from harness.login.path import LoginPath
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.scenario import Scenario
from tests.helpers.targets import target


@pytest.fixture
def runtime() -> Iterator[GeventRuntime]:
    interval = sys.getswitchinterval()
    yield GeventRuntime()
    sys.setswitchinterval(interval)


@pytest.fixture
def until_the_end() -> Iterator[Callable[[], object]]:
    """A call that blocks its thread until the test is over."""
    done = threading.Event()
    yield done.wait
    done.set()


def test_a_call_that_is_given_up_leaves_its_thread_to_end_by_itself(
    runtime: GeventRuntime, until_the_end: Callable[[], object]
) -> None:
    with pytest.raises(StepFailedError):
        runtime.call(until_the_end, 0.01)
    assert runtime.call(lambda: "taken up", 10.0) == "taken up"


def test_what_a_call_raises_reaches_its_caller_and_no_log(
    runtime: GeventRuntime, capfd: pytest.CaptureFixture[str]
) -> None:
    def denied() -> None:
        raise StepFailedError(Outcome("denied", "KDC_ERR_PREAUTH_FAILED"))

    with pytest.raises(StepFailedError, match="KDC_ERR_PREAUTH_FAILED"):
        runtime.call(denied, 1.0)
    gevent.sleep(0.01)
    assert capfd.readouterr().err == ""


def test_a_call_that_no_thread_takes_up_in_time_has_waited_for_one_all_along(
    secret_file: Callable[..., Path], runtime: GeventRuntime, until_the_end: Callable[[], object]
) -> None:
    busy = [gevent.spawn(runtime.call, until_the_end, 20.0) for _ in range(THREADS)]
    gevent.sleep(0)
    scenario = Scenario.model_validate(
        {
            "name": "test",
            "steps": ["kdc_as"],
            "population": {"users": 1},
            "arrivals": {"curve": "constant", "rate": 1},
            "authentication": "password",
            "step_timeout_s": 0.1,
        }
    )
    path = LoginPath(target(credentials={"csv": str(secret_file("zoe,x\n"))}), scenario, runtime)
    (step,) = path.login("zoe", "cold").steps
    assert (step.outcome.status, step.outcome.code) == ("timeout", "DEADLINE")
    assert 0.1e9 <= step.pool_wait <= step.ended - step.started
    gevent.killall(busy)
