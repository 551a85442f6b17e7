"""Which of a target's own domain controllers a login goes to, in which order.

The order is that of the target until the login's own steps know better: what name servers and controllers say sorts
the target's endpoints and never adds to them: load goes to no server that the targets don't name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.login.dns.locate import ServiceRecord, in_order
from harness.login.runtime import StepFailedError
from harness.model.attempt import Outcome
from harness.model.endpoint import Addresses, Endpoint
from harness.model.target import Controller, Target

NOT_OURS = Outcome("error", "DC_NOT_IN_TARGETS")


@dataclass(frozen=True, slots=True)
class CheckedController:
    """A controller of the target, and its LDAP service by each of its checked addresses."""

    controller: Controller
    endpoints: tuple[Endpoint, ...]

    @property
    def address(self) -> str:
        """Its first address."""
        return self.endpoints[0].host


Order = tuple[CheckedController, ...]
"""Controllers, the one to go to first."""


class Controllers:
    """The controllers of one target."""

    def __init__(self, target: Target, addresses: Addresses) -> None:
        self.listed: Order = tuple(
            CheckedController(it, it.endpoint.at(addresses)) for it in target.directory.controllers
        )
        self._by_name = {kdc.host.lower(): self.listed[0] for kdc in target.kdcs}
        self._by_address = {checked.host: self.listed[0] for kdc in target.kdcs for checked in kdc.at(addresses)}
        for it in reversed(self.listed):
            names = (it.controller.endpoint.host, it.controller.service_host)
            self._by_name |= {name.lower(): it for name in names}
            self._by_address |= {endpoint.host: it for endpoint in it.endpoints}

    def named_by(self, records: Sequence[ServiceRecord]) -> tuple[ServiceRecord, Order]:
        """The record to follow first, and the controllers as SRV records order them (RFC 2782), the others behind.

        Raises StepFailedError where no record is of the target's own: what the name server knows is then not the
        server under test.
        """
        ours = in_order([record for record in records if record.host in self._by_name])
        if not ours:
            raise StepFailedError(NOT_OURS)
        return ours[0], self._first(self._by_name[record.host] for record in ours)

    def at(self, addresses: Iterable[str], order: Order) -> tuple[str, Order]:
        """The first of the addresses that is the target's own, and the order with its controller in front.

        Raises StepFailedError where there is none.
        """
        for address in addresses:
            if address in self._by_address:
                return address, self._first((self._by_address[address], *order))
        raise StepFailedError(NOT_OURS)

    def _first(self, preferred: Iterable[CheckedController]) -> Order:
        by_endpoints = {it.endpoints: it for it in (*preferred, *self.listed)}
        return tuple(by_endpoints.values())
