"""Standard output and error that can't stand in the way: what they don't take costs the words and nothing else.

1. A reader that has gone (EPIPE), a full disk (ENOSPC), a closed descriptor (EBADF): what is written is dropped from
   then on, and nobody above hears of it. So a pipe into ``head`` ends neither a run nor its verdict's exit code.
2. A terminal that isn't in UTF-8 gets plain signs for those that it has not.
3. A closed descriptor 0, 1 or 2 is opened on /dev/null, or the next file that is opened would be taken for it.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import IO

PLAIN = {
    "→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": "-", "±": "+/-", "≤": "<=",
    "≥": ">=", "█": "#", "✓": "+", "✔": "+", "✗": "x", "✘": "x", "µ": "u", "“": '"', "”": '"', "‘": "'", "’": "'",
}  # fmt: skip
"""What stands for a sign where the encoding has none for it; ``?`` for any other."""
_HANDLER = "authgate-plain"


class _Raw(io.RawIOBase):
    """A descriptor to which every write succeeds, as far as the writer can tell."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._taken = True

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        try:
            return os.isatty(self._descriptor)
        except OSError:
            return False

    def write(self, data: object, /) -> int:
        left = memoryview(data).cast("B")  # type: ignore[arg-type]
        size = len(left)
        while left and self._taken:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # a descriptor that somebody else has made non-blocking
                select.select([], [self._descriptor], [], 1.0)
            except OSError:
                self._taken = False
        return size


def harmless(descriptor: int, like: IO[str] | None) -> IO[str]:
    """A text stream on a descriptor by which no write fails, in the encoding of ``like``."""
    codecs.register_error(_HANDLER, _plain)
    encoding = getattr(like, "encoding", None) or "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(_Raw(descriptor)), encoding, errors=_HANDLER, line_buffering=True)


def protect_output() -> None:
    """Put harmless streams in the place of standard output and error, for the rest of this process."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, which is this one
    sys.stdout = harmless(1, sys.stdout)
    sys.stderr = harmless(2, sys.stderr)


def takes_words(stream: IO[str]) -> bool:
    """Whether a stream could take a line at once: a stopped terminal, or a pipe that nobody empties, can't."""
    try:
        _, ready, _ = select.select([], [stream.fileno()], [], 0)
    except (OSError, ValueError):  # it is no file, or gone: then nothing waits
        return True
    return bool(ready)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in text), error.end
