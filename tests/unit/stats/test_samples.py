"""From attempts to blocks: what counts, as how much, and when there is too little of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.model.attempt import STATUSES, AttemptTable
from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.model.policy import LoginMargins, Margins, Policy
from harness.model.steps import CACHES
from harness.model.target import Arm
from harness.stats.cells import Grouping
from harness.stats.samples import ALL_LOGINS_P95, Sample, joined, judgeable, measure
from harness.stats.settled import needed_in_block, sizes_of, slow_after_s
from tests.helpers.synthetic import DESIGN, PER_LOGIN, POLICY, logins

EVERY_PAIR = Policy(discard_pairs=0)
P50 = Metric("cold", "login", "p50")


def judged(
    table: AttemptTable, pairs: range = range(3), policy: Policy = EVERY_PAIR
) -> tuple[dict[Metric, Sample], dict[Metric, str]]:
    found = measure(table, DESIGN, policy, sorted(pairs)[policy.discard_pairs :])
    samples, refused = judgeable(found, DESIGN, policy.margins)
    return {sample.metric: sample for sample in samples}, {item.metric: item.reason for item in refused}


def both(baseline: list[float], candidate: list[float], pairs: int = 3) -> Mapping[tuple[int, Arm], list[float]]:
    return {
        (pair, arm): values
        for pair in range(pairs)
        for arm, values in (("baseline", baseline), ("candidate", candidate))
    }  # type: ignore[misc]


def with_status(table: AttemptTable, rows: np.ndarray, status: str) -> AttemptTable:
    codes = np.array(table.status)
    codes[rows] = STATUSES.index(status)  # type: ignore[arg-type]
    steps = {name: replace(columns, status=codes.copy()) for name, columns in table.steps.items()}
    return replace(table, status=codes, steps=steps)


@pytest.mark.parametrize("status", ["error", "denied", "timeout"])
def test_a_failed_login_counts_as_the_time_out(status: str) -> None:
    table = logins(both([0.1] * 10, [0.001] * 10))
    samples, _ = judged(with_status(table, table.arm == 1, status))
    assert samples[P50].values.tolist() == [[0.1, DESIGN.timeout_s]] * 3
    assert samples[Metric("all", "login", "failure_rate")].values.tolist() == [[0.0, 1.0]] * 3
    assert samples[Metric("all", "login", "slow_rate")].values.tolist() == [[0.0, 1.0]] * 3


def test_a_failure_that_took_longer_than_the_time_out_counts_as_long_as_it_took() -> None:
    table = logins(both([0.1] * 10, [12.5] * 10))
    samples, _ = judged(with_status(table, table.arm == 1, "timeout"))
    assert samples[P50].values[:, 1].tolist() == [12.5] * 3


def test_a_failed_login_is_a_slow_one_even_where_slow_means_beyond_the_time_out() -> None:
    table = logins(both([0.1] * 10, [0.001] * 10))
    patient = Policy(discard_pairs=0, slow_after_s=20)
    samples, _ = judged(with_status(table, table.arm == 1, "error"), policy=patient)
    assert samples[Metric("all", "login", "slow_rate")].values.tolist() == [[0.0, 1.0]] * 3


def test_a_login_is_slow_after_a_second_but_not_before_five_usual_logins_of_the_faster_arm() -> None:
    def slow(usual_s: float) -> list[float]:
        samples, _ = judged(logins(both([usual_s] * 9 + [1.4], [2 * usual_s] * 9 + [1.4])))
        return samples[Metric("all", "login", "slow_rate")].values[0].tolist()

    assert slow(0.1) == slow(0.27) == [0.1, 0.1]
    assert slow(0.29) == [0.0, 0.0]
    assert slow_after_s(np.array([2.5]), Policy(), DESIGN.timeout_s).tolist() == [DESIGN.timeout_s / 2]
    assert Policy().slow_times_usual == 5


def test_how_long_slow_is_does_not_change_with_the_pairs_to_come() -> None:
    table = logins(both([0.3] * 10, [0.4] * 10, pairs=5))
    grown = replace(table, response_s=np.where(table.pair >= 3, 0.9, table.response_s))
    for pairs in (3, 5):
        assert measure(grown, DESIGN, EVERY_PAIR, range(pairs)).settled.slow_after_s.tolist() == [5 * 0.3]


def test_a_failed_step_counts_as_the_time_out() -> None:
    table = logins(both([0.1] * 10, [0.001] * 10))
    samples, _ = judged(with_status(table, table.arm == 1, "error"))
    assert samples[Metric("cold", "kdc_as", "p50")].values[:, 1].tolist() == [DESIGN.timeout_s] * 3


def test_a_withheld_login_is_left_out_everywhere() -> None:
    table = logins(both([0.1] * 10, [0.2] * 8 + [9.0] * 4))
    withheld = with_status(table, table.response_s == 9.0, "withheld")
    samples, _ = judged(withheld)
    assert samples[P50].counts.tolist() == [[10, 8]] * 3
    assert samples[P50].values[:, 1].tolist() == [0.2] * 3
    assert samples[Metric("all", "login", "failure_rate")].values.tolist() == [[0.0, 0.0]] * 3
    assert samples[Metric("cold", "kdc_as", "p50")].counts.tolist() == [[10, 8]] * 3


def test_logins_due_in_the_trim_do_not_count() -> None:
    early = logins(both([0.1] * 10, [5.0] * 10), offset_s=DESIGN.trim_s - 0.01)
    assert judged(early) == ({}, {})
    on_the_edge = logins(both([0.1] * 10, [5.0] * 10), offset_s=DESIGN.trim_s)
    assert judged(on_the_edge)[0][P50].counts.tolist() == [[10, 10]] * 3


def test_the_first_pairs_are_discarded_and_unfinished_ones_never_seen() -> None:
    table = logins({(pair, arm): [0.1 * (pair + 1)] * 10 for pair in range(6) for arm in ("baseline", "candidate")})
    samples, _ = judged(table, range(5), Policy(discard_pairs=2))
    assert samples[P50].values[:, 0].tolist() == pytest.approx([0.3, 0.4, 0.5])


def test_a_pair_in_which_one_arm_sent_nothing_of_a_kind_is_left_out_of_that_kind() -> None:
    cells = dict(both([0.1] * 10, [0.2] * 10, pairs=4))
    del cells[2, "candidate"]
    assert judged(logins(cells), range(4))[0][P50].values.shape == (3, 2)


def test_cold_and_warm_logins_are_never_mixed() -> None:
    cold, warm = logins(both([0.1] * 10, [0.1] * 10)), logins(both([0.01] * 10, [0.02] * 10), cohort="warm")
    columns = {name: np.concatenate([getattr(cold, name), getattr(warm, name)]) for name in PER_LOGIN}
    table = AttemptTable(**columns, steps={}, cohorts=CACHES)
    samples, _ = judged(table)
    assert samples[P50].values.tolist() == [[0.1, 0.1]] * 3
    assert samples[Metric("warm", "login", "p50")].values.tolist() == [[0.01, 0.02]] * 3
    assert samples[Metric("all", "login", "failure_rate")].counts.tolist() == [[20, 20]] * 3


def test_a_quantile_with_too_few_logins_beyond_it_is_judged_on_groups_of_pairs() -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    table = logins({(pair, arm): [values[pair]] * 40 for pair in range(7) for arm in ("baseline", "candidate")})
    found = judged(table, range(7))[0][Metric("cold", "login", "p95")]
    assert (found.grouped, found.counts.tolist()) == (2, [[80, 80]] * 3)
    assert found.values[:, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert found.first(5).values.shape == (2, 2)


def test_a_rare_quantile_waits_for_its_first_group() -> None:
    long = replace(DESIGN, horizon_pairs=120)
    found = measure(logins(both([0.1] * 10, [0.1] * 10)), long, EVERY_PAIR, range(3))
    _, refused = judgeable(found, long, EVERY_PAIR.margins)
    reasons = {item.metric: item.reason for item in refused}
    assert reasons[Metric("cold", "login", "p95")] == "the first group of 6 pairs is not complete"


def test_the_size_of_groups_is_set_by_the_first_pairs_and_so_the_same_at_every_look() -> None:
    def sizes(pairs: int) -> int:
        table = logins(
            {(p, arm): [0.1] * (40 if p < 3 else 400) for p in range(9) for arm in ("baseline", "candidate")}
        )
        return measure(table, DESIGN, EVERY_PAIR, range(pairs)).settled.sizes["cold"]["p95"]

    assert [sizes(pairs) for pairs in (3, 5, 9)] == [2, 2, 2]


def test_a_quantile_that_the_whole_run_is_too_short_for_says_what_it_needs() -> None:
    _, refused = judged(logins(both([0.1] * 40, [0.1] * 40, pairs=10)), range(10))
    assert refused[Metric("cold", "login", "p99")] == (
        "too few logins: p99 needs 300, which takes 10 blocks of an arm after trimming, and at least 200 pairs"
    )


def test_a_block_that_randomly_holds_a_few_logins_less_is_judged_as_it_was_before() -> None:
    table = logins({(p, arm): [0.1] * (60 if p < 3 else 52) for p in range(9) for arm in ("baseline", "candidate")})
    assert Metric("cold", "login", "p95") in judged(table, range(9))[0]


def test_a_quantile_that_the_usual_block_does_not_hold_is_not_judged() -> None:
    table = logins({(p, arm): [0.1] * (60 if p < 3 else 40) for p in range(9) for arm in ("baseline", "candidate")})
    _, refused = judged(table, range(9))
    assert refused[Metric("cold", "login", "p95")] == "too few logins: a block holds 40 after trimming, p95 needs 60"
    table = logins({(p, arm): [0.1] * (40 if p < 3 else 20) for p in range(10) for arm in ("baseline", "candidate")})
    _, refused = judged(table, range(10))
    assert "a group of 2 blocks holds 40" in refused[Metric("cold", "login", "p95")]


def test_a_run_measured_in_pieces_is_the_same_run() -> None:
    rng = np.random.default_rng(5)
    cells = {(p, arm): rng.lognormal(size=40).tolist() for p in range(8) for arm in ("baseline", "candidate")}
    table = logins(cells)
    whole = measure(table, DESIGN, EVERY_PAIR, range(8))
    pieces = [measure(table, DESIGN, EVERY_PAIR, range(0, 4))]
    pieces.append(measure(table, DESIGN, EVERY_PAIR, range(4, 8), settled=pieces[0].settled))
    found = joined(pieces)
    assert found.pairs == whole.pairs
    assert found.samples.keys() == whole.samples.keys()
    for metric, sample in whole.samples.items():
        assert np.array_equal(found.samples[metric].values, sample.values), metric
    assert all(np.array_equal(found.spent_s[step], whole.spent_s[step]) for step in whole.spent_s)
    first = whole.first(4)
    assert all(np.array_equal(first.samples[m].values, pieces[0].samples[m].values) for m in first.samples)


def test_the_budget_is_on_cold_and_warm_logins_together() -> None:
    cold, warm = logins(both([0.1] * 60, [0.1] * 60)), logins(both([0.3] * 60, [0.3] * 60), cohort="warm")
    columns = {name: np.concatenate([getattr(cold, name), getattr(warm, name)]) for name in PER_LOGIN}
    found = measure(AttemptTable(**columns, steps={}, cohorts=CACHES), DESIGN, EVERY_PAIR, range(3)).samples
    assert found[ALL_LOGINS_P95].values.tolist() == [[0.3, 0.3]] * 3
    assert found[Metric("cold", "login", "p95")].values.tolist() == [[0.1, 0.1]] * 3


def test_three_logins_beyond_a_quantile_are_enough() -> None:
    assert [needed_in_block(q) for q in (0.50, 0.95, 0.99)] == [6, 60, 300]
    assert Metric("cold", "login", "p95") in judged(logins(both([0.1] * 60, [0.1] * 60)))[0]


@pytest.mark.parametrize(
    ("early", "size"), [([320, 320, 320], 1), ([281, 299, 330], 1), ([285] * 3, 1), ([284] * 3, 2), ([256] * 3, 2)]
)
def test_a_plan_that_holds_a_quantile_does_not_lose_it_to_a_few_pairs_of_fewer_arrivals(
    early: list[int], size: int
) -> None:
    """Of Poisson arrivals with a mean of 320, the median of three pairs is below 300 in one run of twenty."""
    assert sizes_of(np.array([[[held, held] for held in early]]), ["cold"])["cold"]["p99"] == size


def test_a_baseline_at_the_time_out_has_no_room_for_a_slower_candidate() -> None:
    table = logins(both([10.0] * 10, [10.0] * 10))
    _, refused = judged(with_status(table, np.ones(len(table), dtype=bool), "timeout"))
    assert refused[P50] == "the baseline's own p50 is the time-out of 10 s: nothing slower can be seen"


def test_a_metric_without_a_margin_is_left_out_silently() -> None:
    policy = Policy(discard_pairs=0, margins=Margins(login=LoginMargins(p50=None)))
    samples, refused = judged(logins(both([0.1] * 10, [0.1] * 10)), policy=policy)
    assert P50 not in samples
    assert P50 not in refused


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_block_quantiles_are_the_median_unbiased_ones(q: float) -> None:
    rng = np.random.default_rng(3)
    values, cell = rng.lognormal(size=5000), rng.integers(0, 12, 5000)
    (found,) = Grouping.of(cell, (2, 3, 2)).quantiles(values, [q])
    expected = [np.quantile(values[cell == i], q, method="median_unbiased") for i in range(12)]
    assert found.ravel() == pytest.approx(expected)


def test_no_pairs_at_all_give_no_samples() -> None:
    assert judged(logins(both([0.1] * 10, [0.1] * 10)), range(0)) == ({}, {})


def test_rates_without_a_pair_that_both_arms_share_are_not_judged() -> None:
    table = logins({(0, "baseline"): [0.1] * 10, (1, "candidate"): [0.1] * 10})
    _, refused = judged(table, range(2))
    assert set(refused.values()) >= {"no pair holds logins on both arms"}


def test_an_arms_blocks_in_a_pair_are_one_value_and_are_counted_where_they_hold_too_little() -> None:
    design = replace(DESIGN, per_pair=4, headroom_every=4)
    table = logins({(p, arm): [0.1] * 20 for p in range(9) for arm in ("baseline", "candidate")})
    reasons = {
        stage: {item.metric.statistic: item.reason for item in judgeable(found, design, POLICY.margins)[1]}
        for stage in ("expected", "headroom")
        for found in [measure(table, design, EVERY_PAIR, (0, 1, 2), stage)]  # type: ignore[arg-type]
    }
    assert "p95 needs 60, which takes 12 blocks of an arm after trimming" in reasons["expected"]["p95"]
    assert "p95 needs 60, which takes 3 blocks of an arm after trimming" in reasons["headroom"]["p95"]


def test_blocks_are_told_apart_by_pair_and_arm_and_in_order_of_time() -> None:
    """Two blocks of each arm in a pair; the candidate's second one in pair 1 holds no login."""
    design = Design(block_s=10.0, trim_s=0.0, horizon_pairs=2, timeout_s=10.0, per_pair=2)
    blocks = [(0, 0, 0), (1, 0, 1), (3, 0, 0), (2, 0, 1), (4, 1, 1), (5, 1, 0), (6, 1, 0)]
    rows = [(block, pair, arm, 0.1 * (block + 1) * factor) for block, pair, arm in blocks for factor in (0.5, 1.0, 3.0)]
    block, pair, arm, taken_s = (np.array(column) for column in zip(*rows, strict=True))
    table = logins({(0, "baseline"): [1.0] * len(rows)})
    table = replace(table, arm=arm.astype(np.int8), block=block, pair=pair, response_s=taken_s,
                    offset_s=np.full(len(rows), 5.0), intended_s=10.0 * block + 5.0)  # fmt: skip
    found = measure(table, design, Policy(), (0, 1))
    began = np.array([[[0.0, 30.0], [10.0, 20.0]], [[50.0, 60.0], [40.0, np.nan]]])
    np.testing.assert_allclose(found.began_s, began)
    np.testing.assert_allclose(np.exp(found.levels), 0.1 * (began / 10 + 1))
    halves = [measure(table, design, Policy(), (pair,), settled=found.settled) for pair in (0, 1)]
    np.testing.assert_allclose(joined(halves).levels, found.levels)
    np.testing.assert_allclose(found.first(1).began_s, began[:1])
