"""Tickets for the services that the scenario's steps need."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.advice import CLOCKS
from harness.doctor.probe import Deadline, Patient, told
from harness.login.runtime import StepFailedError
from harness.model.diagnosis import Remark, not_applicable, ok, problem, warning

_RC4 = "arcfour"
"""In the names of the encryption types of RFC 4757."""


def service_tickets(patient: Patient, deadline: Deadline) -> Iterator[Remark]:
    """The KDC knows each service, and encrypts its ticket by a key that is none of RC4."""
    wanted = _services(patient)
    if not wanted:
        yield not_applicable("no step needs one")
    for service, host in wanted:
        try:
            yield _ticket(patient, service, host, deadline)
        except StepFailedError as failure:
            yield problem(f"{service}/{host}: {told(failure)}", _advice(f"{service}/{host}", failure.outcome.code))


def _services(patient: Patient) -> list[tuple[str, str]]:
    target = patient.target
    hosts = {
        "kdc_tgs_host": ("host", target.services.host),
        "kdc_tgs_ldap": ("ldap", target.directory.service_host),
        "kdc_tgs_cifs": ("cifs", target.services.cifs),
        "kdc_tgs_http": ("HTTP", target.ehr.service_host if target.ehr is not None else None),
        "kdc_tgs_postgres": ("postgres", target.database.service_host if target.database is not None else None),
    }
    named = (hosts[step] for step in patient.steps if step in hosts)
    return [(service, host) for service, host in named if host is not None]


def _ticket(patient: Patient, service: str, host: str, deadline: Deadline) -> Remark:
    assert patient.kerberos is not None and patient.tickets is not None
    patient.kerberos.service_token(service, host, patient.tickets, deadline.call)
    ticket = patient.tickets.tickets()[-1]
    enctype, session = _readable(ticket.enctype), _readable(ticket.session_enctype)
    patient.traits[f"ticket of {service}/"] = f"{enctype}, session {session}"
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
        case "KRB_AP_ERR_SKEW":
            return CLOCKS
        case "KRB5_REALM_UNKNOWN":  # libkrb5 was referred to a realm that it is told no KDC of
            return f"correct the host of {principal} in the targets: the KDC refers to another realm for it"
        case _:
            return f"find out by the KDC's log why it gives no ticket for {principal}"
