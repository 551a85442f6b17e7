"""Keytab files, format 0x502, as far as a lab needs them: read, select, rename, write.

https://web.mit.edu/kerberos/krb5-latest/doc/formats/keytab_file_format.html: after the head, entries of a 32-bit size;
in each the 16-bit number of components, the realm and the components as counted strings, the name type (32 bits), a
time stamp (32), a version (8), the enctype (16) and the key.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.errors import LabError

_HEAD = b"\x05\x02"
_BEFORE_ENCTYPE = struct.calcsize(">IIB")


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of one principal; ``rest`` is everything after the name, byte for byte."""

    principal: str
    """``component/component@REALM``."""
    rest: bytes

    @property
    def enctype(self) -> int:
        """The key's encryption type (RFC 3961 §8)."""
        (enctype,) = struct.unpack_from(">H", self.rest, _BEFORE_ENCTYPE)
        return int(enctype)

    def renamed(self, principal: str) -> Entry:
        """The same key under another name."""
        return replace(self, principal=principal)


def parse(data: bytes) -> list[Entry]:
    """The entries of a keytab; raises LabError where it is of another format."""
    if not data.startswith(_HEAD):
        raise LabError("keytab: expected format 0x502")
    entries, at = [], len(_HEAD)
    while at + 4 <= len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size > 0:  # A negative size is the hole of a deleted entry.
            entries.append(_entry(data[at : at + size]))
        at += abs(size)
    return entries


def _entry(data: bytes) -> Entry:
    (components,) = struct.unpack_from(">H", data)
    at, names = 2, []
    for _ in range(components + 1):
        (size,) = struct.unpack_from(">H", data, at)
        names.append(data[at + 2 : at + 2 + size].decode())
        at += 2 + size
    realm, *name = names
    return Entry(f"{'/'.join(name)}@{realm}", data[at:])


def serialise(entries: Iterable[Entry]) -> bytes:
    """The keytab that holds these entries."""
    return _HEAD + b"".join(struct.pack(">i", len(entry)) + entry for entry in map(_bytes_of, entries))


def _bytes_of(entry: Entry) -> bytes:
    name, _, realm = entry.principal.rpartition("@")
    components = name.split("/")
    counted = b"".join(struct.pack(">H", len(text.encode())) + text.encode() for text in (realm, *components))
    return struct.pack(">H", len(components)) + counted + entry.rest
