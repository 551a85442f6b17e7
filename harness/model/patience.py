"""Clients that give up and come back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.model.base import Configured, NonNegative, Seconds


class Patience(Configured):
    """How long a clinician waits for a login before giving it up, and how often they come back.

    Only a try that isn't done in time is repeated. A denied one never is: accounts would be locked out.
    """

    gives_up_s: Seconds
    """After this time a try is abandoned: its connections are closed, even if servers still work on it."""
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a login is tried at most."""
    again_after_s: NonNegative = 1.0
    """The pause between a try that was given up and the next one."""

    @property
    def longest_s(self) -> float:
        """How long a login may take with all of its tries, in seconds."""
        return self.tries * self.gives_up_s + (self.tries - 1) * self.again_after_s
