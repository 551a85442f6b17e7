"""Summaries of captured traffic, as Samba's ``traffic_summary.pl`` writes them of tshark's PDML: a line a packet.

Source: Samba's script/traffic_summary.pl, "Output format"; ``Packet.from_line`` in its python/samba/emulate/traffic.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import ConfigError
from harness.system.text import clipped, opened, unreadable

FIELDS = ("time", "IP protocol", "stream", "source", "destination", "protocol", "opcode", "description")
_LINE_AT_MOST = 1 << 20
_TIMES_BELOW_S = 4.1e9
"""The year 2099."""
_MAGIC = 4
_CAPTURE = "a capture: tshark -r FILE -T pdml | traffic_summary.pl"
_OTHER_FILES = (
    (b"<", "tshark's PDML: pipe it through traffic_summary.pl"),
    (b"{", "a model of traffic_learner, which has no times: use the summary that it was learned from"),
    (b"\x0a\x0d\x0d\x0a", _CAPTURE),  # pcapng
    (b"\xd4\xc3\xb2\xa1", _CAPTURE),  # pcap, with times in µs
    (b"\x4d\x3c\xb2\xa1", _CAPTURE),  # and in ns
)
_ANSWERS = {
    "dns": {"1"}, "ldap": {"1", "4", "5", "19", "24"}, "cldap": {"4", "5"}, "kerberos": {"11", "13", "15", "30"},
}  # fmt: skip
"""The opcodes that a server sends: LDAP's of RFC 4511 §4, Kerberos' message types of RFC 4120 §7.5.7."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; ``at_s`` in seconds since 1970, addresses as numbers that the summary has given them.

    ``extra`` is of LDAP: scope, base, filter, attributes, kind of authentication, its name, OID; of Kerberos: user or
    machine.
    """

    at_s: float
    stream: str
    source: str
    destination: str
    protocol: str
    opcode: str
    extra: tuple[str, ...]

    @property
    def answers(self) -> bool:
        """Whether a server sent it; of protocols that logins don't speak nobody asks."""
        return self.opcode in _ANSWERS.get(self.protocol, ())

    @property
    def client(self) -> str:
        """The address that asked."""
        return self.destination if self.answers else self.source


def read_summary(path: Path) -> Iterator[Packet]:
    """The packets of a summary, as they stand in the file; raises ConfigError with file and line."""
    try:
        with opened(path) as file:
            begin = file.read(_MAGIC)
            for magic, what in _OTHER_FILES:
                if begin.startswith(magic):
                    raise ConfigError(f"{path}: expected a summary of traffic, got {what}")
            for number, line in enumerate(_lines(begin, file), start=1):
                if line.strip():
                    yield _packet(f"{path}:{number}", line)
    except (OSError, EOFError) as error:
        unreadable(path, error)


def _lines(begin: bytes, file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file whose beginning has been read: a pipe can't be wound back."""
    yield from (begin + file.readline(_LINE_AT_MOST)).splitlines(keepends=True)
    yield from iter(lambda: file.readline(_LINE_AT_MOST), b"")


def _packet(where: str, line: bytes) -> Packet:
    try:
        fields = line.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: expected text in UTF-8") from None
    if len(fields) < len(FIELDS):
        raise ConfigError(
            f"{where}: expected {', '.join(FIELDS)}, separated by tabs, got {len(fields)} of these fields"
        )
    time, ip_protocol, stream, source, destination, protocol, opcode, _, *extra = fields
    try:
        at_s = float(time)
    except ValueError:
        at_s = math.nan
    if not abs(at_s) <= _TIMES_BELOW_S:  # NaN too
        raise ConfigError(f'{where}: time: expected seconds since 1970, got "{clipped(time)}"')
    for name, value in (("source", source), ("destination", destination), ("protocol", protocol)):
        if not value:
            raise ConfigError(f"{where}: {name}: expected a value, got none")
    # TCP's and UDP's streams are numbered each from 0.
    return Packet(at_s, f"{ip_protocol} {stream}", source, destination, clipped(protocol), opcode, tuple(extra))
