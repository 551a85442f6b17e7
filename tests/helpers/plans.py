"""Curves of arrivals, and what a planned block does."""

from __future__ import annotations

from harness.model.plan import Block

CONSTANT = {"curve": "constant", "rate": 30}
RAMP = {"curve": "ramp", "rate": 5, "to": 60, "over_s": 200}
FALL = {"curve": "ramp", "rate": 60, "to": 5, "over_s": 200}
BURSTS = {"curve": "bursts", "rate": 10, "factor": 6, "every_s": 7, "length_s": 2}
LULLS = {"curve": "bursts", "rate": 40, "factor": 0.1, "every_s": 7, "length_s": 2}
CURVES = {"constant": CONSTANT, "ramp": RAMP, "fall": FALL, "bursts": BURSTS, "lulls": LULLS}


def replayed(block: Block) -> list[tuple[int, int, str]]:
    """What a block does, from its own start."""
    return [(a.intended - block.start, a.user, a.cohort) for a in block.arrivals]
