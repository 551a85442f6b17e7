"""Which accounts were denied for their password, remembered beyond the process: none is tried again by another way.

A run, a single login and the doctor each try a password once; the domain counts all of them together. So each wrong one
is written down, and its account is refused until its credentials have changed, and for a while after two of them. What
workers on other machines were denied their master writes down too, and tells at the next run to those that come then.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import CredentialError
from harness.model.attempt import Outcome
from harness.model.credentials import Credentials
from harness.model.target import Arm, Targets
from harness.system.cache import cache_home, private_folder
from harness.system.files import write_whole

WRONG_PASSWORD = frozenset({"KDC_ERR_PREAUTH_FAILED", "LDAP 49 invalidCredentials"})
"""The outcomes that a domain counts."""
REMEMBERED_S = 24 * 3600.0
WINDOW_S = 30 * 60.0
"""For how long wrong passwords count where the domain doesn't say: Active Directory's own default."""
IN_WINDOW_AT_MOST = 2
"""Where nothing is known of a threshold: the lowest that is met in practice is 3."""
LOCK_POLL_S = 0.02
_NAMED_AT_MOST = 5
_LARGE_BYTES = 1 << 20
ADVICE = (
    "correct the credentials, or leave the account out of them; where the account itself was mended, touch their file; "
    f"two denials are waited out for {WINDOW_S / 60:.0f} min"
)


@dataclass(frozen=True, slots=True)
class Denial:
    """One wrong password: when (Unix seconds), of which account of which domain, and from which state of which file.

    By its ``key`` it is the same on each machine that has heard of it, where the file is another one.
    """

    at: float
    domain: str
    user: str
    source: str
    key: str = ""


def domain_of(targets: Targets, arm: Arm) -> str:
    """Who counts the arm's wrong passwords: the realm; on loopback each lab is a domain of its own."""
    target = targets.arms[arm]
    return target.realm if targets.environment == "pre-production" else target.digest


def arms_together(targets: Targets, arm: Arm) -> int:
    """How many arms' wrong passwords are counted together with this one's."""
    return sum(domain_of(targets, other) == domain_of(targets, arm) for other in targets.arms)


def source_of(credentials: Credentials | None) -> str:
    """The state of the file that passwords or keys come from; empty where there is no file."""
    name = None if credentials is None else credentials.csv or credentials.keytab
    if name is None:
        return ""
    try:
        found = Path(name).stat()
    except OSError:
        return ""
    return f"{Path(name).resolve()} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _changed_at(source: str) -> float:
    """When the file of a source was last written, in Unix seconds."""
    return int(source.rpartition(" ")[2]) / 1e9


class Denials:
    """The denials of one domain, in a file that only its owner may read; raises LabError where there can be none.

    ``source`` says of an account the state of the file that its password or key comes from.
    """

    def __init__(self, domain: str, source: Callable[[str], str]) -> None:
        self._path = private_folder(cache_home()) / "denials.jsonl"
        self._domain = domain
        self._source = source

    def refused(self, users: Iterable[str]) -> dict[str, str]:
        """The accounts that must not be tried now, each with the reason."""
        by_user: dict[str, list[Denial]] = {}
        for denial in self._remembered():
            by_user.setdefault(denial.user, []).append(denial)
        found: dict[str, str] = {}
        for user in users:
            mine = by_user.get(user.casefold(), [])
            young = {denial.key or denial for denial in mine if time.time() - denial.at < WINDOW_S}
            source = self._source(user)
            if source and any(denial.source == source for denial in mine):
                found[user] = f"was denied {_ago(mine[-1].at)}, by the credentials that are there now"
            elif len(young) >= IN_WINDOW_AT_MOST:
                found[user] = f"was denied {len(young)} times within {WINDOW_S / 60:.0f} min"
        return found

    def check(self, users: Iterable[str]) -> None:
        """Raise CredentialError where one of the accounts must not be tried now."""
        if refused := self.refused(users):
            named = [f"{user} {why}" for user, why in list(refused.items())[:_NAMED_AT_MOST]]
            named += [f"{len(refused) - len(named)} more"] if len(refused) > len(named) else []
            raise CredentialError(f"accounts refused, so that none is locked: {'; '.join(named)}; {ADVICE}")

    def note(self, user: str, outcome: Outcome) -> str:
        """Write the denial down, if it is one that the domain counts; its key, empty where it is not."""
        if outcome.code not in WRONG_PASSWORD:
            return ""
        denial = Denial(time.time(), self._domain, user.casefold(), self._source(user), secrets.token_hex(8))
        self._append(denial)
        return denial.key

    def told(self) -> list[dict[str, Any]]:
        """What other machines have to know of the domain's denials: which, of whom, and how many seconds ago."""
        found = {it.key: {"user": it.user, "key": it.key, "ago_s": time.time() - it.at} for it in self._remembered()}
        return [one for key, one in found.items() if key]

    def hear(self, told: Iterable[Mapping[str, Any]]) -> None:
        """Write down what another machine tells; by the credentials that are here, unless they have changed since."""
        known = {(denial.key, denial.source) for denial in self._remembered()}
        for one in told:
            user, at = str(one["user"]).casefold(), time.time() - float(one["ago_s"])
            source = self._source(user)
            if source and _changed_at(source) > at:
                source = ""
            if (str(one["key"]), source) not in known:
                self._append(Denial(at, self._domain, user, source, str(one["key"])))

    def _append(self, denial: Denial) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{json.dumps(asdict(denial))}\n".encode())
        finally:
            os.close(file)

    @contextmanager
    def one_at_a_time(self, sleep: Callable[[float], object] = time.sleep) -> Iterator[None]:
        """Hold back every other process that wants to try an account first, which the two arms of a run do at once."""
        with self._path.with_suffix(".lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    sleep(LOCK_POLL_S)
            self._forget()
            yield

    def _forget(self) -> None:
        """Leave out of a file that has grown large what is too old to count."""
        with suppress(FileNotFoundError):
            if self._path.stat().st_size > _LARGE_BYTES:
                kept = "".join(f"{json.dumps(asdict(denial))}\n" for denial in self._young())
                write_whole(self._path, kept, private=True)

    def _remembered(self) -> list[Denial]:
        return [denial for denial in self._young() if denial.domain == self._domain]

    def _young(self) -> list[Denial]:
        found = []
        with suppress(FileNotFoundError), self._path.open(encoding="utf-8") as file:
            for line in file:
                with suppress(ValueError, TypeError):  # a line that was cut off when a process was killed
                    found.append(Denial(**json.loads(line)))
        return [denial for denial in found if time.time() - denial.at < REMEMBERED_S]


def _ago(at: float) -> str:
    return f"{max(0, time.time() - at) / 60:.0f} min ago"
