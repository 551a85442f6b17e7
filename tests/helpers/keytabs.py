"""Keytab files as other tools write them: any order of keys, any versions, any bytes in a name (format 0x502)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

DES_CRC, DES_MD5, AES128, AES256, RC4 = 1, 3, 17, 18, 23
"""Encryption types (RFC 3961 §8)."""
KTPASS_ORDER = (DES_CRC, DES_MD5, RC4, AES256, AES128)
"""In which ``ktpass /crypto All`` writes a principal's keys."""
KEY_BYTES = {DES_CRC: 8, DES_MD5: 8, AES128: 16, AES256: 32, RC4: 16}


@dataclass(frozen=True)
class Key:
    """One key of one principal."""

    principal: str | bytes
    """``component/component@REALM``."""
    enctype: int
    content: bytes
    kvno: int = 1

    def entry(self) -> bytes:
        """As a keytab has it, the version in 32 bits behind the key too."""
        text = self.principal.encode() if isinstance(self.principal, str) else self.principal
        name, _, realm = text.rpartition(b"@")
        components = name.split(b"/")
        body = struct.pack(">H", len(components))
        body += b"".join(struct.pack(">H", len(part)) + part for part in (realm, *components))
        body += struct.pack(">IIBHH", 1, 0, self.kvno & 0xFF, self.enctype, len(self.content)) + self.content
        body += struct.pack(">I", self.kvno)
        return struct.pack(">i", len(body)) + body


def keytab(keys: Iterable[Key]) -> bytes:
    """The file with these keys, in this order."""
    return b"\x05\x02" + b"".join(key.entry() for key in keys)


def keys_in(data: bytes) -> list[Key]:
    """The keys of a keytab that a lab has written."""
    found, at = [], 2
    while at + 4 <= len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size > 0:
            found.append(_key(data[at : at + size]))
        at += abs(size)
    return found


def _key(body: bytes) -> Key:
    (count,) = struct.unpack_from(">H", body)
    at, parts = 2, []
    for _ in range(count + 1):
        (size,) = struct.unpack_from(">H", body, at)
        parts.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    _, _, kvno, enctype, length = struct.unpack_from(">IIBHH", body, at)
    at += struct.calcsize(">IIBHH")
    realm, *components = parts
    return Key(b"/".join(components) + b"@" + realm, enctype, body[at : at + length], kvno)
