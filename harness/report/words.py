"""How reports put things: the quantities of harness.gate.words, bounds of them, and text that can do no harm."""

from __future__ import annotations

import math
import unicodedata

from harness.gate.words import ABSENT, added, change, level, of_cohort, part_of, points, seconds, share

__all__ = ["ABSENT", "added", "bounds", "change", "level", "milliseconds", "of_cohort", "part_of", "points",
           "printable", "seconds", "share"]  # fmt: skip


def printable(text: str) -> str:
    """The text without control, format and unpaired surrogate characters, which could forge a terminal or break XML."""
    return "".join("\ufffd" if unicodedata.category(c).startswith("C") and c not in "\n\t" else c for c in text)


def milliseconds(value: float | None) -> str:
    """A time that is kept in ms."""
    return seconds(None if value is None else value / 1e3)


def bounds(low: float | None, high: float | None, unit: str, baseline: float | None = None) -> str:
    """Both bounds of a change, infinite where None; the unit is said once where both have it in common."""
    low_text = change(-math.inf if low is None else low, unit, baseline)
    high_text = change(math.inf if high is None else high, unit, baseline)
    if low_text == high_text:
        return low_text
    number, _, low_suffix = low_text.partition(" ")
    _, _, high_suffix = high_text.partition(" ")
    return f"{number if low_suffix == high_suffix else low_text}…{high_text}"
