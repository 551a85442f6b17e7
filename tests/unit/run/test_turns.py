"""Runs whose pairs hold several blocks of each arm: one value a pair, whatever is told, shown and compared of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.config import shipped
from harness.config.load import load_scenario
from harness.model.attempt import AttemptTable
from harness.model.evidence import Evidence
from harness.model.metric import Metric
from harness.model.plan import NS, make_plan
from harness.model.policy import Policy
from harness.model.scenario import Scenario
from harness.model.target import ARMS
from harness.model.verdict import Kind
from harness.report import plates, series
from harness.report.html import page
from harness.report.language import SWEDISH
from harness.run.assess import design_of
from harness.run.evidence import evidence_of
from harness.run.two_runs import evidence_of_two
from harness.stats.compare import compare
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


def test_what_the_page_leaves_out_is_said_of_both_stages_in_both_languages(equal: Evidence) -> None:
    assert (
        plates.left_out(equal) == "the first pair of blocks, and the first 0.2 s of each block (above the peak 1.5 s)"
    )
    told = SWEDISH.sentence(plates.left_out(equal))
    assert told == "det första blockparet, och de första 0,2 s av varje block (över toppen 1,5 s)"


def test_morning_rush_judges_every_quantile_of_logins_but_the_p99_of_the_few_warm_ones() -> None:
    """So many logins must its pairs hold, at the expected load and above it."""
    scenario = load_scenario(shipped.find("morning-rush", shipped.SCENARIOS))
    plan = make_plan(scenario)
    lengths = [len(block.arrivals) for block in plan.blocks]

    def of_blocks(values: list[float]) -> np.ndarray:
        return np.repeat(values, lengths)

    offset_s = np.concatenate([block.arrivals.offset for block in plan.blocks]) / NS
    taken_s = np.random.default_rng(1).lognormal(-2, 0.3, sum(lengths))
    table = AttemptTable(
        arm=of_blocks([ARMS.index(block.arm) for block in plan.blocks]).astype(np.int8),
        block=of_blocks([block.index for block in plan.blocks]),
        pair=of_blocks([block.pair for block in plan.blocks]),
        offset_s=offset_s,
        intended_s=offset_s + of_blocks([block.start / NS for block in plan.blocks]),
        cohort=np.concatenate([block.arrivals.cohort for block in plan.blocks]),
        status=np.zeros(sum(lengths), dtype=np.int8),
        response_s=taken_s,
        service_s=taken_s,
        steps={},
        cohorts=tuple(scenario.mix),
    )
    found = compare(table, design_of(scenario), Policy(), range(scenario.blocks.pairs))
    assert [missed.metric for missed in found.not_judged] == [Metric("warm", "login", "p99")]
    assert {s.metric for s in found.shifts} >= {Metric(cohort, "login", "p95", "headroom") for cohort in scenario.mix}


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
