"""A run that goes on is judged with what came before it, and spends no error twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.model.scenario import Blocks, Headroom
from harness.model.verdict import Kind
from harness.record.folder import RunFolder
from harness.run.assess import Assessor
from harness.run.continued import MARK, Continuation, Together, continuing
from harness.run.evidence import evidence_of
from harness.run.stored import read_run
from harness.stats.bounds import critical_value
from harness.stats.serial import widening
from tests.helpers.stored import POLICY, SCENARIO, stored_run

pytestmark = pytest.mark.slow

PLANNED = 24
PLAN = SCENARIO.model_copy(update={"blocks": Blocks(length_s=3, trim_s=0.5, pairs=PLANNED)})
ABOVE = PLAN.model_copy(update={"headroom": Headroom(factor=1.5, every=3)})
MARGIN = 1.6
"""Of the median first login, about: so slow it can be told neither from within the margin nor from beyond it."""


def gone_on(folder: RunFolder, slower: float = MARGIN, pairs: int | None = None) -> RunFolder:
    """The run that continues another, as a gate leaves it."""
    scenario, found = continuing(folder, None)
    return stored_run(
        folder.path.parent, scenario, folder.policy(), slower=slower, pairs=pairs, marks={MARK: found.mark}, seed=9
    )


def test_a_run_that_ended_early_goes_on_with_the_looks_that_its_plan_had_left(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=MARGIN, pairs=8)
    scenario, found = continuing(first, None)
    assert found == Continuation((first.run_id,), 8, PLANNED, PLANNED, 0, 1.0)
    assert scenario.blocks.pairs == PLANNED - 8
    assert scenario.seed != PLAN.seed
    comparison = evidence_of(gone_on(first)).comparison
    assert comparison is not None
    assert comparison.pairs == PLANNED - 2  # each run's first pair is discarded
    shift = next(s for s in comparison.shifts if s.metric.step == "login" and s.metric.cohort == "cold")
    down = (shift.estimate - shift.low) / shift.se
    alone = evidence_of(stored_run(tmp_path, PLAN, slower=MARGIN)).comparison
    assert alone is not None
    same = next(s for s in alone.shifts if s.metric == shift.metric)
    assert down >= (same.estimate - same.low) / same.se  # one pair fewer of the same plan: no sharper


def test_a_run_that_spent_its_plan_goes_on_at_a_quarter_of_the_error(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=MARGIN)
    _, found = continuing(first, None)
    assert found == Continuation((first.run_id,), PLANNED, PLANNED, 2 * PLANNED, PLANNED, 0.25)
    second = gone_on(first)
    evidence = evidence_of(second)
    assert evidence.comparison is not None
    assert evidence.comparison.pairs == 2 * PLANNED - 2
    assert any("at most 1.25 times" in notice for notice in evidence.verdict.notices)
    _, again = continuing(second, None)
    assert (again.share, again.offset, again.spent, again.earlier) == (
        0.125, 2 * PLANNED, 2 * PLANNED, (first.run_id, second.run_id)
    )  # fmt: skip


def test_the_bounds_of_an_extension_pay_for_its_own_looks_alone(tmp_path: Path) -> None:
    comparison = evidence_of(gone_on(stored_run(tmp_path, PLAN, slower=MARGIN))).comparison
    assert comparison is not None
    shift = next(s for s in comparison.shifts if s.metric.step == "login" and s.metric.cohort == "cold")
    up = (shift.high - shift.estimate) / shift.se / widening(shift.differences)
    assert up == pytest.approx(critical_value(POLICY.alpha / 4, shift.pairs, PLANNED, 2 * PLANNED - 1), rel=1e-6)


def test_what_was_measured_before_counts(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=1.3, pairs=8)
    slow = evidence_of(gone_on(first, slower=3.5))
    assert slow.verdict.kind is Kind.BLOCK
    (cold,) = (f for f in slow.verdict.findings if f.label == "cold login p50")
    assert 1.5 < 1 + (cold.estimate or 0) < 3.2  # between both


def test_a_pair_above_the_peak_stays_one(tmp_path: Path) -> None:
    first = stored_run(tmp_path, ABOVE, slower=1.0, pairs=7)
    scenario, found = continuing(first, None)
    assert (found.offset, scenario.blocks.pairs) == (9, PLANNED - 9)
    second = gone_on(first, slower=1.0)
    together = Together.of(second)
    assert together is not None
    comparison = evidence_of(second).comparison
    assert comparison is not None
    # Of the first run pairs 1, 3, 4 and 6 at the expected load; of the other 10, 12, 13, 15, 16, 18, 19, 21 and 22.
    assert comparison.pairs == 4 + 9


def test_a_damaged_run_before_it_makes_no_verdict(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=1.0, pairs=8)
    second = gone_on(first, slower=1.0)
    assert evidence_of(second).verdict.kind is Kind.PASS
    (first.path / "attempts.parquet").write_bytes(b"")
    verdict = evidence_of(second).verdict
    assert verdict.kind is Kind.INVALID
    assert first.run_id in verdict.reasons[0]
    with pytest.raises(ConfigError, match="expected a run whose files are whole"):
        continuing(first, None)


def test_a_budget_bounds_what_is_added(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=MARGIN, pairs=8)
    assert continuing(first, 5)[0].blocks.pairs == 5
    assert continuing(first, 5)[1].horizon == PLANNED
    with pytest.raises(ConfigError, match="expected time for more pairs"):
        continuing(first, 2)


def test_the_judge_of_a_continuing_run_sees_enough_as_the_report_does(tmp_path: Path) -> None:
    first = stored_run(tmp_path, PLAN, slower=2.5, pairs=3)
    second = gone_on(first, slower=2.5)
    together = Together.of(second)
    assert together is not None
    run = read_run(second)
    assert together.enough(Assessor(run.scenario, POLICY, run.plan), run.attempts)
    assert evidence_of(second).verdict.kind is Kind.BLOCK
