"""An update that slowed or broke logins: what is known about it, how a lab models it, and what the gate must say."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, field_validator, model_validator

from harness.model.base import Configured, Name, Rate, Seconds
from harness.model.fault import Fault, Service
from harness.model.scenario import Blocks
from harness.model.steps import STEPS

Standing = Literal["documented", "secondary", "inferred"]
"""``documented``: a public text of those concerned says so, and was read; ``secondary``: others report it;
``inferred``: concluded here, from values or from how the servers behave."""
LabKind = Literal["embedded", "ad"]
Signature = Literal["shift", "tail", "capacity", "leak", "two modes", "errors"]
Text = Annotated[str, Field(min_length=1)]


class Source(Configured):
    """Where something about an update is known from."""

    text: Text
    """What it says, in one sentence."""
    url: HttpUrl | None = None
    standing: Standing


class LabFault(Configured):
    """How a lab models the update."""

    lab: LabKind
    common: tuple[Text, ...] = ()
    """Changes by name that both arms have, without which the fault would not show."""
    changes: tuple[Text, ...] = ()
    """Changes by name that the candidate has: the servers' own settings."""
    common_relay: tuple[Fault, ...] = ()
    """Faults on the wire of both arms, such as the distance to a server, without which the fault would not show."""
    relay: tuple[Fault, ...] = ()
    """Faults on the candidate's wire, where no server's own setting does it."""
    behind_relay: tuple[Service, ...] = ()
    """Services whose traffic passes a relay without faults, on both arms."""
    why: Text
    """Why these, and why these values."""

    @model_validator(mode="after")
    def _can_be_modelled(self) -> LabFault:
        for fault in (*self.common_relay, *self.relay):
            if self.lab == "embedded" and fault.service in ("dns", "http"):
                raise ValueError(f"expected lab ad for a fault at {fault.at}, got embedded")
            if self.lab == "ad" and fault.service == "ldap" and fault.at_message:
                raise ValueError(f"expected at: ldap on lab ad, whose LDAP is all TLS, got {fault.at}")
        return self


class Expected(Configured):
    """What the gate must answer."""

    verdict: Literal["PASS", "BLOCK", "INCONCLUSIVE", "INVALID"]
    steps: tuple[str, ...] = ()
    """The steps, of which the verdict has to blame one; empty where it need not."""
    by: Text
    """The metric that shows it, in words."""

    @field_validator("steps")
    @classmethod
    def _steps_are_known(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        for step in steps:
            if step not in STEPS:
                raise ValueError(f"expected steps among {', '.join(STEPS)}, got {step!r}")
        return steps


class SmallestRun(Configured):
    """The smallest run that shows it: a shipped scenario with what differs from it, and a shipped policy."""

    scenario: str
    policy: str = "replay"
    rate: Rate | None = None
    users: Annotated[int, Field(gt=0)] | None = None
    cold_share: Annotated[float, Field(ge=0, le=1)] | None = None
    steps: tuple[str, ...] = ()
    blocks: Blocks
    timeout_s: Seconds | None = None


class Update(Configured):
    """One entry of the catalogue."""

    name: Name
    title: Text
    ids: tuple[Text, ...] = ()
    """Numbers under which it is known: KB, CVE, an issue of a project."""
    when: date | None = None
    """The day of the update or, where only that is known, the first of its month; None where it is no one event."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    mechanism: Text
    """What happens on the wire."""
    fault: LabFault
    signature: Annotated[tuple[Signature, ...], Field(min_length=1)]
    expected: Expected
    run: SmallestRun
