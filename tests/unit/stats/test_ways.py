"""A share of the load's logins that goes another way on the wire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.gate.judge import judge
from harness.gate.ways import of_ways, with_ways
from harness.model.attempt import AttemptTable, StepColumns
from harness.model.policy import Policy, Wire
from harness.model.verdict import Kind
from harness.stats.compare import compare
from harness.stats.ways import Way, changed_ways
from tests.helpers.synthetic import DESIGN, HEALTH, POLICY, RUNNING, World, table_of

PAIRS = 12
WAYS = ("GSSAPI", "NTLM")


def falling_back(baseline: float, candidate: float, seed: int = 5) -> AttemptTable:
    """A run in which these shares of the logins bind by NTLM, in 0.2 s more."""
    table, rng = table_of(World(pairs=PAIRS)), np.random.default_rng(seed)
    bind = table.steps["ldap_bind"]
    way = rng.uniform(size=len(bind.row)) < np.where(table.arm[bind.row] == 1, candidate, baseline)
    response_s = table.response_s.copy()
    response_s[bind.row[way]] += 0.2
    steps = {**table.steps, "ldap_bind": replace(bind, way=way.astype(np.int16), ways=WAYS)}
    return replace(table, response_s=response_s, steps=steps)


def ways(table: AttemptTable) -> tuple[Way, ...]:
    return changed_ways(table, DESIGN, POLICY, range(PAIRS))


def test_three_logins_in_a_hundred_that_fall_back_are_named_with_their_latency() -> None:
    fewer, more = ways(falling_back(0.0, 0.03))
    assert (fewer.way, more.way, more.step, more.baseline) == ("GSSAPI", "NTLM", "ldap_bind", 0.0)
    assert more.low < 0.03 < more.high and more.candidate == pytest.approx(0.03, abs=0.01)
    assert more.took_s > more.others_s + 0.15
    first, _ = of_ways((fewer, more))
    assert (first.change, first.what, first.baseline) == ("way-changed", "logins by NTLM", "0 %")
    assert "in the median, other logins" in first.sentence


def test_equal_arms_go_the_same_ways() -> None:
    assert not any(ways(falling_back(0.2, 0.2, seed)) for seed in range(20))
    assert ways(table_of(World(pairs=PAIRS))) == ()
    assert changed_ways(falling_back(0.0, 0.5), DESIGN, POLICY, range(3)) == ()


def test_what_every_login_does_is_left_to_single_logins() -> None:
    assert list(of_ways(ways(falling_back(0.0, 1.0)))) == []
    assert list(of_ways(ways(falling_back(0.0, 0.9))))


def test_single_logins_that_were_not_recorded_stay_unknown_unless_the_load_shows_a_change() -> None:
    changed = ways(falling_back(0.0, 0.03))
    assert with_ways(None, ()) is None and with_ways((), ()) == ()
    assert with_ways(None, changed) == with_ways((), changed) == tuple(of_ways(changed))


def test_a_policy_may_forbid_another_way() -> None:
    table = falling_back(0.0, 0.03)
    found = compare(table_of(World(pairs=PAIRS)), DESIGN, POLICY, range(PAIRS))  # as if NTLM took no longer
    told = tuple(of_ways(ways(table)))
    assert judge(found, HEALTH, RUNNING, POLICY, told).kind is not Kind.BLOCK
    assert any("logins by NTLM" in notice for notice in judge(found, HEALTH, RUNNING, POLICY, told).notices)
    strict = Policy(protocol=Wire(block=("way-changed",)))
    assert judge(found, HEALTH, RUNNING, strict, told).kind is Kind.BLOCK


def test_ways_of_several_tables_are_one_list() -> None:
    ok = np.zeros(2, dtype=np.int8)
    one = StepColumns(np.arange(2), np.ones(2), ok, way=np.array([0, 1], dtype=np.int16), ways=("a", "b"))
    other = replace(one, ways=("b", "c"))
    joined = StepColumns.joined([(one, 0), (other, 2)])
    assert joined.way is not None
    assert [joined.ways[place] for place in joined.way] == ["a", "b", "b", "c"]
    assert StepColumns.joined([(one, 0), (replace(one, way=None, ways=()), 2)]).way is None
