"""However many workers there are, each login of a plan has exactly one owner."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.plan import make_plan
from harness.model.scenario import Scenario
from harness.model.shard import Shard, shards


def scenario(users: int, cold_share: float, seed: int) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "any",
            "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"],
            "population": {"users": users, "cold_share": cold_share},
            "arrivals": {"curve": "constant", "rate": 40},
            "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 3},
            "seed": seed,
        }
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400), st.sampled_from([1.0, 0.7]), st.integers(0, 2**32), st.integers(1, 40), st.booleans()
)  # fmt: skip
def test_each_login_has_exactly_one_owner_and_a_user_s_logins_have_the_same(
    users: int, cold_share: float, seed: int, workers: int, both: bool
) -> None:
    plan = make_plan(scenario(users, cold_share, seed), ["baseline", "candidate"] if both else ["baseline"])
    parts = [shard.part(plan.blocks) for shard in shards(workers, users)]
    whole = [arrival for block in plan.blocks for arrival in block.arrivals]
    owned = Counter(arrival.seq for part in parts for block in part for arrival in block.arrivals)
    assert owned == Counter(arrival.seq for arrival in whole) and set(owned.values()) <= {1}
    by_seq = {arrival.seq: arrival for arrival in whole}
    owner: dict[int, int] = {}
    for index, part in enumerate(parts):
        assert [block.index for block in part] == [block.index for block in plan.blocks]
        for block in part:
            for arrival in block.arrivals:
                assert by_seq[arrival.seq] == arrival, "due times and numbers are the plan's"
                assert owner.setdefault(arrival.user, index) == index


@given(st.integers(1, 50), st.integers(1, 50))
def test_each_share_begins_with_a_user_of_its_own(workers: int, users: int) -> None:
    """Workers that log in their first user at the same time must not all try one account."""
    firsts = [shard.first_user for shard in shards(workers, users)]
    assert len(set(firsts)) == len(firsts) == min(workers, users)
    assert all(
        first < users and shard.holds(first) for first, shard in zip(firsts, shards(workers, users), strict=True)
    )


def test_a_share_beyond_the_number_of_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a share from 0 to 1, got 2"):
        Shard(2, 2)
