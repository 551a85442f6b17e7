"""What libkrb5 itself says of its exchanges with KDCs: which server, UDP or TCP, how many bytes, which errors.

libkrb5 writes a trace (KRB5_TRACE, kerberos(7)) for the whole process, hence only for single logins. The trace names
keys by four hexadecimal digits of a hash and holds no secret.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SENDING = re.compile(r"Sending (?:initial |retry )?(UDP|TCP) request to (?:dgram|stream) (\S+)")
_RECEIVED = re.compile(r"Received answer \((\d+) bytes\) from (dgram|stream) (\S+)")
_TOO_BIG = "too big for UDP"
_ERROR = re.compile(r"(UDP|TCP) error (?:receiving|connecting|sending|reading)\S* .*?(\S+:\d+): \d+/(.+)")


@dataclass(frozen=True, slots=True)
class KdcExchange:
    """One request to a KDC: ``answer_bytes`` is None where none came, with ``note`` saying what libkrb5 said of it."""

    server: str
    transport: Literal["UDP", "TCP"]
    answer_bytes: int | None
    note: str = ""


class KdcTrace:
    """Follows libkrb5's trace of this process in a file of its own."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "krb5.trace"
        self._path.touch(mode=0o600)
        self._offset = 0
        os.environ["KRB5_TRACE"] = str(self._path)

    def new_exchanges(self) -> tuple[KdcExchange, ...]:
        """The exchanges since the last call, in order."""
        with self._path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._offset)
            lines = file.read().splitlines()
            self._offset = file.tell()
        return parse_trace(lines)


def parse_trace(lines: list[str]) -> tuple[KdcExchange, ...]:
    """The KDC exchanges that a trace's lines tell of."""
    found: list[KdcExchange] = []
    for line in lines:
        if match := _SENDING.search(line):
            found.append(KdcExchange(match[2], "UDP" if match[1] == "UDP" else "TCP", None))
        elif match := _RECEIVED.search(line):
            transport: Literal["UDP", "TCP"] = "UDP" if match[2] == "dgram" else "TCP"
            for index in reversed(range(len(found))):
                sent = found[index]
                if sent.server == match[3] and sent.transport == transport and sent.answer_bytes is None:
                    found[index] = KdcExchange(sent.server, transport, int(match[1]), sent.note)
                    break
        elif _TOO_BIG in line and found:
            found[-1] = _noted(found[-1], "answer too big for UDP")
        elif match := _ERROR.search(line):
            for index in reversed(range(len(found))):
                if found[index].server == match[2] and found[index].transport == match[1]:
                    found[index] = _noted(found[index], match[3])
                    break
    return tuple(found)


def _noted(exchange: KdcExchange, note: str) -> KdcExchange:
    return KdcExchange(exchange.server, exchange.transport, exchange.answer_bytes, note)
