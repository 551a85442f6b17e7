"""Journals that are written on one machine and read on another: copied byte by byte while they grow.

1. A worker's journal is a file on its own machine (numbered records with checksums, ``harness.record.journal``). Its
   bytes go to the master in order, each piece with the place in the file at which it begins.
2. The master appends a piece that begins where its copy ends, or before, and says how much it has by now. What is not
   acknowledged within ``AGAIN_AFTER_S`` is sent again from there on: a piece may be lost or come twice.
3. So the copy is at every moment the file's beginning, and who judges reads it as if the worker were here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent

from harness.load import messages

PIECE_BYTES = 1 << 18
UNDER_WAY_AT_MOST = 8 * PIECE_BYTES
"""What is sent and not acknowledged, at most: a master that is slow must not fill the worker's memory."""
AGAIN_AFTER_S = 1.0
LOOK_EVERY_S = 0.1


class Sender:
    """Sends some growing files, by kind; ``tell`` sends a message to the master."""

    def __init__(
        self, files: Mapping[str, Path], tell: Callable[..., None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._files = files
        self._tell = tell
        self._clock = clock
        self._sent = dict.fromkeys(files, 0)
        self._there = dict.fromkeys(files, 0)
        self._heard = dict.fromkeys(files, clock())

    def run(self) -> None:
        """Send until killed."""
        while True:
            self.send()
            gevent.sleep(LOOK_EVERY_S)

    def acknowledged(self, kind: str, size: int) -> None:
        """The master has the first ``size`` bytes."""
        if size > self._there[kind]:
            self._there[kind] = size
            self._sent[kind] = max(self._sent[kind], size)
        self._heard[kind] = self._clock()
        self.send()

    @property
    def whole(self) -> bool:
        """Whether the master has all that there is by now."""
        return all(self._there[kind] >= _size(path) for kind, path in self._files.items())

    def send(self) -> None:
        """Send what is new, and again what was not acknowledged."""
        now = self._clock()
        for kind, path in self._files.items():
            if self._sent[kind] > self._there[kind] and now - self._heard[kind] > AGAIN_AFTER_S:
                self._sent[kind], self._heard[kind] = self._there[kind], now
            size = _size(path)
            while self._sent[kind] < size and self._sent[kind] - self._there[kind] < UNDER_WAY_AT_MOST:
                if self._sent[kind] == self._there[kind]:
                    self._heard[kind] = now
                with path.open("rb") as file:
                    file.seek(self._sent[kind])
                    piece = file.read(PIECE_BYTES)
                self._tell(messages.PIECE, kind=kind, place=self._sent[kind], data=piece)
                self._sent[kind] += len(piece)


class Copy:
    """The master's copy of one worker's files."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def take(self, said: Mapping[str, Any]) -> int:
        """Append what is new of a piece; how many bytes there are now. Raises OSError."""
        path, place, data = self._files[said["kind"]], int(said["place"]), said["data"]
        size = _size(path)
        if place <= size < place + len(data):
            with path.open("ab", buffering=0) as file:
                left = memoryview(data)[size - place :]
                while left:  # a disk that is nearly full takes a part
                    left = left[file.write(left) :]
            size = place + len(data)
        return size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
