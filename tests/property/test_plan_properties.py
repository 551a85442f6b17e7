"""What holds for the plan of any scenario."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.plan import Plan, make_plan, warm_population
from harness.model.scenario import Scenario
from tests.helpers.plans import replayed

RATES = st.floats(0.1, 40)
TIMES = st.floats(0.5, 30)


def _bursts(rate: float, factor: float, every_s: float, part: float) -> dict[str, Any]:
    return {"curve": "bursts", "rate": rate, "factor": factor, "every_s": every_s, "length_s": every_s * part}


CURVES = st.one_of(
    st.builds(lambda rate: {"curve": "constant", "rate": rate}, RATES),
    st.builds(lambda a, b, s: {"curve": "ramp", "rate": a, "to": b, "over_s": s}, RATES, RATES, TIMES),
    st.builds(_bursts, RATES, st.floats(0.1, 5), TIMES, st.floats(0.1, 0.9)),
)
STEPS = ["kdc_as", "ldap_connect"]
COHORTS = {"tap-and-go": {"cache": "warm", "steps": STEPS}, "rare": {"steps": STEPS}}


def _in_rounds(share: float, logins: list[str], think_s: float, users: int) -> dict[str, Any]:
    rounds = [{"share": share, "logins": logins, "think_s": think_s}, {"share": 1 - share, "logins": list(COHORTS)}]
    return {"cohorts": COHORTS, "rounds": rounds, "population": {"users": users}}


USERS, SHARES = st.integers(1, 500), st.floats(0, 1)
WAYS = st.one_of(
    st.builds(lambda users, cold: {"steps": STEPS, "population": {"users": users, "cold_share": cold}}, USERS, SHARES),
    st.builds(_in_rounds, SHARES, st.lists(st.sampled_from(list(COHORTS)), min_size=1, max_size=5), TIMES, USERS),
)
SCENARIOS = st.builds(
    lambda arrivals, way, length_s, seed: Scenario.model_validate(
        {
            "name": "any",
            **way,
            "arrivals": arrivals,
            "blocks": {"length_s": length_s, "trim_s": 0, "pairs": 40},
            "seed": seed,
        }
    ),
    CURVES,
    WAYS,
    st.floats(0.05, 4),
    st.integers(0, 2**70),
)


def plan_of(scenario: Scenario, pairs: int) -> Plan:
    """The plan of so many pairs."""
    blocks = scenario.blocks.model_copy(update={"pairs": pairs})
    return make_plan(scenario.model_copy(update={"blocks": blocks}))


SOME = settings(max_examples=60, deadline=None)


@SOME
@given(SCENARIOS, st.integers(1, 6))
def test_the_same_seed_gives_the_same_plan(scenario: Scenario, pairs: int) -> None:
    assert plan_of(scenario, pairs) == plan_of(scenario.model_copy(), pairs)


@SOME
@given(SCENARIOS, st.integers(1, 5), st.integers(0, 5))
def test_a_longer_plan_begins_with_the_same_pairs(scenario: Scenario, pairs: int, more: int) -> None:
    short, long = plan_of(scenario, pairs), plan_of(scenario, pairs + more)
    assert long.blocks[: len(short.blocks)] == short.blocks
    assert len(long.blocks) == 2 * (pairs + more)


@SOME
@given(SCENARIOS, st.integers(1, 6))
def test_both_blocks_of_a_pair_replay_one_list_of_arrivals(scenario: Scenario, pairs: int) -> None:
    plan = plan_of(scenario, pairs)
    for one, other in zip(plan.blocks[::2], plan.blocks[1::2], strict=True):
        assert one.pair == other.pair
        assert {one.arm, other.arm} == {"baseline", "candidate"}
        assert replayed(one) == replayed(other)


@SOME
@given(SCENARIOS, st.integers(1, 6))
def test_every_login_is_due_within_its_block_in_the_order_of_its_number(scenario: Scenario, pairs: int) -> None:
    blocks = plan_of(scenario, pairs).blocks
    arrivals = [arrival for block in blocks for arrival in block.arrivals]
    assert [arrival.seq for arrival in arrivals] == list(range(len(arrivals)))
    assert [a.intended for a in arrivals] == sorted(a.intended for a in arrivals)
    for block in blocks:
        assert all(block.start <= arrival.intended < block.start + block.length for arrival in block.arrivals)
    for one, other in itertools.pairwise(blocks):
        assert one.start + one.length == other.start


@SOME
@given(SCENARIOS, st.integers(1, 6))
def test_users_are_of_the_population_and_warm_ones_of_its_warm_part(scenario: Scenario, pairs: int) -> None:
    warm, mix = warm_population(scenario), scenario.mix
    for block in plan_of(scenario, pairs).blocks:
        for arrival in block.arrivals:
            assert 0 <= arrival.user < (warm if mix[arrival.cohort].cache == "warm" else scenario.population.users)
