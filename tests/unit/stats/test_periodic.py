"""What came by the clock: found whatever the arms are, and taken out without a change of what an update did."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter
from scipy.stats import t as student

from harness.model.attempt import Floats
from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.stats.periodic import EXPLAINS, LEAST_PAIRS, periodic, without
from harness.stats.samples import Measured, Sample
from harness.stats.settled import Settled
from harness.stats.shift import boundings, shift_of
from tests.helpers.synthetic import DESIGN, POLICY

BLOCK_S = 8.0
PAIRS = 60
CUT = Design(block_s=BLOCK_S, trim_s=2.0, horizon_pairs=PAIRS, timeout_s=10.0, random_order=True)
JOB_S, LASTS_S, JOB = 30.0, 4.0, 0.5
RUNS = 300


@dataclass(frozen=True)
class Run:
    """Blocks of two arms in random order; every 30 s a job of 4 s slows those that it meets by ``job``, in ln-units, or
    the candidate's alone by ``own``; the update by ``effect``. ``drift`` is one from block to block."""

    effect: float = 0.0
    job: float = JOB
    own: float = 0.0
    drift: float = 0.0
    noise: float = 0.1
    pairs: int = PAIRS
    seed: int = 0

    def measured(self) -> Measured:
        """As a comparison has it; its levels are the values that the update is judged by."""
        rng = np.random.default_rng(self.seed)
        order = rng.permuted(np.tile([0, 1], (self.pairs, 1)), axis=1)
        began_s = (2 * np.arange(self.pairs)[:, None] + order) * BLOCK_S
        into_cycle = (began_s + rng.uniform(0, JOB_S)) % JOB_S
        overlap_s = np.maximum(LASTS_S - into_cycle, 0) + np.clip(into_cycle + BLOCK_S - JOB_S, 0, LASTS_S)
        met = overlap_s / LASTS_S
        levels = rng.normal(0, self.noise, (self.pairs, 2)) + self.job * met
        levels[:, 1] += self.effect + self.own * met[:, 1]
        along = lfilter([1.0], [1.0, -0.8], rng.normal(0, self.drift, 2 * self.pairs))
        levels += along[2 * np.arange(self.pairs)[:, None] + order]
        return Measured(
            pairs=tuple(range(self.pairs)),
            cohorts=("cold",),
            settled=Settled({}, np.array([1.0])),
            samples={},
            began_s=began_s[:, :, None],
            levels=levels[:, :, None],
            logins=np.full((1, self.pairs, 2), 400),
            spent_s={},
        )


def part_of(measured: Measured) -> Floats | None:
    found = periodic({"expected": measured}, CUT)
    return None if found is None else found[1]["expected"]


def differences(measured: Measured) -> Floats:
    return np.asarray(measured.levels[:, 1, 0] - measured.levels[:, 0, 0])


def adjusted(run: Run) -> tuple[Floats, Floats]:
    """A run's differences, and what is left of them without what came by the clock."""
    measured = run.measured()
    part, before = part_of(measured), differences(measured)
    return before, before if part is None else without(before, part)


def means(run: Run) -> tuple[Floats, Floats]:
    """The mean differences of many such runs, as they are and adjusted."""
    both = [adjusted(replace(run, seed=seed)) for seed in range(RUNS)]
    return np.array([before.mean() for before, _ in both]), np.array([after.mean() for _, after in both])


def test_a_job_is_found_with_its_period() -> None:
    found = [periodic({"expected": Run(seed=seed).measured()}, CUT) for seed in range(50)]
    assert all(one is not None for one in found)
    told = [one[0] for one in found if one is not None]
    assert max(abs(one.period_s - JOB_S) for one in told) < 0.3
    assert min(one.explained for one in told) > EXPLAINS


@pytest.mark.parametrize("effect", [0.0, 0.12])
def test_a_job_s_noise_is_taken_out_and_the_update_s_effect_stays(effect: float) -> None:
    before, after = means(Run(effect))
    assert after.std() < 0.6 * before.std()
    assert after.mean() == pytest.approx(effect, abs=4 * after.std() / math.sqrt(RUNS))


def test_the_standard_error_that_is_told_is_that_of_the_means_seen() -> None:
    found = [adjusted(Run(seed=seed))[1] for seed in range(RUNS)]
    told = np.mean([after.std(ddof=1) for after in found]) / math.sqrt(PAIRS)
    assert told == pytest.approx(np.std([after.mean() for after in found]), rel=0.12)


def test_equal_arms_differ_by_chance_as_often_as_promised() -> None:
    limit = student.ppf(0.975, PAIRS - 2)
    found = [adjusted(Run(seed=seed))[1] for seed in range(2000)]
    beyond = [abs(after.mean()) > limit * after.std(ddof=1) / math.sqrt(PAIRS) for after in found]
    assert np.mean(beyond) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_what_comes_by_the_clock_on_the_candidate_alone_is_its_own_and_stays() -> None:
    run = Run(job=0.0, own=2 * JOB)
    assert sum(part_of(replace(run, seed=seed).measured()) is not None for seed in range(RUNS)) <= RUNS / 50
    before, after = means(run)
    assert before.mean() > 0.1
    assert after.mean() == pytest.approx(before.mean(), abs=4 * before.std() / math.sqrt(RUNS))


def test_one_of_two_unlike_jobs_on_the_arms_hosts_is_taken_out_without_a_change_of_the_mean() -> None:
    before, after = means(Run(job=JOB, own=JOB))
    assert after.std() < before.std()
    assert after.mean() == pytest.approx(before.mean(), abs=4 * before.std() / math.sqrt(RUNS))


def test_an_update_that_slows_all_its_blocks_is_not_seen_in_it() -> None:
    run = Run(seed=3).measured()
    slower = replace(run, levels=run.levels + np.array([0.0, 0.7])[None, :, None])
    part, as_well = part_of(run), part_of(slower)
    assert part is not None and as_well is not None
    np.testing.assert_allclose(part, as_well)
    without_job = Run(job=0.0, effect=2.0, noise=0.05).measured()
    assert part_of(without_job) is None


@pytest.mark.parametrize("drift", [0.0, 0.1, 0.3])
def test_where_nothing_comes_by_the_clock_nothing_is_found(drift: float) -> None:
    found = [part_of(Run(job=0.0, drift=drift, seed=seed).measured()) for seed in range(200)]
    assert sum(part is not None for part in found) <= 1


def test_a_pair_s_own_blocks_tell_it_nothing() -> None:
    """Or they would take out a part of themselves, and of what the update did."""
    run = Run(seed=5).measured()
    levels = run.levels.copy()
    levels[7] += np.array([-0.3, 0.3])[:, None]
    part, other = part_of(run), part_of(replace(run, levels=levels))
    assert part is not None and other is not None
    apart = 0.6 / float(np.std(levels - levels.mean(axis=(0, 2), keepdims=True)))
    assert abs(other[7] - part[7]) < 0.02 * apart


@pytest.mark.parametrize(
    "design",
    [replace(CUT, duet=True), replace(CUT, interleaved=False), replace(CUT, random_order=False)],
    ids=["duet", "one after the other", "another tool's order"],
)
def test_only_blocks_in_random_order_are_asked(design: Design) -> None:
    assert periodic({"expected": Run().measured()}, design) is None


def test_of_few_pairs_or_blocks_that_are_all_the_same_nothing_is_said() -> None:
    assert part_of(Run(pairs=LEAST_PAIRS - 1).measured()) is None
    assert part_of(Run(pairs=2 * LEAST_PAIRS).measured()) is None, "some 13 cycles"
    assert part_of(Run(job=0.0, noise=0.0).measured()) is None


def test_stages_are_told_of_together_and_a_stage_of_few_pairs_is_left_as_it_is() -> None:
    run = Run(seed=9).measured()
    above = run.first(LEAST_PAIRS - 1)
    found = periodic({"expected": run, "headroom": above}, CUT)
    assert found is not None and set(found[1]) == {"expected"}
    both = periodic({"expected": run, "headroom": run.first(40)}, CUT)
    assert both is not None and {stage: len(part) for stage, part in both[1].items()} == {
        "expected": 60,
        "headroom": 40,
    }


def test_blocks_without_a_login_are_left_out() -> None:
    run = Run(seed=11).measured()
    levels, began_s = run.levels.copy(), run.began_s.copy()
    levels[4:9, 0], began_s[4:9, 0] = math.nan, math.nan
    part = part_of(replace(run, levels=levels, began_s=began_s))
    assert part is not None and not part[4:9].any() and part.any()
    nothing = np.full_like(levels, math.nan)
    assert part_of(replace(run, levels=nothing, began_s=nothing, logins=np.zeros((1, PAIRS, 2), dtype=int))) is None


numbers = arrays(np.float64, 40, elements=st.floats(-5, 5, width=32))


@given(numbers, numbers, st.floats(0.1, 50))
def test_how_large_a_part_is_does_not_matter(before: Floats, part: Floats, scale: float) -> None:
    np.testing.assert_allclose(without(before, scale * part), without(before, part), atol=1e-6)


@given(numbers, st.floats(-5, 5))
def test_a_part_that_is_the_same_in_all_pairs_takes_nothing_out(before: Floats, same: float) -> None:
    np.testing.assert_allclose(without(before, np.full(40, same)), before)


@given(numbers, numbers)
def test_pairs_that_were_faster_where_more_came_are_left_as_they_are(before: Floats, part: Floats) -> None:
    assume((part - part.mean()) @ before < -1e-3)
    assert without(before, part) is before


def test_the_levels_that_are_told_are_those_of_arms_that_met_as_much() -> None:
    """Their ratio is the change that is told."""
    rng = np.random.default_rng(12)
    part = rng.normal(0.4, 1.0, 39)
    logs = rng.normal(math.log(0.2), 0.02, (39, 2)) + np.outer(part, [-0.1, 0.1])
    sample = replace(_sample(np.exp(logs)), met_more=part)
    (bounding,) = boundings([sample], DESIGN, POLICY)
    found, plain = (shift_of(s, bounding, POLICY.margins) for s in (sample, replace(sample, met_more=None)))
    assert found.candidate / found.baseline == pytest.approx(math.exp(found.estimate))
    assert found.candidate * found.baseline == pytest.approx(plain.candidate * plain.baseline)
    assert abs(found.estimate) < 0.02 < plain.estimate
    assert found.se < plain.se / 3
    assert found.low < 0 < found.high < plain.high


def _sample(values: Floats) -> Sample:
    return Sample(Metric("cold", "login", "p50"), 1, values, np.full(values.shape, 500))
