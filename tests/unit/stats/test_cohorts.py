"""Several cohorts in one run: each is judged by itself, and what one of them suffers is found and told by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from harness.gate.judge import judge
from harness.model.attempt import AttemptTable
from harness.model.comparison import Comparison
from harness.model.metric import Family, Metric
from harness.model.verdict import Kind
from harness.stats.attribution import anatomy
from harness.stats.compare import compare, compare_pieces
from harness.stats.shift import FAMILY_SHARES, boundings
from tests.helpers.synthetic import DESIGN, ENDED, HEALTH, POLICY, World, mixed

PAIRS = 24
USUAL = {
    "cold-logon": World(pairs=PAIRS, rate=20, seed=1, noise=0.02),
    "tap-and-go": World(pairs=PAIRS, rate=20, seed=2, noise=0.02, factor=1.0),
    "ehr-relogin": World(pairs=PAIRS, rate=20, seed=3, noise=0.02),
}


def worlds(**changes: Mapping[str, object]) -> dict[str, World]:
    """The usual three cohorts, of which some differ (``tap_and_go={"factor": 1.4}``)."""
    named = {name.replace("_", "-"): change for name, change in changes.items()}
    return {name: replace(world, **named.get(name, {})) for name, world in USUAL.items()}  # type: ignore[arg-type]


def comparison(table: AttemptTable, pairs: int = PAIRS) -> Comparison:
    return compare(table, DESIGN, POLICY, range(pairs))


def without(table: AttemptTable, cohort: str, from_pair: int, upto: int, arm: int | None = None) -> AttemptTable:
    """The same run in which a cohort's logins of some pairs were withheld, and so do not count."""
    gone = (table.cohort == table.cohorts.index(cohort)) & (table.pair >= from_pair) & (table.pair < upto)
    if arm is not None:
        gone &= table.arm == arm
    return replace(table, status=np.where(gone, 4, table.status).astype(np.int8))


def test_a_slowdown_of_one_cohort_is_found_in_it_alone_and_told_by_its_name() -> None:
    found = comparison(mixed(worlds(tap_and_go={"factors": {"ldap_groups": 2.0}})))
    verdict = judge(found, HEALTH, ENDED, POLICY)
    blocked = {(f.cohort, f.step) for f in verdict.findings if f.decision == "block"}
    assert verdict.kind is Kind.BLOCK
    assert ("tap-and-go", "login") in blocked
    assert {cohort for cohort, _ in blocked} == {"tap-and-go"}
    assert verdict.blamed_step == "ldap_groups"
    assert "logins of tap-and-go would take" in verdict.sentence
    estimates = {
        s.metric.cohort: s.estimate for s in found.shifts if (s.metric.step, s.metric.statistic) == ("login", "p50")
    }
    assert estimates["tap-and-go"] == pytest.approx(np.log(1.35), abs=0.06)
    assert max(abs(estimates[name]) for name in ("cold-logon", "ehr-relogin")) < 0.03


def test_a_slowdown_is_laid_to_the_step_of_its_cohort() -> None:
    table = mixed(worlds(ehr_relogin={"factors": {"ldap_bind": 2.0}}))
    added = {(part.cohort, part.step): part.added_s for part in comparison(table).attribution}
    assert max(added, key=lambda key: added[key]) == ("ehr-relogin", "ldap_bind")
    assert added["ehr-relogin", "ldap_bind"] == pytest.approx(0.030 * np.exp(0.045), rel=0.1)
    assert {found.cohort for found in anatomy(table, DESIGN, POLICY, range(PAIRS))} == set(USUAL)


def test_rates_and_the_budget_are_over_all_cohorts() -> None:
    found = comparison(mixed(worlds(cold_logon={"failing": 0.3})))
    (failures,) = [s for s in found.shifts if s.metric.statistic == "failure_rate"]
    assert failures.metric.cohort == "all"
    assert failures.candidate == pytest.approx(0.1, abs=0.02)
    assert found.candidate_p95_s > 5, "a tenth of all logins took the time-out"


def test_the_error_of_a_false_block_is_split_among_the_metrics_of_all_cohorts() -> None:
    found = comparison(mixed(USUAL))
    spent: dict[str, float] = {}
    for shift, bounding in zip(found.shifts, boundings(found.shifts, DESIGN, POLICY), strict=True):
        spent[shift.metric.family] = spent.get(shift.metric.family, 0.0) + bounding.block_alpha
    assert len(found.shifts) == 3 * (3 + 2 * 4) + 2
    families: tuple[Family, ...] = ("login", "rate", "step")
    below = 1 - FAMILY_SHARES["headroom"]
    assert spent == pytest.approx({name: POLICY.alpha * FAMILY_SHARES[name] / below for name in families})
    assert sum(spent.values()) == pytest.approx(POLICY.alpha)


def test_a_cohort_that_sends_nothing_in_a_block_has_no_value_there_and_the_others_have() -> None:
    table = without(mixed(USUAL), "tap-and-go", 8, 12, arm=1)
    found = {(s.metric.cohort, s.metric.statistic): s for s in comparison(table).shifts if s.metric.step == "login"}
    assert found["tap-and-go", "p50"].pairs == PAIRS - 1 - 4
    assert found["cold-logon", "p50"].pairs == found["all", "failure_rate"].pairs == PAIRS - 1
    assert found["tap-and-go", "p50"].estimate == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("rate", [1.0, 0.05])
def test_a_rare_cohort_is_judged_on_groups_of_pairs_or_named_as_not_judged(rate: float) -> None:
    found = comparison(mixed(worlds(cold_logon={"rate": rate})))
    judged = {s.metric: s for s in found.shifts}
    refused = {item.metric: item.reason for item in found.not_judged}
    p50, p95 = Metric("cold-logon", "login", "p50"), Metric("cold-logon", "login", "p95")
    assert p95 in refused and "too few logins" in refused[p95]
    assert (p50 in judged) == (rate == 1.0) and (p50 in refused) == (rate == 0.05)
    assert all(np.isfinite(s.estimate) for s in judged.values())


def test_a_cohort_without_a_single_login_is_named_as_not_judged_and_keeps_no_other_from_a_verdict() -> None:
    table = without(mixed(worlds(tap_and_go={"factor": 2.0})), "ehr-relogin", 0, PAIRS)
    found = comparison(table)
    refused = [item.metric.label for item in found.not_judged if item.metric.cohort == "ehr-relogin"]
    assert refused == ["ehr-relogin login p50", "ehr-relogin login p95", "ehr-relogin login p99"]
    assert judge(found, HEALTH, ENDED, POLICY).kind is Kind.BLOCK


def test_a_cohort_that_comes_late_is_compared_in_pieces_as_in_the_whole() -> None:
    table = without(mixed(USUAL), "tap-and-go", 0, 12)
    whole = comparison(table)
    first = table.pair < 13
    of_piece = [
        (replace(table, status=np.where(mine, table.status, 4).astype(np.int8)), pairs)
        for mine, pairs in ((first, range(13)), (~first, range(13, PAIRS)))
    ]
    pieced = compare_pieces(of_piece, DESIGN, POLICY)
    assert [s.metric for s in pieced.shifts] == [s.metric for s in whole.shifts]
    assert [s.estimate for s in pieced.shifts] == pytest.approx([s.estimate for s in whole.shifts])
    assert pieced.leak == whole.leak


def test_a_leak_of_one_cohort_is_not_thinned_by_the_others() -> None:
    found = comparison(mixed(worlds(ehr_relogin={"growth": 0.02}))).leak
    assert found is not None
    assert (found.cohort, found.p_value < 0.001) == ("ehr-relogin", True)
    assert found.slope == pytest.approx(np.log(1.02), rel=0.3)
    steady = comparison(mixed(USUAL)).leak
    assert steady is not None and steady.p_value > 0.01


def test_without_a_leak_the_most_significant_of_several_cohorts_blocks_no_oftener_than_one() -> None:
    three = {name: replace(world, rate=4, pairs=12) for name, world in USUAL.items()}
    p_values = []
    for seed in range(120):
        run = {name: replace(world, seed=3 * seed + i) for i, (name, world) in enumerate(three.items())}
        leak = comparison(mixed(run), 12).leak
        assert leak is not None
        p_values.append(leak.p_value)
    # Binomial(120, 0.1): 23 or more come by chance with p < 0.001.
    assert np.count_nonzero(np.array(p_values) < 0.1) < 23
