"""A length of time as a person writes it."""

from __future__ import annotations

import re

_UNITS = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,7})s?)?", re.ASCII)


def seconds_of(text: str) -> int | None:
    """The seconds of ``90``, ``90s``, ``3m`` or ``1h20m``; None of any other text. Spaces don't count."""
    found = _UNITS.fullmatch(text.replace(" ", "").lower())
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds
