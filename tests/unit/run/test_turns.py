"""Runs whose pairs hold several blocks of each arm: one value a pair, whatever is told, shown and compared of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.model.evidence import Evidence
from harness.model.plan import NS, make_plan
from harness.model.scenario import Scenario
from harness.model.target import ARMS
from harness.model.verdict import Kind
from harness.report import series
from harness.report.html import page
from harness.report.language import SWEDISH
from harness.run.evidence import evidence_of
from harness.run.two_runs import evidence_of_two
from tests.helpers.stored import POLICY, SCENARIO, stored_run

pytestmark = pytest.mark.slow

PAIRS = 8
TURNS = Scenario.model_validate(
    {
        **SCENARIO.model_dump(),
        "blocks": {"length_s": 1, "trim_s": 0.2, "pairs": PAIRS, "per_pair": 3},
        "headroom": {"factor": 2.0, "every": 4},
    }
)


@pytest.fixture(scope="module")
def equal(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence_of(stored_run(tmp_path_factory.mktemp("results"), TURNS))


def test_a_pair_is_one_difference_of_all_its_blocks(equal: Evidence) -> None:
    assert equal.verdict.kind is Kind.INCONCLUSIVE, "so few logins above the peak show nothing of failures"
    assert equal.comparison is not None
    assert (equal.comparison.seen, equal.comparison.pairs) == (PAIRS, 5)  # one is discarded, two are above the peak
    assert equal.comparison.load_s == equal.verdict.load_s == PAIRS * 6
    assert {len(shift.differences) for shift in equal.comparison.shifts if shift.metric.stage == "expected"} == {5}


def test_what_the_generator_did_is_known_of_each_pair(equal: Evidence) -> None:
    plan = make_plan(TURNS)
    for arm in ARMS:
        planned = [sum(len(block.arrivals) for block in plan.of(arm) if block.pair == pair) for pair in range(PAIRS)]
        assert equal.health[arm].planned == equal.health[arm].started == sum(planned)
        assert {len(values) for delay in equal.health[arm].delays for values in delay.by_pair.values()} == {PAIRS}
        assert {delay.resource for delay in equal.health[arm].delays} >= {"sending logins late"}


def test_the_logins_of_a_block_above_the_peak_are_trimmed_once_and_others_once_a_block(equal: Evidence) -> None:
    counted = sum(len(series.login_seconds(equal, "baseline", cohort)) for cohort in ("cold", "warm"))
    blocks = [block for block in make_plan(TURNS).of("baseline") if block.pair]
    trims_s = {1: 0.2, 3: 1.5}  # by the block's length; one above the peak is judged from its half on
    judged = [block.arrivals.offset >= round(trims_s[block.length // NS] * NS) for block in blocks]
    assert counted == sum(int(mine.sum()) for mine in judged)


def test_a_pair_is_drawn_once_an_arm_the_later_arm_behind_the_other(equal: Evidence) -> None:
    plan = make_plan(TURNS)
    for arm in ARMS:
        drawn = series.blocks(equal, arm, "cold")
        leads = [plan.of_pairs(range(pair, pair + 1))[0].arm == arm for pair in range(PAIRS)]
        begins = [6 * pair + (0 if leading else 3) for pair, leading in enumerate(leads)]
        np.testing.assert_allclose(drawn.start_min, np.array(begins) / 60)
    assert equal.design.arm_s == 3


def test_the_page_says_how_the_run_was_cut_in_both_languages(equal: Evidence) -> None:
    assert "blocks of 1 s, 3 of each arm in a pair (above the peak 1 of 3 s), interleaved in pairs, random" in page(
        equal
    )
    assert "block om 1 s, 3 av vardera armen i ett par (över toppen 1 om 3 s), växelvis i par" in page(equal, SWEDISH)


def test_a_run_of_one_arm_counts_its_blocks_and_two_of_them_compare(tmp_path: Path) -> None:
    one, other = (stored_run(tmp_path, TURNS, arms=(arm,), slower=4.0) for arm in ARMS)
    alone = evidence_of(one)
    assert (alone.verdict.pairs_used, alone.verdict.load_s) == (3 * 6 + 2, 3.0 * PAIRS)
    both = evidence_of_two(one, other, POLICY)
    assert both.comparison is not None and both.comparison.seen == PAIRS
