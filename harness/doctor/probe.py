"""One arm under examination: what is known about it, what its checks found so far, and how long they wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.doctor.as_request import KdcAnswer
from harness.login.credentials import Accounts
from harness.login.kerberos.client import KerberosClient, TicketCache
from harness.login.kerberos.kdcs import KdcCarrier, Kdcs
from harness.login.ldap.standing import Standings
from harness.login.net.clock import StepClock
from harness.login.runtime import TIMED_OUT, StepFailedError
from harness.model.endpoint import NO_NAMES, Addresses, Endpoint
from harness.model.protocol import Transport
from harness.model.scenario import Scenario
from harness.model.steps import STEPS, StepKind
from harness.model.target import Arm, Target, Targets


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
    connected: set[Endpoint] = field(default_factory=set)
    """What has accepted a TCP connection."""
    kdc: tuple[Endpoint, Transport] | None = None
    """A KDC that answers, and by what."""
    answers: Mapping[tuple[Endpoint, Transport], KdcAnswer] | None = None
    kerberos: KerberosClient | None = None
    standings: Standings | None = None
    """How near the accounts are to being locked, where the domain tells it."""
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

    def carrier(self, clock: StepClock) -> KdcCarrier:
        """What carries a request to the arm's KDCs until the clock's deadline."""
        return Kdcs(self.target, self.addresses or NO_NAMES).carrier(clock)

    def at(self, endpoint: Endpoint) -> tuple[Endpoint, ...]:
        """The endpoint by each of its checked addresses."""
        assert self.addresses is not None
        return endpoint.at(self.addresses)


_IN_WORDS = {
    "CLDAP_MALFORMED": "it answers otherwise than a domain controller",
    "CONNECTION_LOST": "it hung up in place of an answer",
    "DB_MALFORMED": "it answers otherwise than PostgreSQL",
    "DB_NOT_KERBEROS": "it asks for no Kerberos",
    "DB_PASSWORD_ASKED": "it asks for a password, not for Kerberos",
    "DNS_MALFORMED": "it answers otherwise than a name server",
    "HTTP_MALFORMED": "it answers otherwise than a web server",
    "HTTP_TOO_LARGE": "its page is too large for a login's",
    "KDC_MALFORMED": "it answers otherwise than a KDC",
    "LOGIN_NOT_ASKED": "it gives its page to anybody",
    "REDIRECTS_TOO_MANY": "it redirects without end",
    "LDAP_ANSWER_TOO_LARGE": "its answer is larger than directory.answer_at_most_bytes or entries_at_most allow",
    "LDAP_MALFORMED": "it answers otherwise than an LDAP server",
}
"""What a login would say of a server that garbles, hangs up or asks for something else."""


def reason_of(failure: StepFailedError) -> str:
    """Why an exchange failed, in words, with the code by which a login that fails so is told."""
    code = failure.outcome.code
    if failure.outcome is TIMED_OUT:
        return "no answer in time"
    return f"{_IN_WORDS[code]} ({code})" if code in _IN_WORDS else code
