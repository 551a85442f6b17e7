"""However many workers there are, each login of a plan has exactly one owner."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.plan import make_plan, warm_population
from harness.model.scenario import Scenario
from harness.model.shard import Shard, owners, shards


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
    what = scenario(users, cold_share, seed)
    plan = make_plan(what, ["baseline", "candidate"] if both else ["baseline"])
    parts = [shard.part(plan.blocks) for shard in shards(workers, what)]
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


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_each_share_begins_with_a_user_of_its_own(workers: int, users: int, seats: int) -> None:
    """Workers that log in their first user at the same time must not all try one account."""
    found = shards(workers, scenario(users, 1.0, 1).model_copy(update={"seats": seats}))
    firsts = [shard.first_user for shard in found]
    assert len(set(firsts)) == len(firsts) == min(workers, users, seats)
    assert all(first < users and shard.holds("cold", first) for first, shard in zip(firsts, found, strict=True))
    assert sum(shard.seats(seats) for shard in found) == seats, "seats are the arm's, not the worker's"


TURNS: dict[str, Any] = {
    "name": "turns",
    "cohorts": {
        "logon": {"steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"], "authentication": "password"},
        "tap": {"cache": "warm", "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect", "ldap_bind"]},
        "component": {"cache": "warm", "steps": ["kdc_as", "kdc_tgs_ldap", "ldap_connect"], "accounts": "services"},
    },
    "rounds": [
        {"share": 0.5, "logins": ["logon", "tap", "tap"], "think_s": 1},
        {"share": 0.5, "logins": ["component"], "think_s": 1},
    ],
    "arrivals": {"curve": "constant", "rate": 40},
    "blocks": {"length_s": 2, "trim_s": 0.5, "pairs": 3},
}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 12), st.integers(0, 2**32))
def test_every_account_has_one_worker_also_where_few_take_turns(
    users: int, services: int, workers: int, seed: int
) -> None:
    """Rounds, warm caches and accounts of components: nobody is tried by two processes, nor misses a cache."""
    what = Scenario.model_validate({**TURNS, "population": {"users": users}, "seed": seed})
    plan, shares = make_plan(what), shards(workers, what)
    whole = Counter(arrival.seq for block in plan.blocks for arrival in block.arrivals)
    owned: Counter[int] = Counter()
    owner: dict[tuple[str, int], int] = {}
    for shard in shares:
        assert shard.count(plan.blocks) == sum(len(block.arrivals) for block in shard.part(plan.blocks))
        filled = {
            (cohort, user) for cohort in what.warm for user in range(warm_population(what)) if shard.holds(cohort, user)
        }
        for block in shard.part(plan.blocks):
            for arrival in block.arrivals:
                owned[arrival.seq] += 1
                kind = what.mix[arrival.cohort].accounts
                account = (kind, arrival.user % min(services, users) if kind == "services" else arrival.user)
                assert owner.setdefault(account, shard.index) == shard.index
                assert arrival.cohort not in what.warm or (arrival.cohort, arrival.user) in filled
                assert arrival.cohort in shard.cohorts(what.expected)
    assert owned == whole
    by_seq = owners(plan, what, len(shares))
    for shard in shares:
        mine = {arrival.seq for block in shard.part(plan.blocks) for arrival in block.arrivals}
        assert mine == set(np.flatnonzero(by_seq == shard.index).tolist())


def test_where_only_components_log_in_there_is_one_share() -> None:
    cohorts = {"component": {**TURNS["cohorts"]["component"], "share": 1.0}}
    what = Scenario.model_validate({**TURNS, "population": {"users": 30}, "cohorts": cohorts, "rounds": []})
    assert len(shards(4, what)) == 1


def test_a_share_beyond_the_number_of_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a share from 0 to 1, got 2"):
        Shard(2, 2)
