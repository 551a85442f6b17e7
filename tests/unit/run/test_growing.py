"""Looks at a run while it goes on: each sees what the whole sees, and holds a few pairs' logins alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from harness.model.plan import make_plan
from harness.model.scenario import Scenario
from harness.record.folder import RunFolder
from harness.record.schema import ATTEMPTS
from harness.run.assess import Assessor, Ending
from harness.run.audit import AttemptAudit
from harness.run.growing import Growing
from tests.helpers.stored import POLICY, SCENARIO, stored_run

pytestmark = pytest.mark.slow

PAIRS = 24
LONG = SCENARIO.model_copy(update={"blocks": SCENARIO.blocks.model_copy(update={"pairs": PAIRS})})
WITH_HEADROOM = Scenario.model_validate({**LONG.model_dump(), "headroom": {"factor": 1.5, "every": 3}})
IN_TURNS = Scenario.model_validate(
    {**LONG.model_dump(), "blocks": {"length_s": 1, "trim_s": 0.2, "pairs": PAIRS, "per_pair": 3}}
)
IN_GROUPS = Scenario.model_validate({**LONG.model_dump(), "arrivals": {"curve": "constant", "rate": 12}})
RARE = POLICY.model_copy(
    update={
        "margins": POLICY.margins.model_copy(
            update={"login": POLICY.margins.login.model_copy(update={"p95": POLICY.margins.login.p50})}
        )
    }
)
"""It judges a quantile that several pairs together hold."""


def batches_of(folder: RunFolder) -> list[Any]:
    """The attempts as they ended, a few at a time."""
    return folder.attempts().sort_by("ended").combine_chunks().to_batches(max_chunksize=37)


@pytest.mark.parametrize(
    "scenario", [LONG, WITH_HEADROOM, IN_TURNS, IN_GROUPS], ids=["plain", "headroom", "turns", "groups"]
)
@pytest.mark.parametrize("workers", [1, 3])
def test_each_look_sees_what_the_whole_run_so_far_shows(scenario: Scenario, workers: int, tmp_path: Path) -> None:
    folder = stored_run(tmp_path, scenario, RARE, slower=1.2, marks={"workers": workers})
    plan, health = make_plan(scenario), folder.health()
    assessor = Assessor(scenario, RARE, plan, workers=workers)
    growing = Growing(assessor, AttemptAudit(scenario, plan), plan)
    so_far: list[Any] = []
    seen = 0
    for batch in batches_of(folder):
        growing.add(batch)
        so_far.append(batch)
        table = pa.Table.from_batches(so_far, ATTEMPTS)
        if len(assessor.complete_pairs(table)) == seen:
            continue
        seen = len(assessor.complete_pairs(table))
        at_once = assessor.assess(table, health, Ending(complete=False))
        found = assessor.concluded(growing.look(), health, Ending(complete=False))
        assert found.gathered.judged == seen
        assert found.verdict.kind == at_once.verdict.kind
        one, other = found.comparison, at_once.comparison
        assert [shift.metric for shift in one.shifts] == [shift.metric for shift in other.shifts]
        for shift, whole in zip(one.shifts, other.shifts, strict=True):
            np.testing.assert_allclose(shift.differences, whole.differences, rtol=1e-9, atol=1e-15)
            assert (shift.low, shift.high) == pytest.approx((whole.low, whole.high))
        assert (one.leak is None) == (other.leak is None)
        for arm, state in found.health.items():
            expected = at_once.health[arm]
            for name in ("started", "denied", "failed", "seat_waits", "tried", "planned", "delays"):
                assert getattr(state, name) == getattr(expected, name), name
            assert state.send_lag_p99_ms == pytest.approx(expected.send_lag_p99_ms, rel=2e-3)
    assert seen == PAIRS and growing.faults == ()


def test_logins_of_pairs_that_are_measured_are_let_go(tmp_path: Path) -> None:
    """Where a pair holds enough logins for every quantile; else groups of pairs, 60 at most, are kept until whole."""
    pairs = 10
    scenario = Scenario.model_validate(
        {
            **LONG.model_dump(),
            "population": {"users": 50, "cold_share": 1.0},
            "arrivals": {"curve": "constant", "rate": 150},
            "blocks": {**LONG.blocks.model_dump(), "pairs": pairs},
        }
    )
    folder, plan = stored_run(tmp_path, scenario), make_plan(scenario)
    assessor = Assessor(scenario, POLICY, plan)
    growing = Growing(assessor, AttemptAudit(scenario, plan), plan)
    attempts = folder.attempts()
    for pair in range(pairs):
        for batch in attempts.filter(pc.equal(attempts["pair"], pair)).to_batches():
            growing.add(batch)
        assert growing.look().judged == pair + 1
        assert growing.held == 0 if pair > POLICY.discard_pairs + 1 else growing.held > 0


def test_what_can_not_have_happened_is_told_once_and_counted_by_no_look(tmp_path: Path) -> None:
    folder = stored_run(tmp_path, LONG)
    plan = make_plan(LONG)
    growing = Growing(Assessor(LONG, POLICY, plan), AttemptAudit(LONG, plan), plan)
    whole = folder.attempts().sort_by("ended")
    first = pc.less(whole["pair"], 12)
    early, late = whole.filter(first), whole.filter(pc.invert(first))
    for batch in (*early.to_batches(), *early.slice(0, 3).to_batches(), *early.slice(len(early) - 2).to_batches()):
        growing.add(batch)
    assert growing.look().judged == 12
    assert growing.look().judged == 12
    for batch in (*early.slice(5, 1).to_batches(), *late.to_batches()):
        growing.add(batch)
    assert growing.look().judged == PAIRS
    rows = len(whole) + 6
    assert growing.faults == (
        f"5 of {rows:,} recorded logins are there twice",
        f"1 of {rows:,} recorded logins are none of the plan's",
    )
