"""Which credentials a worker elsewhere logs in by: those that lie on its machine, or those that its master sent it.

What was sent comes over the encrypted connection, is kept in files that only this process's owner may read, and goes
with the process. Targets that say where credentials lie are no secret; what lies there is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from harness.errors import ConfigError, CredentialError, one_line
from harness.login.secret_files import private_file
from harness.model.base import Configured
from harness.model.credentials import Armor, Credentials
from harness.model.target import Arm, Target, Targets

ACCOUNTS_VARIABLE = "AUTHGATE_ACCOUNTS"
"""Environment variable of a worker: a file that says where its machine has the credentials."""
_KINDS = ("credentials", "service_accounts")
_SOURCES = ("csv", "keytab", "env")


class Own(Configured):
    """Where one machine has the credentials of an arm; what is not given is where the targets say."""

    credentials: Credentials | None = None
    service_accounts: Credentials | None = None
    armor: Armor | None = None


_OWN = TypeAdapter(dict[Arm, Own])


def read_own(path: Path) -> Mapping[Arm, Own]:
    """A machine's own file; raises ConfigError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file, got: {one_line(str(error))}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{path}: expected YAML") from None
    try:
        return _OWN.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {where or 'its text'}: {one_line(first['msg'])}") from None


def to_send(target: Target, by_card: bool) -> dict[str, dict[str, bytes]]:
    """What of an arm's credentials a master sends, by their kind and what they are; raises CredentialError.

    Smart cards are not sent: ``by_card`` says whether anybody logs in by one.
    """
    found: dict[str, dict[str, bytes]] = {}
    for kind in _KINDS:
        credentials: Credentials | None = getattr(target, kind)
        if by_card and credentials is not None and credentials.smart_cards is not None:
            raise CredentialError(f"{kind}: smart cards are not sent: each worker's machine needs them in its own file")
        if credentials is None or credentials.key_source is None:
            continue
        if credentials.env is not None:
            if (value := os.environ.get(credentials.env)) is None:
                raise CredentialError(f"{kind}.env: expected the environment variable {credentials.env}, got none")
            found[kind] = {"csv": value.encode()}
            continue
        name = "csv" if credentials.csv is not None else "keytab"
        found[kind] = {name: _read(getattr(credentials, name))}
    if target.armor is not None:
        found["armor"] = {"keytab": _read(target.armor.keytab)}
    return found


def _read(file: str) -> bytes:
    path = private_file(Path(file))
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialError(f"{path}: expected a readable file, got: {error.strerror}") from None


def ages_s(target: Target) -> dict[str, float]:
    """How many seconds ago the files that a master sends were written: what was denied since is not tried again."""
    found = {}
    for kind in _KINDS:
        credentials: Credentials | None = getattr(target, kind)
        name = None if credentials is None else credentials.csv or credentials.keytab
        if name is not None:
            with suppress(OSError):
                found[kind] = time.time() - Path(name).stat().st_mtime
    return found


def with_accounts(
    targets: Targets,
    arm: Arm,
    sent: Mapping[str, Mapping[str, bytes]],
    folder: Path,
    ages: Mapping[str, float] = MappingProxyType({}),
) -> Targets:
    """The targets with an arm's credentials as this machine has them; ``folder`` is for what was sent.

    Its files are as old as the master's, whose ``ages`` are in seconds.
    """
    changes: dict[str, Any] = {}
    for kind, parts in sent.items():
        for name, data in parts.items():
            path = folder / f"{kind}.{name}"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
            if kind in ages:
                written = time.time() - ages[kind]
                os.utime(path, (written, written))
            elsewhere: Credentials | Armor = getattr(targets.arms[arm], kind)
            others = dict.fromkeys(_SOURCES) if isinstance(elsewhere, Credentials) else {}
            changes[kind] = elsewhere.model_copy(update={**others, name: str(path)})
    if (own := os.environ.get(ACCOUNTS_VARIABLE)) is not None:
        here = read_own(Path(own)).get(arm, Own())
        changes |= {kind: given for kind in Own.model_fields if (given := getattr(here, kind)) is not None}
    target = targets.arms[arm].model_copy(update=changes)
    return targets.model_copy(update={"arms": {**targets.arms, arm: target}})
