"""The clinicians' credentials, read once; secrets live in this process's memory and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import CredentialError
from harness.login.kerberos.cards import Cards, read_cards
from harness.login.kerberos.keytab import read_keytab
from harness.login.names import UnusableNameError, account_name
from harness.login.password_lines import accounts_in, decoded
from harness.login.secret_files import private_file
from harness.model.cohort import Authentication
from harness.model.credentials import Credentials
from harness.model.target import AccountKind
from harness.system.secrets import no_core_dumps


class Secret:
    """A password that prints as dots, so that no log or exception can hold it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password itself, for the call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts in the order in which the plan numbers them; a keytab instead of passwords where one was given.

    By smart card, those that have one, with what else the target has of them.
    """

    users: tuple[str, ...]
    passwords: Mapping[str, Secret]
    keytab: Path | None = None
    cards: Cards | None = None

    def first(self, count: int, source: str) -> tuple[str, ...]:
        """The first ``count`` users; raises CredentialError where there are fewer."""
        if len(self.users) < count:
            raise CredentialError(f"{source}: expected {count} accounts (population.users), got {len(self.users)}")
        return self.users[:count]


def read_accounts(
    credentials: Credentials, realm: str, authentication: Authentication = "key", kind: AccountKind = "clinicians"
) -> Accounts:
    """The accounts of a target that can log in so; raises CredentialError, which never quotes the content.

    A name such as HTTP/ehr.clinic.test is a service's: no clinician has such a one.
    """
    no_core_dumps()  # from here on this process holds secrets
    if authentication != "smart-card":
        if credentials.key_source is None:
            raise CredentialError(f"authentication: {authentication} needs credentials.csv, keytab or env, got cards")
        return _read_keys(credentials, realm, kind)
    if credentials.smart_cards is None:
        raise CredentialError("authentication: smart-card needs credentials.smart_cards, got none")
    cards = read_cards(credentials.smart_cards)
    known = Accounts((), {}) if credentials.key_source is None else _read_keys(credentials, realm, kind)
    return replace(known, users=tuple(cards.by_user), cards=cards)


def _read_keys(credentials: Credentials, realm: str, kind: AccountKind) -> Accounts:
    if credentials.keytab is not None:
        path = private_file(Path(credentials.keytab))
        return Accounts(_users_of_keytab(path, realm, kind), {}, path)
    if credentials.csv is not None:
        path = private_file(Path(credentials.csv))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CredentialError(f"{path}: expected a readable file, got: {error.strerror}") from None
        return _parse(decoded(data, str(path)), str(path), realm)
    name = credentials.env or ""
    value = os.environ.get(name)
    if value is None:
        raise CredentialError(f"credentials.env: expected the environment variable {name}, which is not set")
    return _parse(value, f"environment variable {name}", realm)


def _parse(text: str, source: str, realm: str) -> Accounts:
    passwords: dict[str, Secret] = {}
    lines: dict[str, int] = {}
    for number, written, password in accounts_in(text, source):
        try:
            user = account_name(written, realm)
        except UnusableNameError as unusable:
            raise CredentialError(f"{source}:{number}: expected {unusable}") from None
        # To Active Directory they are one account, whose wrong passwords are counted together.
        if (first := lines.setdefault(user.casefold(), number)) != number:
            # Not by name: where the columns are swapped, that is a password.
            raise CredentialError(f"{source}:{number}: expected each user once, got that of line {first} again")
        passwords[user] = Secret(password)
    if not passwords:
        raise CredentialError(f"{source}: expected lines user,password, got none")
    return Accounts(tuple(passwords), passwords)


def _users_of_keytab(path: Path, realm: str, kind: AccountKind) -> tuple[str, ...]:
    """Whose keys it has; a name that is no text in UTF-8 is nobody's who could be in a plan or a report."""
    users: dict[str, None] = {}
    for principal in read_keytab(path).by_principal:
        with suppress(UnicodeDecodeError):
            name, _, entry_realm = principal.decode().replace(r"\@", "@").rpartition("@")
            if entry_realm == realm and (kind == "services" or "/" not in name):
                users[name] = None
    if not users:
        raise CredentialError(f"{path}: expected entries of realm {realm}, got none")
    return tuple(users)
