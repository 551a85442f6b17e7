"""A keytab file as libkrb5 reads it, read once for all of its users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import krb5

from harness.errors import CredentialError


@dataclass(frozen=True, slots=True)
class Keytab:
    """The keys of each principal, by its name as libkrb5 writes it.

    Of a principal they are those of its newest version, in whatever order the file has them, of encryption types that
    libkrb5 knows: what an AS request by keytab offers (src/lib/krb5/krb/gic_keytab.c, lookup_etypes_for_keytab).
    """

    by_principal: Mapping[bytes, tuple[krb5.KeyTabEntry, ...]]

    def copy_to(self, context: krb5.Context, keytab: krb5.KeyTab, principal: krb5.Principal) -> int:
        """Add the principal's keys to another keytab; how many there are."""
        entries = self.by_principal.get(principal.name or b"", ())
        for entry in entries:
            krb5.kt_add_entry(context, keytab, principal, entry.kvno, 0, entry.key)
        return len(entries)


def read_keytab(path: Path) -> Keytab:
    """The keytab in this file; raises CredentialError, which never quotes the content."""
    newest: dict[bytes, list[krb5.KeyTabEntry]] = {}
    try:
        for entry in _entries(path):
            if not _known(entry.key.enctype):
                continue
            kept = newest.setdefault(entry.principal.name or b"", [])
            if kept and entry.kvno > kept[0].kvno:
                kept.clear()
            if not kept or entry.kvno == kept[0].kvno:
                kept.append(entry)
    except krb5.Krb5Error as error:
        raise CredentialError(f"{path}: expected a keytab, got: {error}") from None
    return Keytab({name: tuple(entries) for name, entries in newest.items()})


def _entries(path: Path) -> Iterator[krb5.KeyTabEntry]:
    yield from krb5.kt_resolve(krb5.init_context(), f"FILE:{path}".encode())


def _known(enctype: int) -> bool:
    """Whether libkrb5 has an implementation of this encryption type, as it no longer has of DES."""
    try:
        return bool(krb5.enctype_to_name(enctype))
    except (krb5.Krb5Error, ValueError):
        return False
