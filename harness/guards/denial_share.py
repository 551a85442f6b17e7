"""When load must stop since too many of its logins are denied: one rule for every way in.

Wrong passwords in a file of accounts deny a share of them, each once (an account that was denied is not sent again).
A run that goes on in spite of that would bring every one of them nearer to being locked.
"""

from __future__ import annotations

from dataclasses import dataclass

DENIALS_AT_LEAST = 5
"""Fewer denials than this don't stop a run, whatever their share."""


@dataclass(frozen=True, slots=True)
class DenialCount:
    """How many of the logins that have ended were denied, on all workers of an arm or of a run together."""

    denied: int = 0
    ended: int = 0

    def __add__(self, other: DenialCount) -> DenialCount:
        return DenialCount(self.denied + other.denied, self.ended + other.ended)

    def reason_to_stop(self, allowed_share: float) -> str:
        """Why load must stop, in words; empty while it may go on. ``allowed_share`` is policy.limits.denied_share."""
        if self.denied < DENIALS_AT_LEAST or self.denied <= allowed_share * self.ended:
            return ""
        return f"{self.denied} of {self.ended} logins were denied; stopped so that no account is locked"
