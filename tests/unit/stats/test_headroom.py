"""The stage above the expected peak: compared apart, judged by margins of its own, and needed for a PASS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.gate.judge import judge
from harness.model.attempt import STATUSES, AttemptTable
from harness.model.comparison import Comparison, QuantileShift
from harness.model.metric import Metric
from harness.model.policy import HeadroomMargins, Margins, Policy
from harness.model.verdict import Kind
from harness.stats.compare import compare, compare_pieces
from harness.stats.shift import FAMILY_SHARES, boundings
from tests.helpers.synthetic import DESIGN, ENDED, HEALTH, POLICY, World, table_of

EVERY = 4
TESTED = replace(DESIGN, horizon_pairs=80, block_s=15.0, headroom_every=EVERY)
EQUAL = World(pairs=80, noise=0.02)
ABOVE = Metric("cold", "login", "p95", "headroom")
AT_PEAK = Metric("cold", "login", "p95")


def slower_above(factor: float, world: World = EQUAL) -> AttemptTable:
    """A run whose candidate is slower by so much in the pairs above the peak alone."""
    table = table_of(world, TESTED)
    struck = (table.arm == 1) & (table.pair % EVERY == EVERY - 1)
    return replace(table, response_s=np.where(struck, factor, 1.0) * table.response_s)


def slower_while(from_s: float, to_s: float) -> AttemptTable:
    """A run whose candidate takes twice as long for logins due so long after the beginning of any block."""
    table = table_of(EQUAL, TESTED)
    struck = (table.arm == 1) & (table.offset_s >= from_s) & (table.offset_s < to_s)
    return replace(table, response_s=np.where(struck, 2.0, 1.0) * table.response_s)


def shift(comparison: Comparison, metric: Metric) -> QuantileShift:
    return next(s for s in comparison.shifts if s.metric == metric)


def test_pairs_above_the_peak_are_compared_apart() -> None:
    comparison = compare(slower_above(2.0), TESTED, POLICY, range(80))
    assert np.expm1(shift(comparison, ABOVE).estimate) == pytest.approx(1.0, abs=0.05)
    assert np.expm1(shift(comparison, AT_PEAK).estimate) == pytest.approx(0.0, abs=0.05)
    assert (shift(comparison, ABOVE).pairs, shift(comparison, AT_PEAK).pairs) == (20, 59)
    assert (comparison.pairs, comparison.seen) == (59, 80)
    above = {s.metric for s in comparison.shifts if s.metric.stage == "headroom"}
    assert above == {ABOVE, Metric("all", "login", "failure_rate", "headroom")}


def test_a_loss_that_shows_only_above_the_peak_blocks_and_is_said_to_be_there() -> None:
    found = judge(compare(slower_above(3.0), TESTED, POLICY, range(80)), HEALTH, ENDED, POLICY)
    assert found.kind is Kind.BLOCK
    assert found.sentence.count("at loads above the expected peak") == 1


def test_failures_above_the_peak_have_a_margin_of_their_own() -> None:
    table = table_of(EQUAL, TESTED)
    rng = np.random.default_rng(1)
    struck = (table.arm == 1) & (table.pair % EVERY == EVERY - 1) & (rng.uniform(size=len(table)) < 0.04)
    failing = replace(table, status=np.where(struck, STATUSES.index("error"), table.status).astype(np.int8))
    found = judge(compare(failing, TESTED, POLICY, range(80)), HEALTH, ENDED, POLICY)
    assert Metric("all", "login", "failure_rate", "headroom") in [
        f.subject for f in found.findings if f.decision == "block"
    ]
    unasked = Policy(margins=Margins(headroom=HeadroomMargins(p95=None, failure_rate=None)))
    assert judge(compare(failing, TESTED, unasked, range(80)), HEALTH, ENDED, unasked).kind is not Kind.BLOCK


def test_above_the_peak_the_second_half_of_a_block_is_judged_once_a_queue_has_had_time_to_grow() -> None:
    early = compare(slower_while(0, 7.5), TESTED, POLICY, range(80))
    late = compare(slower_while(7.5, 15), TESTED, POLICY, range(80))
    assert np.expm1(shift(early, ABOVE).estimate) == pytest.approx(0.0, abs=0.05)
    assert np.expm1(shift(late, ABOVE).estimate) == pytest.approx(1.0, abs=0.05)
    assert np.expm1(shift(early, AT_PEAK).estimate) > 0.5
    assert replace(TESTED, trim_s=9.0).trim("headroom") == 9.0, "a longer trim is kept"


def test_an_equal_candidate_passes_and_without_the_stage_it_is_said_that_capacity_was_not_tested() -> None:
    tested = judge(compare(table_of(EQUAL, TESTED), TESTED, POLICY, range(80)), HEALTH, ENDED, POLICY)
    plain = replace(TESTED, headroom_every=None)
    untested = judge(compare(table_of(EQUAL, plain), plain, POLICY, range(80)), HEALTH, ENDED, POLICY)
    assert tested.kind is untested.kind is Kind.PASS
    said = "Capacity above the expected peak was not tested"
    assert any(said in notice for notice in untested.notices)
    assert not any(said in notice for notice in tested.notices)


def test_a_stage_that_the_policy_does_not_judge_keeps_nothing_from_a_pass_and_is_said_to_be_untested() -> None:
    unasked = Policy(margins=Margins(headroom=HeadroomMargins(p95=None, failure_rate=None)))
    found = judge(compare(table_of(EQUAL, TESTED), TESTED, unasked, range(80)), HEALTH, ENDED, unasked)
    assert found.kind is Kind.PASS
    assert any("Capacity above the expected peak was not tested" in notice for notice in found.notices)


def test_nothing_passes_where_too_few_logins_come_above_the_peak_to_be_judged() -> None:
    alone = Policy(margins=Margins(headroom=HeadroomMargins(failure_rate=None)))
    few = World(pairs=80, noise=0.02, rate=1.0)
    found = judge(compare(table_of(few, TESTED), TESTED, alone, range(80)), HEALTH, ENDED, alone)
    assert [f.decision for f in found.findings if f.stage == "headroom"] == ["not judged"]
    assert "nothing above the expected peak could be judged yet" in found.reasons


def test_a_quantile_above_the_peak_needs_as_many_groups_there_as_any_other() -> None:
    scarce = World(pairs=80, noise=0.02, rate=2.0)
    found = compare(table_of(scarce, TESTED), TESTED, POLICY, range(80))
    (reason,) = [item.reason for item in found.not_judged if item.metric == ABOVE]
    assert "pairs above the peak" in reason


def test_nothing_passes_before_a_pair_above_the_peak_was_compared() -> None:
    rare = replace(TESTED, headroom_every=70)
    found = judge(compare(table_of(EQUAL, rare), rare, POLICY, range(60)), HEALTH, ENDED, POLICY)
    assert found.kind is Kind.INCONCLUSIVE
    assert "nothing above the expected peak could be judged yet" in found.reasons


def test_what_would_decide_it_counts_pairs_of_the_run() -> None:
    comparison = compare(slower_above(1.4, World(pairs=80, noise=0.2)), TESTED, POLICY, range(80))
    found = judge(comparison, HEALTH, ENDED, POLICY)
    (reason,) = (r for r in found.reasons if r.startswith(f"{ABOVE.label}: "))
    more = int(reason.split("about ")[1].split()[0])
    assert more % EVERY == 0


def test_looks_are_counted_in_pairs_of_the_stage_and_the_shares_of_error_add_up() -> None:
    comparison = compare(table_of(EQUAL, TESTED), TESTED, POLICY, range(80))
    by_metric = dict(
        zip((s.metric for s in comparison.shifts), boundings(comparison.shifts, TESTED, POLICY), strict=True)
    )
    assert (by_metric[ABOVE].horizon, by_metric[AT_PEAK].horizon) == (20, 59)
    assert by_metric[ABOVE].pass_from < by_metric[AT_PEAK].pass_from <= 20
    assert sum(bounding.block_alpha for bounding in by_metric.values()) == pytest.approx(POLICY.alpha)
    assert sum(FAMILY_SHARES.values()) == pytest.approx(1)


@pytest.mark.parametrize("cut", [1, 20, 61])
def test_a_run_compared_in_pieces_is_compared_as_a_whole(cut: int) -> None:
    table = slower_above(1.2, World(pairs=80, rate=60, noise=0.05, cold_share=0.7))
    pieces = [(table, range(cut)), (table, range(cut, 80))]
    whole, pieced = compare(table, TESTED, POLICY, range(80)), compare_pieces(pieces, TESTED, POLICY)
    single = {s.metric for s in whole.shifts if s.grouped == 1}
    assert {(s.metric, s.low, s.high) for s in pieced.shifts if s.grouped == 1} == {
        (s.metric, s.low, s.high) for s in whole.shifts if s.metric in single
    }
    assert (pieced.seen, pieced.pairs, pieced.leak) == (whole.seen, whole.pairs, whole.leak)
    assert pieced.attribution == pytest.approx(whole.attribution) or pieced.attribution == whole.attribution


def test_a_quantile_of_groups_is_the_same_in_pieces_of_sixty_pairs() -> None:
    world = World(pairs=121, rate=12, noise=0.05)
    design = replace(DESIGN, horizon_pairs=121)
    table = table_of(world, design)
    pieces = [(table, range(61)), (table, range(61, 121))]
    whole, pieced = compare(table, design, POLICY, range(121)), compare_pieces(pieces, design, POLICY)
    p99 = Metric("cold", "login", "p99")
    assert shift(whole, p99).grouped == 3
    assert (shift(pieced, p99).low, shift(pieced, p99).pairs) == (shift(whole, p99).low, 40)
