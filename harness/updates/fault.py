"""What an update can do to a login path, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Leak:
    """A wait at each new connection that grows by ``grows_s`` seconds every minute from the first connection on.

    Raises ValueError unless it is positive.
    """

    grows_s: float

    def __post_init__(self) -> None:
        if not self.grows_s > 0:
            raise ValueError(f"expected grows_s above 0, got {self.grows_s:g}")


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait of ``hold_s`` seconds at each new connection, spent by one of ``workers`` pooled workers.

    Connections that find no worker free queue in order of arrival, so the directory serves at most
    ``workers / hold_s`` of them a second. Raises ValueError unless both are positive.
    """

    hold_s: float
    workers: int

    def __post_init__(self) -> None:
        if not self.hold_s > 0 or self.workers < 1:
            raise ValueError(f"expected hold_s above 0 and one worker or more, got {self.hold_s:g} and {self.workers}")
