"""Changes of a server's configuration that a candidate can be given, by name.

A change is a function from settings to settings, so that any of smb.conf, the process model, the certificate, the web
front, the database and the directory's entries can be meant by one, and nothing is changed but what the settings say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.errors import LabError
from harness.lab.ad import entry_changes, region
from harness.lab.ad.settings import RESOLVER_PATIENCE_S, Settings


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as an administrator would make it."""

    name: str
    says: str
    """What is changed, in one sentence."""
    apply: Callable[[Settings], Settings]
    controllers: int = 1
    """How many controllers an arm must have at least."""


PROCESS_MODEL_STANDARD = Change(
    "process-model-standard",
    "The domain controller forks a process for each connection (samba --model=standard) instead of sharing workers.",
    lambda settings: replace(settings, process_model="standard"),
)
RSA_4096_CERTIFICATE = Change(
    "rsa-4096-certificate",
    "The directory's TLS certificate has an RSA key of 4096 bits instead of one on the curve P-256.",
    lambda settings: replace(settings, certificate="rsa-4096"),
)
NO_SUBNET = Change(
    "no-subnet",
    "The clients' subnet is mapped to no site, so that a client's site is not known.",
    lambda settings: replace(settings, ldif=f"dn: {region.SUBNET_DN}\nchangetype: modify\ndelete: siteObject\n"),
    controllers=2,
)


def ehr_workers(count: int) -> Change:
    """The web front has ``count`` workers; raises LabError below one."""
    if count < 1:
        raise LabError(f"ehr-workers: expected one worker or more, got {count}")
    return Change(
        f"ehr-workers={count}",
        f"The web front serves at most {count} requests at a time.",
        lambda settings: replace(settings, ehr_workers=count),
    )


def slow_reverse_dns(seconds: float) -> Change:
    """The web front learns its clients' names late; raises LabError at or beyond the resolver's time-out."""
    if not 0 < seconds < RESOLVER_PATIENCE_S:
        raise LabError(f"slow-reverse-dns: expected a number above 0 and below {RESOLVER_PATIENCE_S}, got {seconds:g}")
    return Change(
        f"slow-reverse-dns={seconds:g}",
        f"The name of a client's address comes {seconds:g} s late, and a worker of the web front waits for it.",
        lambda settings: replace(settings, reverse_dns_delay_s=seconds),
    )


def _entries(name: str, says: str, ldif: str) -> Change:
    return Change(name, says, lambda it: it if ldif in it.ldif else replace(it, ldif=it.ldif + ldif))


def log_level(level: int) -> Change:
    """The domain controller logs at ``level`` (smb.conf(5) log level, 0 to 10); raises LabError outside."""
    return _samba("log-level", "log level", level, 0, 10, f"The domain controller logs at level {level} instead of 0.")


def dc_workers(count: int) -> Change:
    """Each of the domain controller's services has ``count`` worker processes; raises LabError below one."""
    says = f"Each service of the domain controller has {count} worker processes instead of 4 (smb.conf(5))."
    return _samba("dc-workers", "prefork children", count, 1, 100, says)


def _samba(name: str, parameter: str, value: int, least: int, most: int, says: str) -> Change:
    if not least <= value <= most:
        raise LabError(f"{name}: expected one of {least} to {most}, got {value}")
    return Change(
        f"{name}={value}", says, lambda settings: replace(settings, samba={**settings.samba, parameter: str(value)})
    )


def disabled_percent(percent: int) -> Change:
    """So many percent of the clinicians are disabled; raises LabError outside 1 to 100."""
    if not 1 <= percent <= 100:
        raise LabError(f"disabled-percent: expected one of 1 to 100, got {percent}")
    says = f"{percent} % of the clinicians' accounts are disabled."
    return _entries(f"disabled-percent={percent}", says, entry_changes.disabled(percent))


def nested_groups(count: int) -> Change:
    """Every clinician is in ``count`` more groups; raises LabError where there are not so many."""
    if not 1 <= count <= region.MANY_GROUPS:
        raise LabError(f"nested-groups: expected one of 1 to {region.MANY_GROUPS}, got {count}")
    says = f"Every clinician is in {count} more groups, each nested in the next: their tickets carry a larger PAC."
    return _entries(f"nested-groups={count}", says, entry_changes.in_nested_groups(count))


UDP_FIRST = Change(
    "udp-first",
    "Clients ask the KDC by UDP first; its answers don't fit, so each exchange is repeated by TCP.",
    lambda settings: replace(settings, kdc_transport="udp-first"),
)
RC4_ONLY_DATABASE = _entries(
    "rc4-only-database",
    "The database's account is marked as supporting RC4 only, and the database has no RC4 key.",
    entry_changes.replaced(region.service_dn("svc-db"), "msDS-SupportedEncryptionTypes", entry_changes.RC4_HMAC),
)
RC4_ONLY_EHR = _entries(
    "rc4-only-ehr",
    "The web front's account is marked as supporting RC4 only, and the front has no RC4 key.",
    entry_changes.replaced(region.service_dn("svc-ehr"), "msDS-SupportedEncryptionTypes", entry_changes.RC4_HMAC),
)
NO_EHR_SPN = _entries(
    "no-ehr-spn",
    "The web front's service principal name is missing from its account.",
    entry_changes.without(region.service_dn("svc-ehr"), "servicePrincipalName", region.EHR_SERVICE),
)
NO_DELEGATION = _entries(
    "no-delegation",
    "The web front may no longer act as its users at the database.",
    entry_changes.without(region.service_dn("svc-ehr"), "msDS-AllowedToDelegateTo", region.DATABASE_SERVICE),
)


def open_sessions(count: int) -> Change:
    """The identity provider has ``count`` sessions open already; raises LabError outside 1 to 100,000."""
    if not 1 <= count <= 100_000:
        raise LabError(f"open-sessions: expected one of 1 to 100000, got {count}")
    return Change(
        f"open-sessions={count}",
        f"The identity provider holds {count:,} sessions of people who have logged on before.",
        lambda settings: replace(settings, single_sign_on=True, open_sessions=count),
    )


SINGLE_SESSION = Change(
    "single-session",
    "The identity provider ends a clinician's other sessions at each logon, and looks for them in all that it holds.",
    lambda settings: replace(settings, single_sign_on=True, portal={**settings.portal, "singleSession": 1}),
)
SINGLE_SIGN_ON = Change(
    "single-sign-on",
    "There is an identity provider, and a page of the web front each that relies on it by OpenID Connect and by SAML.",
    lambda settings: replace(settings, single_sign_on=True),
)
SAML_KEY_RENEWED = Change(
    "saml-key-renewed",
    "The identity provider signs SAML responses by a new key, of which the service provider has not heard.",
    lambda settings: replace(settings, single_sign_on=True, saml_key_renewed=True),
)
SAML_RSA_4096 = Change(
    "saml-rsa-4096",
    "Identity provider and service provider sign SAML messages by RSA keys of 4096 bits instead of 2048.",
    lambda settings: replace(settings, single_sign_on=True, saml_key_bits=4096),
)


_PLAIN: Mapping[str, Change] = {
    change.name: change
    for change in (
        PROCESS_MODEL_STANDARD,
        RSA_4096_CERTIFICATE,
        UDP_FIRST,
        RC4_ONLY_DATABASE,
        RC4_ONLY_EHR,
        NO_EHR_SPN,
        NO_DELEGATION,
        NO_SUBNET,
        SINGLE_SIGN_ON,
        SINGLE_SESSION,
        SAML_KEY_RENEWED,
        SAML_RSA_4096,
    )
}
_WITH_NUMBER: Mapping[str, Callable[[int], Change]] = {
    "ehr-workers": ehr_workers,
    "log-level": log_level,
    "dc-workers": dc_workers,
    "disabled-percent": disabled_percent,
    "nested-groups": nested_groups,
    "open-sessions": open_sessions,
}
_WITH_SECONDS: Mapping[str, Callable[[float], Change]] = {"slow-reverse-dns": slow_reverse_dns}

SPELLINGS = (*_PLAIN, *(f"{name}=N" for name in _WITH_NUMBER), *(f"{name}=SECONDS" for name in _WITH_SECONDS))


def parse_change(text: str) -> Change:
    """The change of this name, ``name``, ``name=N`` or ``name=SECONDS``; raises LabError."""
    name, _, count = text.partition("=")
    if text in _PLAIN:
        return _PLAIN[text]
    if name in _WITH_NUMBER and count.isascii() and count.isdigit():
        return _WITH_NUMBER[name](int(count))
    if name in _WITH_SECONDS and re.fullmatch(r"\d+(\.\d+)?", count, re.ASCII):
        return _WITH_SECONDS[name](float(count))
    raise LabError(f"change: expected one of {', '.join(SPELLINGS)}, got {text!r}")
