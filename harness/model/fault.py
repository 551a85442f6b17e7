"""What an update can do to a login path on the wire, as values; each is one line of a catalogue entry.

``at`` is where: a service (``kdc``, ``ldap``, ``dns``, ``http``), which means each new connection or datagram to it, or
a kind of message (``kdc_as``), which means each such message. A message is known by its outer tag alone, so LDAP's can
be distinguished until the connection is encrypted or sealed, and not after. An AS exchange is two messages.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, model_validator

from harness.model.base import Configured, Positive, Seconds

Service = Literal["kdc", "ldap", "dns", "http"]
SERVICES: tuple[Service, ...] = ("kdc", "ldap", "dns", "http")
Point = Literal["kdc", "kdc_as", "kdc_tgs", "ldap", "ldap_bind", "ldap_search", "dns", "http"]
POINTS: dict[Point, Service] = {
    "kdc": "kdc",
    "kdc_as": "kdc",
    "kdc_tgs": "kdc",
    "ldap": "ldap",
    "ldap_bind": "ldap",
    "ldap_search": "ldap",
    "dns": "dns",
    "http": "http",
}
"""Each place where a fault can be, and the service whose traffic it meets there."""
PartOfAll = Annotated[float, Field(gt=0, le=1)]


class _Fault(Configured):
    at: Point

    @property
    def service(self) -> Service:
        """The service whose traffic it meets."""
        return POINTS[self.at]

    @property
    def at_message(self) -> bool:
        """Whether it meets one kind of message; otherwise it meets each new connection or datagram."""
        return self.at not in SERVICES


class Hold(_Fault):
    """A wait of ``hold_s`` seconds, spent by one of ``workers`` pooled workers.

    What finds no worker free queues in order of arrival, so at most ``workers / hold_s`` are served a second.
    """

    kind: Literal["hold"] = "hold"
    at: Point = "ldap"
    hold_s: Positive
    workers: Annotated[int, Field(ge=1)]


class Leak(_Fault):
    """A wait that grows by ``grows_s`` seconds every minute from the first login on."""

    kind: Literal["leak"] = "leak"
    at: Point = "ldap"
    grows_s: Positive


class Delay(_Fault):
    """A wait of ``s`` seconds for a random ``share``; it occupies no worker that others wait for."""

    kind: Literal["delay"] = "delay"
    s: Seconds
    share: PartOfAll = 1.0


class Slowdown(_Fault):
    """Answers that take ``factor`` times as long as the server itself took; at a service, to every request."""

    kind: Literal["slowdown"] = "slowdown"
    factor: Annotated[float, Field(gt=1, le=100)]


class ColdStart(_Fault):
    """A wait of ``s`` seconds at first that fades with the time constant ``fades_s``: a cache that fills."""

    kind: Literal["cold_start"] = "cold_start"
    s: Seconds
    fades_s: Seconds


class Reset(_Fault):
    """A random ``share`` of connections that are reset in place of passing on what was said; a datagram is lost."""

    kind: Literal["reset"] = "reset"
    share: PartOfAll


class Loss(_Fault):
    """A random ``share`` of packets lost in each direction.

    Lost datagrams are gone. On TCP the kernel sends again, so that a loss costs time: 0.2 s, doubled each time
    (Linux's TCP_RTO_MIN; RFC 6298 §5.5).
    """

    kind: Literal["loss"] = "loss"
    at: Service
    share: Annotated[float, Field(gt=0, lt=1)]


class Jitter(_Fault):
    """A wait for each packet in each direction, exponentially distributed with mean ``s`` seconds; none overtakes."""

    kind: Literal["jitter"] = "jitter"
    at: Service
    s: Seconds


class DeadFirst(_Fault):
    """A server that clients are configured to ask first and that never answers.

    ``drop``: packets vanish, as at an unused address; ``silent``: a connection is accepted and then nothing is sent.
    """

    kind: Literal["dead_first"] = "dead_first"
    at: Literal["kdc", "dns"]
    how: Literal["drop", "silent"] = "drop"


Fault = Annotated[
    Hold | Leak | Delay | Slowdown | ColdStart | Reset | Loss | Jitter | DeadFirst, Field(discriminator="kind")
]


class Route(Configured):
    """What a relay passes on: packets to ``service`` at the server's ``host`` and ``port``, subject to ``faults``.

    ``port`` is None for a server that is dead.
    """

    service: Service
    host: str
    port: Annotated[int, Field(gt=0, lt=65536)] | None
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _no_fault_would_be_ignored(self) -> Route:
        for fault in self.faults:
            if fault.service != self.service:
                raise ValueError(f"expected faults at {self.service} alone, got one at {fault.at}")
        dead = [isinstance(fault, DeadFirst) for fault in self.faults]
        if dead != [True] if self.port is None else any(dead):
            raise ValueError("expected dead_first alone on a route without a port, and on no other")
        return self


ROUTES: TypeAdapter[tuple[Route, ...]] = TypeAdapter(tuple[Route, ...])
"""A relay's configuration, as JSON."""
