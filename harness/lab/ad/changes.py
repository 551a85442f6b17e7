"""Changes of a server's configuration that a candidate can be given, by name.

A change is a function from settings to settings, so that any of smb.conf, the process model, the certificate, the web
front, the database and the directory's entries can be meant by one, and nothing is changed but what the settings say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.errors import LabError
from harness.lab.ad import region
from harness.lab.ad.settings import Settings


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


_PLAIN: Mapping[str, Change] = {
    change.name: change for change in (PROCESS_MODEL_STANDARD, RSA_4096_CERTIFICATE, NO_SUBNET)
}
_COUNTED: Mapping[str, Callable[[int], Change]] = {"ehr-workers": ehr_workers}

SPELLINGS = (*_PLAIN, *(f"{name}=N" for name in _COUNTED))


def parse_change(text: str) -> Change:
    """The change of this name, ``name`` or ``name=N``; raises LabError."""
    name, _, count = text.partition("=")
    if text in _PLAIN:
        return _PLAIN[text]
    if name in _COUNTED and count.isascii() and count.isdigit():
        return _COUNTED[name](int(count))
    raise LabError(f"change: expected one of {', '.join(SPELLINGS)}, got {text!r}")
