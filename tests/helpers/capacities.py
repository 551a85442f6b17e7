"""A simulated search for capacity of a candidate that lost a server of its pool."""

from __future__ import annotations

from collections.abc import Sequence

from harness.gate.capacity import judge_capacity
from harness.model.capacity import CapacityEvidence, Ladder, Rung
from harness.model.target import Arm
from harness.stats.capacity import compare_capacities
from harness.studies.capacity import extrapolations_of
from tests.benchmarks.operating_characteristics.ladders import ALPHA, BUDGET, MARGIN, ladders_of
from tests.benchmarks.operating_characteristics.world import NAMES, Candidate


def capacity_of(
    ladders: Sequence[dict[Arm, Sequence[Rung]]], peak: float | None, trouble: str = ""
) -> CapacityEvidence:
    """The evidence of these ladders, the first of which is the coarse sweep."""
    comparison = compare_capacities(ladders, MARGIN, ALPHA)
    arms: tuple[Arm, ...] = ("baseline", "candidate")
    predicted = {arm: extrapolations_of(ladders, arm, NAMES, comparison, peak, ALPHA) for arm in arms}
    kept = tuple(
        Ladder(f"run-{i}", i == 0, {arm: tuple(of[arm]) for arm in arms}, trouble) for i, of in enumerate(ladders)
    )
    return CapacityEvidence(
        search_id="capacity-test", scenario="rush", policy="default", environment="lab", started="2026-11-23T06:00:00",
        block_s=15.0, trim_s=4.0, budget=BUDGET, stated_peak=peak, ladders=kept, comparison=comparison,
        extrapolations=predicted, verdict=judge_capacity(kept[1:], comparison, predicted, peak),
    )  # fmt: skip


def lost_server() -> CapacityEvidence:
    """A search that ends in BLOCK."""
    return capacity_of([dict(of) for of in ladders_of(Candidate(lost="ldap_bind"), (8, 1))], 50.0)
