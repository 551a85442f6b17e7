"""Which step a slowdown comes from: planted truth, and parts that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.model.attempt import AttemptTable, StepColumns
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.stats.attribution import ELSEWHERE, anatomy

PAIRS, LOGINS = 12, 400
DESIGN = Design(block_s=15, trim_s=0, horizon_pairs=PAIRS, timeout_s=10)
POLICY = Policy(discard_pairs=0)


def table(seed: int, slower_s: dict[str, float], *, tail_s: float = 0.0, wait_s: float = 0.001) -> AttemptTable:
    """Two arms of logins of three steps; the candidate's are slower by so much, one in ten of its binds by the tail."""
    rng = np.random.default_rng(seed)
    count = 2 * PAIRS * LOGINS
    arm = np.tile(np.repeat(np.arange(2, dtype=np.int8), LOGINS), PAIRS)
    pair = np.repeat(np.arange(PAIRS), 2 * LOGINS)
    shared = np.exp(rng.normal(0, 0.05, PAIRS))[pair]
    steps = {}
    whole = np.full(count, wait_s)
    for name, mean_s in (("as", 0.010), ("tgs", 0.020), ("bind", 0.005)):
        took = mean_s * shared * np.exp(rng.normal(0, 0.2, count)) + arm * slower_s.get(name, 0.0)
        if name == "bind":
            took = took + arm * tail_s * (rng.uniform(size=count) < 0.1)
        steps[name] = StepColumns(np.arange(count), took, np.zeros(count, dtype=np.int8))
        whole = whole + took
    return AttemptTable(
        arm=arm,
        block=2 * pair + arm,
        pair=pair,
        offset_s=np.tile(np.linspace(0, 14, LOGINS), 2 * PAIRS),
        intended_s=15.0 * (2 * pair + arm) + np.tile(np.linspace(0, 14, LOGINS), 2 * PAIRS),
        cohort=np.zeros(count, dtype=np.int8),
        status=np.zeros(count, dtype=np.int8),
        response_s=whole,
        service_s=whole,
        steps=steps,
    )


def test_the_parts_add_up_to_the_whole_at_every_quantile() -> None:
    found = anatomy(table(1, {"tgs": 0.004, "as": 0.001}), DESIGN, POLICY, range(PAIRS))
    assert [a.quantile for a in found] == ["p50", "p95", "p99"]
    for whole in found:
        assert sum(part.added_s for part in whole.parts) == pytest.approx(whole.added_s, abs=1e-12)
        assert sum(part.share or 0.0 for part in whole.parts) == pytest.approx(1.0)
        assert {part.step for part in whole.parts} == {"as", "tgs", "bind", ELSEWHERE}


def test_a_planted_slowdown_is_found_in_its_step_with_intervals_that_hold_it() -> None:
    held = 0
    for seed in range(40):
        (median, *_) = anatomy(table(seed, {"tgs": 0.004}), DESIGN, POLICY, range(PAIRS))
        tgs = next(part for part in median.parts if part.step == "tgs")
        assert tgs.share is not None and tgs.share > 0.5
        held += tgs.low_s <= 0.004 <= tgs.high_s
    # 95 % nominal; 32 of 40 or fewer would come once in some ten thousand tries.
    assert held >= 33


def test_a_tail_is_laid_to_its_step_at_the_tail_and_not_at_the_median() -> None:
    found = {a.quantile: a for a in anatomy(table(3, {}, tail_s=0.5), DESIGN, POLICY, range(PAIRS))}
    share = {q: next(p.share for p in a.parts if p.step == "bind") for q, a in found.items()}
    assert share["p95"] is not None and share["p95"] > 0.95
    added = {q: next(p.added_s for p in a.parts if p.step == "bind") for q, a in found.items()}
    assert added["p95"] > 0.4 and added["p50"] < 0.05


def test_no_share_is_given_of_a_whole_that_may_be_zero() -> None:
    shown = 0
    for seed in range(40):
        for whole in anatomy(table(100 + seed, {}), DESIGN, POLICY, range(PAIRS)):
            shown += any(part.share is not None for part in whole.parts)
    assert shown <= 18  # of 120, 6 expected at the 95 % level


def test_too_few_pairs_or_logins_give_no_anatomy() -> None:
    planted = table(5, {"tgs": 0.004})
    assert anatomy(planted, DESIGN, POLICY, range(2)) == ()
    thin = Design(block_s=15, trim_s=13.98, horizon_pairs=PAIRS, timeout_s=10)  # a login a block
    assert anatomy(planted, thin, POLICY, range(PAIRS)) == ()


def test_a_tail_that_no_single_block_holds_is_divided_over_groups_of_blocks() -> None:
    planted = table(6, {"tgs": 0.004})
    rare = {a.quantile: a for a in anatomy(planted, replace(DESIGN, trim_s=9), POLICY, range(PAIRS))}
    assert set(rare) == {"p50", "p95", "p99"}
    assert sum(part.added_s for part in rare["p99"].parts) == pytest.approx(rare["p99"].added_s, abs=1e-12)


def test_a_run_of_discarded_pairs_alone_has_no_anatomy() -> None:
    assert anatomy(table(5, {}), DESIGN, Policy(discard_pairs=1), range(1)) == ()
