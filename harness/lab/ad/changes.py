"""Changes of a server's configuration that a candidate can be given, by name.

A change is a function from settings to settings, so that any of smb.conf, the process model, the certificate, the web
front, the database and the directory's entries can be meant by one, and nothing is changed but what the settings say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.errors import LabError
from harness.lab.ad.settings import RESOLVER_PATIENCE_S, Settings


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as an administrator would make it."""

    name: str
    says: str
    """What is changed, in one sentence."""
    apply: Callable[[Settings], Settings]


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
    """The web front learns the names of its clients' addresses late; raises LabError out of the resolver's patience."""
    if not 0 < seconds < RESOLVER_PATIENCE_S:
        raise LabError(f"slow-reverse-dns: expected a number above 0 and below {RESOLVER_PATIENCE_S}, got {seconds:g}")
    return Change(
        f"slow-reverse-dns={seconds:g}",
        f"The name of a client's address comes {seconds:g} s late, and a worker of the web front waits for it.",
        lambda settings: replace(settings, reverse_dns_delay_s=seconds),
    )


_PLAIN: Mapping[str, Change] = {change.name: change for change in (PROCESS_MODEL_STANDARD, RSA_4096_CERTIFICATE)}
_COUNTED: Mapping[str, Callable[[int], Change]] = {"ehr-workers": ehr_workers}
_LASTING: Mapping[str, Callable[[float], Change]] = {"slow-reverse-dns": slow_reverse_dns}

SPELLINGS = (*_PLAIN, *(f"{name}=N" for name in _COUNTED), *(f"{name}=SECONDS" for name in _LASTING))


def parse_change(text: str) -> Change:
    """The change of this name, ``name``, ``name=N`` or ``name=SECONDS``; raises LabError."""
    name, _, count = text.partition("=")
    if text in _PLAIN:
        return _PLAIN[text]
    if name in _COUNTED and count.isascii() and count.isdigit():
        return _COUNTED[name](int(count))
    if name in _LASTING and re.fullmatch(r"\d+(\.\d+)?", count, re.ASCII):
        return _LASTING[name](float(count))
    raise LabError(f"change: expected one of {', '.join(SPELLINGS)}, got {text!r}")
