"""What libkrb5 itself says of its exchanges with KDCs: which server, UDP or TCP, how many bytes, which errors.

libkrb5 writes a trace (KRB5_TRACE, kerberos(7)) for every context that begins while the variable is set, hence only for
single logins. The trace names keys by four hexadecimal digits of a hash; but an encrypted time stamp stands in it, at
which a weak password could be guessed, so the file is its owner's alone and goes with the trace.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import krb5

from harness.login.codes import kerberos_outcome
from harness.model.protocol import KdcExchange, Transport

_SENDING = re.compile(r"Sending (?:initial |retry )?(UDP|TCP) request to (?:dgram|stream) (\S+)")
_RECEIVED = re.compile(r"Received answer \((\d+) bytes\) from (dgram|stream) (\S+)")
_TOO_BIG = "too big for UDP"
_ERROR = re.compile(r"(UDP|TCP) error (?:receiving|connecting|sending|reading)\S* .*?(\S+:\d+): \d+/(.+)")
_KDC_ERROR = re.compile(r"Received error from KDC: (-?\d+)/")
_KEY = re.compile(r"Selected etype info: etype ([^\s,]+)")


class KdcTrace:
    """Follows libkrb5's trace of this process in a file of its own, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "krb5.trace"
        self._path.touch(mode=0o600)
        self._offset = 0
        os.environ["KRB5_TRACE"] = str(self._path)

    def __enter__(self) -> KdcTrace:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Trace no context that begins from now on, and delete what was traced."""
        os.environ.pop("KRB5_TRACE", None)
        self._path.unlink(missing_ok=True)

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
            transport: Transport = "UDP" if match[2] == "dgram" else "TCP"
            for index in reversed(range(len(found))):
                sent = found[index]
                if sent.server == match[3] and sent.transport == transport and sent.answer_bytes is None:
                    found[index] = replace(sent, answer_bytes=int(match[1]))
                    break
        elif (match := _KDC_ERROR.search(line)) and found:
            found[-1] = replace(found[-1], error=kerberos_outcome(int(match[1])).code)
        elif _TOO_BIG in line and found:
            found[-1] = replace(found[-1], note="answer too big for UDP")
        elif (match := _KEY.search(line)) and found:
            found[-1] = replace(found[-1], key_enctype=_long_name(match[1]))
        elif match := _ERROR.search(line):
            for index in reversed(range(len(found))):
                if found[index].server == match[2] and found[index].transport == match[1]:
                    found[index] = replace(found[index], note=match[3])
                    break
    return tuple(found)


@functools.cache
def _long_name(enctype: str) -> str:
    """A trace's name of an encryption type as everything else has it: aes256-cts is aes256-cts-hmac-sha1-96."""
    bare = enctype.removeprefix("DEPRECATED:")
    try:
        return krb5.enctype_to_name(krb5.string_to_enctype(krb5.init_context(), bare))
    except krb5.Krb5Error:
        return bare
