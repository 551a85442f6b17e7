"""The changes with their bounds and margins as a figure of characters, for pages that show no pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CELLS = 41
FAR = 3.0
"""In margins: what lies further out is drawn as an arrow, so that one wild metric doesn't flatten the others."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One metric: its name, its relative change, its bounds (None where open), its margin; 0.1 is +10 %."""

    name: str
    change: float
    low: float | None
    high: float | None
    margin: float


def forest_text(intervals: Sequence[Interval]) -> list[str]:
    """A line a metric on one scale: ``├──●──┤`` its bounds, ``¦`` no change, ``┃`` its margin; and the scale below.

    Nothing where there is no metric.
    """
    if not intervals:
        return []
    widest = max(one.margin for one in intervals) * FAR
    ends = [end for one in intervals for end in (one.low, one.high, one.change, 1.3 * one.margin) if end is not None]
    right = min(max(ends), widest)
    left = max(min(0.0, *ends), -widest)
    left = min(left, -0.1 * (right - left))
    names = max(len(one.name) for one in intervals)

    def place(value: float) -> int:
        return round((min(max(value, left), right) - left) / (right - left) * (CELLS - 1))

    lines = [f"{one.name:<{names}}  {''.join(_cells(one, left, right, place(0.0), place))}" for one in intervals]
    zero = place(0.0)
    scale = [" "] * (CELLS + 8)
    for at, text in ((0, _percent(left)), (zero, "0"), (CELLS - 1, _percent(right))):
        start = min(max(at - len(text) // 2, 0), len(scale) - len(text))
        if all(cell == " " for cell in scale[max(start - 1, 0) : start + len(text) + 1]):
            scale[start : start + len(text)] = text
    return [*lines, f"{'':<{names}}  {''.join(scale).rstrip()}"]


def _cells(one: Interval, left: float, right: float, zero: int, place: Callable[[float], int]) -> list[str]:
    cells = [" "] * CELLS
    cells[zero] = "¦"
    cells[place(one.margin)] = "┃"
    low, high = left if one.low is None else one.low, right if one.high is None else one.high
    start, end = place(low), place(high)
    for at in range(start, end + 1):
        cells[at] = "─" if cells[at] == " " else "┼"
    cells[start] = "├" if one.low is not None and low >= left else "◀"
    cells[end] = "┤" if one.high is not None and high <= right else "▶"
    cells[place(one.change)] = "●"
    return cells


def _percent(value: float) -> str:
    return f"{100 * value:+.0f} %".replace("-", "−")
