"""What Locust's own statistics are told of a login; no verdict rests on them."""

from __future__ import annotations

from typing import Any

from harness.model.attempt import Attempt
from harness.model.steps import LOGIN


def fire_requests(environment: Any, attempt: Attempt) -> None:
    """Tell Locust's statistics of a login, in unrounded ms: a request for the whole, and a row for each of its steps.

    Steps are no requests: a login has several, and Locust's totals and rates are to be those of logins.
    """
    outcome = attempt.outcome
    environment.events.request.fire(
        request_type=attempt.cohort,
        name=LOGIN,
        response_time=(attempt.ended - attempt.intended) / 1e6,
        response_length=0,
        exception=None if outcome.status == "ok" else _in_words(attempt),
        context={},
    )
    for step in attempt.steps:
        entry = environment.stats.get(step.step, attempt.cohort)
        entry.log((step.ended - step.started) / 1e6, 0)
        if step.outcome.status != "ok":
            entry.log_error(None)  # what it was is told once, of the login


def _in_words(attempt: Attempt) -> str:
    """How a login failed, and at which step."""
    outcome = attempt.outcome
    at = next((f" at {step.step}" for step in reversed(attempt.steps) if step.outcome.status != "ok"), "")
    return f"{outcome.status} {outcome.code}".rstrip() + at
