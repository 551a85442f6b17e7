"""Growth over the hours of a soak: planted truth, drift that is none, and cold starts that fade."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import linregress

from harness.model.attempt import STATUSES, AttemptTable, Floats, StepColumns
from harness.model.comparison import Design
from harness.model.policy import Policy
from harness.model.soak import Soak
from harness.stats.soak import LEAST_BLOCKS, coefficient, soak_of
from tests.benchmarks.soak import judged

pytestmark = pytest.mark.slow

BLOCKS, BLOCK_S = 60, 120.0
DESIGN = Design(block_s=BLOCK_S, trim_s=0.0, horizon_pairs=BLOCKS, timeout_s=10.0)
POLICY = Policy()
MINUTE = (np.arange(BLOCKS) + 0.5) * BLOCK_S / 60


@dataclass(frozen=True)
class Planted:
    """Logins of two steps on one arm; ``growth`` a minute of the second, a start ``fade`` slower with its minutes."""

    growth: float = 0.0
    fade: float = 0.0
    fade_min: float = 6.0
    noise: float = 0.01
    failing_an_hour: float = 0.0
    logins: int = 200
    blocks: int = BLOCKS
    seed: int = 1


def table_of(planted: Planted) -> AttemptTable:
    rng = np.random.default_rng(planted.seed)
    n = planted.blocks * planted.logins
    block = np.repeat(np.arange(planted.blocks), planted.logins)
    intended_s = np.sort(rng.uniform(0, BLOCK_S, (planted.blocks, planted.logins)), axis=1).ravel() + block * BLOCK_S
    minute = intended_s / 60
    slow = np.exp(rng.normal(0, planted.noise, planted.blocks))[block]
    slow *= 1 + planted.fade * np.exp(-minute / planted.fade_min)
    kdc_s, bind_s = (0.1 * slow * np.exp(rng.normal(0, 0.2, n)) for _ in range(2))
    bind_s *= (1 + planted.growth) ** minute
    status = np.where(rng.uniform(size=n) < planted.failing_an_hour * minute / 60, STATUSES.index("error"), 0)
    ok = np.zeros(n, dtype=np.int8)
    return AttemptTable(
        arm=np.ones(n, dtype=np.int8), block=block, pair=block.copy(), offset_s=intended_s - block * BLOCK_S,
        intended_s=intended_s, cohort=np.zeros(n, dtype=np.int8), status=status.astype(np.int8),
        response_s=kdc_s + bind_s, service_s=kdc_s + bind_s,
        steps={"kdc_as": StepColumns(np.arange(n), kdc_s, ok), "ldap_bind": StepColumns(np.arange(n), bind_s, ok)},
    )  # fmt: skip


def soak(planted: Planted, design: Design = DESIGN) -> Soak:
    return soak_of(table_of(planted), "candidate", design, POLICY, range(planted.blocks))


def drifting(rng: np.random.Generator, tau_blocks: float) -> Floats:
    """An Ornstein–Uhlenbeck series of unit variance, one value a block."""
    keeps = np.exp(-1 / tau_blocks)
    shocks = rng.normal(0, np.sqrt(1 - keeps**2), BLOCKS)
    shocks[0] = rng.normal()
    found: Floats = lfilter([1.0], [1.0, -keeps], shocks)
    return found


@pytest.mark.parametrize("tau_blocks", [0.01, 1.0])
def test_drift_that_is_short_against_the_soak_is_not_taken_for_growth_as_least_squares_would(tau_blocks: float) -> None:
    rng = np.random.default_rng(7)
    series = [drifting(rng, tau_blocks) for _ in range(1500)]
    constant = np.ones(BLOCKS)
    ours = np.mean([coefficient(y, MINUTE, [constant, MINUTE]).p_value < 0.05 for y in series])
    plain = np.mean([linregress(MINUTE, y, alternative="greater").pvalue < 0.05 for y in series])
    # 5 % nominal; of 1,500 more than 7.5 % would come once in 10⁵ tries of white noise.
    assert ours < 0.075
    assert plain < 0.075 if tau_blocks < 0.1 else plain > 0.1


def test_a_planted_growth_is_found_with_bounds_that_hold_it() -> None:
    held = 0
    for seed in range(40):
        growth = soak(Planted(growth=0.002, seed=seed)).growth("p50")
        assert growth is not None and growth.low > 0 and growth.p_value < 0.001
        # Half of the login grows, so its median does by 0.1 % a minute at first, and by more as that half gains weight.
        held += 0.0009 < growth.slope < 0.0013
        assert growth.end / growth.start == pytest.approx(np.exp(growth.slope * BLOCKS * BLOCK_S / 60))
    assert held >= 38


def test_a_cold_start_that_fades_is_reported_and_is_no_growth() -> None:
    found = soak(Planted(fade=0.5))
    growth = found.growth("p50")
    assert found.fade is not None and growth is not None
    assert found.fade.added == pytest.approx(np.log(1.5), abs=0.15)
    assert 4 < found.fade.minutes < 9
    assert growth.low < 0 < growth.high
    assert growth.start == pytest.approx(0.2, rel=0.03)
    assert soak(Planted()).fade is None


def test_a_leak_behind_a_cold_start_that_fades_is_found_all_the_same() -> None:
    growth = soak(Planted(growth=0.004, fade=0.5)).growth("p50")
    assert growth is not None and growth.low > 0
    assert 0.0015 < growth.slope < 0.0032


def test_the_step_that_grows_is_told_from_the_one_that_does_not() -> None:
    steps = {step.step: step for step in soak(Planted(growth=0.004)).steps}
    assert steps["ldap_bind"].added_s > 0.04
    assert abs(steps["kdc_as"].added_s) < 0.005


def test_failures_that_grow_are_found_and_no_failure_in_few_logins_proves_nothing() -> None:
    rate = soak(Planted(failing_an_hour=0.05, logins=600)).growth("failure_rate")
    assert rate is not None and rate.low > 0
    assert rate.slope * 60 == pytest.approx(0.05, rel=0.3)
    few, many = (soak(Planted(logins=logins)).growth("failure_rate") for logins in (10, 2000))
    assert few is not None and many is not None
    assert few.slope == many.slope == 0.0
    assert few.high > few.margin > many.high > 0


def test_a_cluster_of_failures_in_one_block_is_no_growth() -> None:
    table = table_of(Planted())
    status = np.where((table.block == BLOCKS - 3) & (np.arange(len(table)) % 2 == 0), STATUSES.index("error"), 0)
    found = soak_of(replace(table, status=status.astype(np.int8)), "candidate", DESIGN, POLICY, range(BLOCKS))
    rate = found.growth("failure_rate")
    assert rate is not None and rate.low < 0 and rate.high > rate.margin


def test_what_cannot_be_judged_says_why() -> None:
    short = dict(soak(Planted(blocks=LEAST_BLOCKS - 1)).not_judged)
    assert set(short) == {"p50", "p95", "failure_rate", "slow_rate"}
    assert short["p50"] == f"{LEAST_BLOCKS - 1} whole blocks with logins, {LEAST_BLOCKS} are needed"
    thin = dict(soak(Planted(logins=20)).not_judged)
    assert thin == {"p95": "too few logins: a block holds 20, p95 needs 60"}
    hopeless = dict(soak(Planted(), replace(DESIGN, timeout_s=0.05)).not_judged)
    assert "time-out of 0.05 s" in hopeless["p50"]
    nothing = soak_of(table_of(Planted()), "candidate", DESIGN, POLICY, [])
    assert nothing.minutes == 0 and not nothing.growths and not nothing.steps


def test_warm_withheld_and_unfinished_logins_do_not_count() -> None:
    table = table_of(Planted())
    cohort = (np.arange(len(table)) % 4 == 0).astype(np.int8)
    status = np.where(np.arange(len(table)) % 4 == 1, STATUSES.index("withheld"), 0).astype(np.int8)
    found = soak_of(
        replace(table, cohort=cohort, status=status, cohorts=("cold", "warm")),
        "candidate",
        DESIGN,
        POLICY,
        range(BLOCKS - 10),
    )
    assert set(found.blocks.logins) == {100} and len(found.blocks.logins) == BLOCKS - 10
    assert found.failed_share == 0.0


def test_a_block_without_a_login_is_left_out() -> None:
    table = table_of(Planted(growth=0.002))
    status = np.where(table.block == 20, STATUSES.index("withheld"), 0).astype(np.int8)
    growth = soak_of(replace(table, status=status), "candidate", DESIGN, POLICY, range(BLOCKS)).growth("p50")
    assert growth is not None and growth.low > 0


@pytest.mark.parametrize(("row", "blocks"), [("none", False), ("fade", False), ("leak-0.4", True)])
def test_two_hours_of_the_benchmarks_world_are_judged_rightly(row: str, blocks: bool) -> None:
    assert {judged(row, 2.0, run)[0] for run in range(5)} == {blocks}
