"""Tickets for the services that the scenario's steps need."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.probe import Probe, told
from harness.login.net.clock import StepClock
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning
from harness.model.steps import STEPS

_RC4 = "arcfour"
"""In the names of the encryption types of RFC 4757."""


def service_tickets(probe: Probe, deadline: StepClock) -> Iterator[Remark]:
    """The KDC knows each service, and encrypts its ticket by a key that is none of RC4."""
    wanted = _services(probe)
    if not wanted:
        yield not_applicable("no step needs one")
    for service, host in wanted:
        try:
            yield _ticket(probe, service, host, deadline)
        except StepFailedError as failure:
            yield problem(f"{service}/{host}: {told(failure)}", _advice(f"{service}/{host}", failure.outcome.code))


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
        return warning(found, "set the account's msDS-SupportedEncryptionTypes to 24 (AES), and its password anew")
    return ok(found)


def _readable(enctype: str) -> str:
    return f"{enctype} (RC4)" if _RC4 in enctype else enctype


def _advice(principal: str, code: str) -> str:
    match code:
        case "KDC_ERR_S_PRINCIPAL_UNKNOWN":
            return f"register the principal: setspn -S {principal} ACCOUNT; or correct its host in the targets"
        case "KDC_ERR_ETYPE_NOSUPP":
            return "let the service's account have AES keys: msDS-SupportedEncryptionTypes 24, and a new password"
        case _:
            return f"find out by the KDC's log why it gives no ticket for {principal}"
