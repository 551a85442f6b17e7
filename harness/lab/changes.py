"""Changes of a server's configuration that the embedded domain's candidate can be given, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.errors import LabError

Certificate = Literal["ec-p256", "rsa-4096"]
Scheme = Literal["pbkdf2", "argon2", "bcrypt"]


@dataclass(frozen=True, slots=True)
class Storage:
    """How passwords are hashed, and its cost: PBKDF2-SHA256's iterations, Argon2's memory in KiB (2 passes over it, one
    lane), the power of two of bcrypt's rounds."""

    scheme: Scheme
    cost: int


BCRYPT_COST_AT_MOST = 16
"""65,536 rounds take seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one arm's servers; what isn't named here is the lab's or the server's default."""

    kdc_writes: bool = False
    """Whether the KDC writes each clinician's last success and failures, which it needs to lock accounts."""
    kdc_datagram: int | None = None
    """The largest answer in bytes that the KDC gives by UDP; to a larger one it says RESPONSE_TOO_BIG (RFC 4120)."""
    passwords: Storage | None = None
    """How passwords are hashed; None is {SSHA}, salted SHA-1."""
    indexes: tuple[str, ...] = ("objectClass", "uid", "member", "memberOf")
    """The attributes that have an index."""
    certificate: Certificate = "ec-p256"
    """The key of the directory's TLS certificate."""
    others: int = 0
    """People in the directory other than the clinicians, who never log in."""
    starttls: bool = False
    """Whether clients are configured to use StartTLS."""
    cards_trusted: bool = True
    """Whether the KDC trusts the authority that has issued the clinicians' smart cards."""
    cpu_percent: int | None = None
    """How much of one processor both servers together may use; None is all there is."""
    other: tuple[str, ...] = field(default=())
    """Lines of slapd.conf(5), global section, in addition to the lab's own."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as an administrator would make it."""

    name: str
    says: str
    """What is changed, in one sentence."""
    apply: Callable[[Settings], Settings]


def _pbkdf2(iterations: int) -> Change:
    says = f"Passwords are hashed by PBKDF2-SHA256 with {iterations:,} iterations instead of one round of SHA-1."
    return Change("", says, lambda settings: replace(settings, passwords=Storage("pbkdf2", iterations)))


def _argon2(kib: int) -> Change:
    says = f"Passwords are hashed by Argon2 over {kib:,} KiB of memory, twice, instead of one round of SHA-1."
    return Change("", says, lambda settings: replace(settings, passwords=Storage("argon2", kib)))


def _bcrypt(cost: int) -> Change:
    if cost > BCRYPT_COST_AT_MOST:
        raise LabError(f"bcrypt: expected {BCRYPT_COST_AT_MOST} or less, got {cost}")
    says = f"Passwords are hashed by bcrypt with 2^{cost} rounds instead of one round of SHA-1."
    return Change("", says, lambda settings: replace(settings, passwords=Storage("bcrypt", cost)))


def _cpu_quota(percent: int) -> Change:
    says = f"The KDC and the directory together get {percent} % of one processor."
    return Change("", says, lambda settings: replace(settings, cpu_percent=percent))


def _datagram(size: int) -> Change:
    says = f"The KDC answers by UDP with at most {size} bytes, and makes clients repeat the request by TCP for more."
    return Change("", says, lambda settings: replace(settings, kdc_datagram=size))


def _others(count: int) -> Change:
    says = f"The directory has {count:,} more people, who never log in."
    return Change("", says, lambda settings: replace(settings, others=count))


def _threads(count: int) -> Change:
    says = f"The directory has {count} worker threads instead of 16."
    return Change("", says, lambda settings: replace(settings, other=(*settings.other, f"threads {count}")))


_PLAIN: Mapping[str, Change] = {
    change.name: change
    for change in (
        Change(
            "kdc-writes",
            "The KDC writes each clinician's last success and last failure, to be able to lock accounts.",
            lambda settings: replace(settings, kdc_writes=True),
        ),
        Change(
            "no-uid-index",
            "The directory has no index of uid and member: a search reads every entry.",
            lambda settings: replace(settings, indexes=("objectClass",)),
        ),
        Change(
            "rsa-4096-certificate",
            "The directory's TLS certificate has an RSA key of 4096 bits instead of one on the curve P-256.",
            lambda settings: replace(settings, certificate="rsa-4096"),
        ),
        Change(
            "tls-for-simple-binds",
            "The directory refuses a simple bind on a cleartext connection.",
            lambda settings: replace(settings, other=(*settings.other, "security simple_bind=128")),
        ),
        Change(
            "cards-untrusted",
            "The KDC does not trust the authority that has issued the clinicians' smart cards.",
            lambda settings: replace(settings, cards_trusted=False),
        ),
        Change(
            "starttls",
            "Clients protect LDAP by StartTLS.",
            lambda settings: replace(settings, starttls=True),
        ),
    )
}
_WITH_NUMBER: Mapping[str, tuple[int, Callable[[int], Change]]] = {
    "pbkdf2": (1, _pbkdf2),
    "argon2": (8, _argon2),
    "bcrypt": (4, _bcrypt),
    "cpu-quota": (1, _cpu_quota),
    "kdc-datagram": (1, _datagram),
    "directory-threads": (2, _threads),
    "others": (1, _others),
}
"""Changes that take a number, with the least that they take."""

SPELLINGS = (*_PLAIN, *(f"{name}=N" for name in _WITH_NUMBER))


def parse_change(text: str) -> Change:
    """The change of this name, ``name`` or ``name=N``; raises LabError."""
    name, _, count = text.partition("=")
    if text in _PLAIN:
        return _PLAIN[text]
    if name in _WITH_NUMBER and count.isascii() and count.isdigit():
        least, change = _WITH_NUMBER[name]
        if int(count) < least:
            raise LabError(f"{name}: expected {least} or more, got {count}")
        return replace(change(int(count)), name=text)
    raise LabError(f"change: expected one of {', '.join(SPELLINGS)}, got {text!r}")


def settings_of(changes: tuple[Change, ...]) -> Settings:
    """The lab's own settings with these changes, in order."""
    settings = Settings()
    for change in changes:
        settings = change.apply(settings)
    return settings
