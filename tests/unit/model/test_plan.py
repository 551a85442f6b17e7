"""The plan of arrivals: drawn once from a seed, the same for both arms of a pair, and true to its scenario."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from harness.model.plan import NS, WARM_USERS_AT_MOST, make_plan, warm_population
from harness.model.scenario import Scenario
from tests.helpers.plans import BURSTS, CONSTANT, CURVES, LULLS, replayed


def scenario(
    arrivals: dict[str, Any] = CONSTANT, *, length_s: float = 5, pairs: int = 40, seed: int = 2016, users: int = 1000,
    cold_share: float = 0.5, design: str = "interleaved", per_pair: int = 1,
) -> Scenario:  # fmt: skip
    """A scenario in which only what the plan depends on differs."""
    return Scenario.model_validate(
        {
            "name": "planned",
            "steps": ["kdc_as", "ldap_connect"],
            "population": {"users": users, "cold_share": cold_share},
            "arrivals": arrivals,
            "blocks": {"length_s": length_s, "trim_s": 0, "pairs": pairs, "design": design, "per_pair": per_pair},
            "seed": seed,
        }
    )


def times_s(planned: Scenario) -> list[float]:
    """Every arrival of one arm, in scenario time, which goes on from block to block."""
    length_s = planned.blocks.length_s
    return [
        place * length_s + (a.intended - block.start) / NS
        for place, block in enumerate(make_plan(planned).of("baseline"))
        for a in block.arrivals
    ]


def test_a_pair_that_would_differ_between_arms_is_never_planned() -> None:
    plan = make_plan(scenario())
    for one, other in zip(plan.blocks[::2], plan.blocks[1::2], strict=True):
        assert one.pair == other.pair
        assert {one.arm, other.arm} == {"baseline", "candidate"}
        assert replayed(one) == replayed(other)
    assert replayed(plan.blocks[0]) != replayed(plan.blocks[2])


def test_blocks_follow_each_other_without_a_gap() -> None:
    plan = make_plan(scenario(length_s=2.5))
    assert [block.index for block in plan.blocks] == list(range(80))
    assert [block.start for block in plan.blocks] == [index * 2_500_000_000 for index in range(80)]
    assert {block.length for block in plan.blocks} == {2_500_000_000}


def test_both_orders_of_the_arms_occur_and_neither_is_favoured() -> None:
    plan = make_plan(scenario({"curve": "constant", "rate": 0.2}, pairs=1000))
    first = sum(block.arm == "baseline" for block in plan.blocks[::2])
    # Binomial(1000, 1/2): 5 standard deviations are left by chance with p < 1e-6.
    assert abs(first - 500) < 5 * math.sqrt(1000 / 4)
    orders = [block.arm for block in plan.blocks[::2]]
    turns = sum(one != other for one, other in itertools.pairwise(orders))
    assert abs(turns - 999 / 2) < 5 * math.sqrt(999 / 4), "the order of a pair must not follow from the one before"


def test_several_blocks_of_each_arm_in_a_pair_alternate_by_two_in_an_order_of_their_own() -> None:
    several = scenario(pairs=200, length_s=2, per_pair=4)
    plan = make_plan(several)
    assert [block.pair for block in plan.blocks] == [index // 8 for index in range(1600)]
    assert [block.start for block in plan.blocks] == [index * 2 * NS for index in range(1600)]
    assert plan.length == 3200 * NS == several.duration_s * NS
    for one, other in zip(plan.blocks[::2], plan.blocks[1::2], strict=True):
        assert {one.arm, other.arm} == {"baseline", "candidate"}
        assert replayed(one) == replayed(other)
    assert replayed(plan.blocks[0]) != replayed(plan.blocks[2])
    first = [block.arm == "baseline" for block in plan.blocks[::2]]
    # Binomial(800, 1/2) and 1 in 16 orders of a pair alike, each at 5 standard deviations.
    assert abs(sum(first) - 400) < 5 * math.sqrt(800 / 4)
    assert len({tuple(first[pair * 4 : pair * 4 + 4]) for pair in range(200)}) == 16
    assert [login.seq for block in plan.blocks for login in block.arrivals] == list(
        range(sum(len(block.arrivals) for block in plan.blocks))
    )


def test_above_the_peak_each_arm_has_one_block_as_long_as_its_blocks_in_another_pair() -> None:
    document = scenario(pairs=9, length_s=2, per_pair=4).model_dump() | {"headroom": {"factor": 2.0, "every": 3}}
    planned = Scenario.model_validate(document)
    plan = make_plan(planned)
    assert plan.length == planned.duration_s * NS == 9 * 16 * NS
    assert [block.start for block in plan.blocks[1:]] == [b.start + b.length for b in plan.blocks[:-1]]
    for pair in range(9):
        blocks = plan.of_pairs(range(pair, pair + 1))
        lengths = {block.arm: [b.length / NS for b in blocks if b.arm == block.arm] for block in blocks}
        assert lengths == dict.fromkeys(("baseline", "candidate"), [8.0] if pair % 3 == 2 else [2.0] * 4)
    above = sum(len(block.arrivals) for block in plan.blocks if block.pair % 3 == 2) / 2
    below = sum(len(block.arrivals) for block in plan.blocks if block.pair % 3 != 2) / 2
    assert abs(above - 2 * 30 * 24) < 5 * math.sqrt(2 * 30 * 24) and abs(below - 30 * 48) < 5 * math.sqrt(30 * 48)


def test_a_scenario_of_one_block_of_each_arm_in_a_pair_keeps_the_digest_that_it_had() -> None:
    """As it was computed before there was ``per_pair``: runs and calibrations on disk hang together by it."""
    assert scenario().digest == "e55eee203990e4070ffd78142aab563dc7b86fc373fc573480817d25ef9c96a9"
    assert len({scenario(per_pair=count).digest for count in (1, 2, 3)}) == 3


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ({"design": "duet", "per_pair": 2}, "expected per_pair 1 in a duet, whose arms don't alternate, got 2"),
        ({"per_pair": 20, "length_s": 3600, "pairs": 40}, "expected 20,000,000 logins in a run at most"),
    ],
)
def test_what_several_blocks_in_a_pair_can_not_be_is_refused(blocks: dict[str, Any], said: str) -> None:
    document = scenario().model_dump()
    document["blocks"] |= blocks
    with pytest.raises(ValueError, match=said):
        Scenario.model_validate(document)


def test_one_arm_alone_gets_the_pairs_that_it_would_get_beside_the_other() -> None:
    """Two runs of one arm each can be compared, since both replay the same arrivals."""
    baseline, candidate = make_plan(scenario(), ["baseline"]), make_plan(scenario(), ["candidate"])
    assert [replayed(block) for block in baseline.blocks] == [replayed(block) for block in candidate.blocks]
    assert [block.pair for block in baseline.blocks] == list(range(40))


def test_another_seed_is_another_plan_and_another_digest() -> None:
    one, other = make_plan(scenario(seed=1)), make_plan(scenario(seed=2))
    assert one.scenario_digest != other.scenario_digest
    assert replayed(one.blocks[0]) != replayed(other.blocks[0])


@pytest.mark.parametrize(("per_pair", "pairs"), [(1, 50), (5, 10)])
@pytest.mark.parametrize("arrivals", CURVES.values(), ids=CURVES)
def test_arrivals_follow_the_rate_curve(arrivals: dict[str, Any], per_pair: int, pairs: int) -> None:
    planned = scenario(arrivals, length_s=5.5, pairs=pairs, per_pair=per_pair)
    curve, end_s = planned.arrivals, 275.0
    found = times_s(planned)
    grid = (np.arange(round(end_s * 1000)) + 0.5) / 1000
    rates = curve.at(grid)
    expected, _ = np.histogram(grid, bins=25, range=(0, end_s), weights=rates / 1000)
    counts, _ = np.histogram(found, bins=25, range=(0, end_s))
    assert counts.sum() == len(found)
    assert abs(len(found) - expected.sum()) < 5 * math.sqrt(expected.sum())
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("arrivals", [BURSTS, LULLS], ids=["bursts", "lulls"])
def test_a_burst_begins_and_ends_where_the_scenario_says(arrivals: dict[str, Any]) -> None:
    planned = scenario(arrivals, length_s=5.5, pairs=50)
    phases = np.array(times_s(planned)) % 7
    inside, whole_cycles = int((phases < 2).sum()), 275 / 7
    expected = arrivals["rate"] * arrivals["factor"] * 2 * whole_cycles
    assert abs(inside - expected) < 5 * math.sqrt(expected) + 2 * arrivals["rate"] * arrivals["factor"]


def test_gaps_between_arrivals_are_those_of_a_poisson_process() -> None:
    """An even spacing would never queue two logins behind each other, as people do."""
    gaps = np.diff(times_s(scenario(length_s=100, pairs=20)))
    inside = gaps[gaps > 0] * 30
    n = len(inside)
    assert abs(inside.mean() - 1) < 5 / math.sqrt(n)
    assert abs((inside > 1).mean() - math.exp(-1)) < 5 * math.sqrt(math.exp(-1) * (1 - math.exp(-1)) / n)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.8, 1.0])
def test_the_share_of_cold_logins_is_the_scenarios(share: float) -> None:
    cohorts = [a.cohort for block in make_plan(scenario(cold_share=share)).of("baseline") for a in block.arrivals]
    n = len(cohorts)
    assert n > 5000
    assert abs(cohorts.count("cold") - share * n) <= 5 * math.sqrt(n * share * (1 - share))


def test_warm_logins_are_of_accounts_whose_cache_was_filled_and_cold_ones_of_all() -> None:
    planned = scenario(users=1000)
    users: dict[str, set[int]] = {"cold": set(), "warm": set()}
    for block in make_plan(planned).blocks:
        for arrival in block.arrivals:
            users[arrival.cohort].add(arrival.user)
    assert warm_population(planned) == WARM_USERS_AT_MOST
    assert max(users["warm"]) < WARM_USERS_AT_MOST <= 900 < max(users["cold"]) < 1000
    assert warm_population(scenario(users=50)) == 50


def test_a_plan_is_not_changed_by_using_it() -> None:
    plan = make_plan(scenario(pairs=2))
    with pytest.raises(AttributeError):
        plan.blocks[0].arrivals[0].intended = 0  # type: ignore[misc]


def test_in_a_duet_both_blocks_of_a_pair_run_at_once_and_pairs_follow_each_other() -> None:
    together = scenario(pairs=4, design="duet")
    plan = make_plan(together)
    for pair in range(4):
        first, second = (block for block in plan.blocks if block.pair == pair)
        assert {first.arm, second.arm} == {"baseline", "candidate"}
        assert first.start == second.start == pair * 5 * NS
        assert replayed(first) == replayed(second)
        assert plan.at(first.start) == (first, second)
    assert plan.length == 20 * NS == together.duration_s * NS
    assert {block.pair for block in plan.at(10**15)} == {3}
    assert make_plan(scenario(pairs=4)).length == 40 * NS == scenario(pairs=4).duration_s * NS
