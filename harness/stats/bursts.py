"""How few pairs hold most of a difference, by numpy alone: every command that tells figures imports it."""

from __future__ import annotations

import numpy as np

from harness.model.attempt import Floats


def holding(differences: Floats, part: float) -> tuple[int, int]:
    """The fewest differences that hold so large a part of all, by their size; and how many of these are negative."""
    largest = np.argsort(-np.abs(differences), kind="stable")
    held = np.cumsum(np.abs(differences[largest]))
    few = int(np.searchsorted(held, part * held[-1] * (1 - 1e-12))) + 1 if len(held) and held[-1] > 0 else 0
    return few, int(np.count_nonzero(differences[largest[:few]] < 0))
