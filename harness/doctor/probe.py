"""One arm under examination: what is known about it, what its checks found so far, and how long they wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.doctor.as_request import KdcAnswer
from harness.login.credentials import Accounts
from harness.login.kerberos.client import KerberosClient, TicketCache
from harness.login.runtime import TIMED_OUT, StepFailedError, ThreadRuntime, Timed
from harness.model.endpoint import Addresses, Endpoint
from harness.model.protocol import Transport
from harness.model.scenario import Scenario
from harness.model.steps import STEPS, StepKind
from harness.model.target import Arm, Target, Targets

T = TypeVar("T")


class Deadline:
    """When a check has to have its answers."""

    def __init__(self, within_s: float) -> None:
        self._ends = time.monotonic() + within_s

    def remaining(self) -> float:
        """The seconds left; raises StepFailedError once there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise StepFailedError(TIMED_OUT)
        return left

    def call(self, function: Callable[[], T]) -> Timed[T]:
        """The value of a function that may block, in a thread that is left alone at the deadline."""
        return ThreadRuntime().call(function, self.remaining())


@dataclass(slots=True)
class Probe:
    """An arm; what a check finds and others need is None until then.

    ``denied`` holds the accounts (realm and user) that any arm has denied: none of them is tried again.
    """

    arm: Arm
    targets: Targets
    scenario: Scenario | None
    denied: set[tuple[str, str]]
    folder: Path
    """For files that are removed after the examination."""
    addresses: Addresses | None = None
    accounts: Accounts | None = None
    kdc: tuple[Endpoint, Transport] | None = None
    """A KDC that answers, and by what."""
    answers: Mapping[tuple[Endpoint, Transport], KdcAnswer] | None = None
    kerberos: KerberosClient | None = None
    tickets: TicketCache | None = None
    """Of the first account that got a ticket."""
    traits: dict[str, str] = field(default_factory=dict)
    """What the arms are compared by."""

    @property
    def target(self) -> Target:
        """Where the arm's logins go."""
        return self.targets.arms[self.arm]

    @property
    def steps(self) -> tuple[str, ...]:
        """The scenario's steps, without one all that there are, as far as the target has a server for them."""
        wanted = STEPS if self.scenario is None else self.scenario.step_order
        return tuple(name for name in wanted if not self.target.lacks([name]))

    def takes(self, kind: StepKind) -> bool:
        """Whether a step of the login is of this kind."""
        return any(STEPS[name].kind == kind for name in self.steps)

    def at(self, endpoint: Endpoint) -> tuple[Endpoint, ...]:
        """The endpoint by each of its checked addresses."""
        assert self.addresses is not None
        return endpoint.at(self.addresses)


def reason_of(failure: StepFailedError) -> str:
    """Why an exchange failed, in words."""
    return "no answer in time" if failure.outcome is TIMED_OUT else failure.outcome.code
