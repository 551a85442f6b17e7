"""Answers that no login waits for any more: a KDC may deny an account after its step's deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator

from harness.login.codes import is_denial
from harness.login.kerberos.kdcs import LISTENED_FOR_S, KdcCarrier


class Unheard:
    """AS exchanges that ended at their deadline, listened to for a while longer, since the next attempt may lock."""

    def __init__(self) -> None:
        self._carriers: list[tuple[str, KdcCarrier, float]] = []

    def add(self, user: str, carrier: KdcCarrier) -> None:
        """Go on listening to what was sent for this user."""
        self._carriers.append((user, carrier, time.monotonic() + LISTENED_FOR_S))

    def denied(self) -> Iterator[str]:
        """The users that have been denied since this was last asked; it waits for nothing."""
        listening, self._carriers = self._carriers, []
        for user, carrier, until in listening:
            code = carrier.late_denial()
            if code is not None and is_denial(code):
                yield user
            elif carrier.unheard and time.monotonic() < until:
                self._carriers.append((user, carrier, until))
            else:
                carrier.forget()
