"""Attempts that something else than authgate measured, and what the file shows of how they were sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.attempt import AttemptTable, Ints
from harness.model.comparison import Design
from harness.stats.arrivals import Arrivals

How = Literal["in turns", "at once", "one after the other"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One arm's logins as they were sent, in order of their start (ns).

    ``row`` is the place of each in the file, of which ``where`` gives file and line; ``epoch_s`` is 1970 on their
    clock, None where that isn't known.
    """

    arrivals: Arrivals
    row: Ints
    where: Callable[[int], str]
    epoch_s: float | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Imported attempts, how they were cut, the pairs that both arms have, and the steps in order of appearance.

    ``how`` the arms were loaded, and each ``sent``, baseline and candidate; ``notices`` are what the reader of a
    verdict should know of the reading.
    """

    table: AttemptTable
    design: Design
    pairs: tuple[int, ...]
    steps: tuple[str, ...]
    how: How
    sent: tuple[Sent, Sent]
    notices: tuple[str, ...] = ()
