"""Tickets for the services that the scenario's steps need."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.advice import CLOCKS
from harness.doctor.probe import Probe, reason_of
from harness.login.kerberos.kdcs import REFERRED
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.steps import STEPS

_RC4 = "arcfour"
"""In the names of the encryption types of RFC 4757."""


def service_tickets(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The KDC knows each service, and encrypts its ticket with another key than one of RC4."""
    wanted = _services(probe)
    if not wanted:
        yield not_applicable("no step needs one")
    for service, host in wanted:
        try:
            yield _ticket(probe, service, host, deadline)
        except StepFailedError as failure:
            yield problem(f"{service}/{host}: {reason_of(failure)}", _advice(f"{service}/{host}", failure.outcome.code))


def _services(probe: Probe) -> list[tuple[str, str]]:
    """Each service with its host, in the order of the login."""
    services = (STEPS[step].ticket for step in probe.steps)
    hosts = [(it.name, probe.target.host_of(it)) for it in services if it is not None]
    return [(service, host) for service, host in hosts if host is not None]


def _ticket(probe: Probe, service: str, host: str, deadline: StepClock) -> Remark:
    assert probe.kerberos is not None and probe.tickets is not None
    probe.kerberos.service_token(service, host, probe.tickets, probe.carrier(deadline))
    ticket = probe.tickets.tickets()[-1]
    enctype, session = _readable(ticket.enctype), _readable(ticket.session_enctype)
    probe.traits[f"ticket of {service}/"] = f"{enctype}, session {session}"
    found = f"{ticket.service}: {enctype}, session key {session}"
    if _RC4 in enctype or _RC4 in session:
        return warning(found, "set the account's msDS-SupportedEncryptionTypes to 24 (AES), then a new password")
    return ok(found)


def _readable(enctype: str) -> str:
    return f"{enctype} (RC4)" if _RC4 in enctype else enctype


def _advice(principal: str, code: str) -> str:
    match code:
        case "KDC_ERR_S_PRINCIPAL_UNKNOWN":
            return f"register the principal: setspn -S {principal} ACCOUNT; or correct its host in the targets"
        case "KDC_ERR_ETYPE_NOSUPP":
            return "give the service's account AES keys: msDS-SupportedEncryptionTypes 24, then a new password"
        case "KRB_AP_ERR_SKEW":
            return CLOCKS
        case REFERRED.code:
            return f"correct the host of {principal} in the targets: the KDC refers to another realm for it"
        case _:
            return f"look in the KDC's log for why it gives no ticket for {principal}"
