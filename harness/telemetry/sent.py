"""How far an export of telemetry came."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Sent:
    """Logins that were counted and spans that were made, and how many of them the collector has taken."""

    logins: int = 0
    logins_sent: int = 0
    spans: int = 0
    spans_sent: int = 0
    why: str = ""
    """What the first export said that failed and was not made good since."""

    @property
    def whole(self) -> bool:
        """Whether the collector has all of it."""
        return (self.logins, self.spans) == (self.logins_sent, self.spans_sent)

    @property
    def told(self) -> str:
        """In a sentence."""
        said = (
            f"{self.logins_sent:,} of {self.logins:,} logins and {self.spans_sent:,} of {self.spans:,} spans were sent"
        )
        return said if self.whole or not self.why else f"{said}: {self.why}"
