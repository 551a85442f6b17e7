"""The benchmark of operating characteristics: its worlds, its looks and its table, in a few short runs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.gate.judge import judge
from harness.model.metric import Metric
from harness.model.site import UNCALIBRATED, Site
from harness.stats.compare import compare, concluded
from tests.benchmarks.operating_characteristics.__main__ import main
from tests.benchmarks.operating_characteristics.calibrated import repeat_of, site_of
from tests.benchmarks.operating_characteristics.environments import FAST, PERIODIC, ROUGH, USUAL, surroundings
from tests.benchmarks.operating_characteristics.judged import (
    HEALTH,
    RUNNING,
    Outcome,
    deciding_looks,
    login_shifts,
    measured,
    outcome,
    seen_by,
)
from tests.benchmarks.operating_characteristics.rivals import RIVALS, bootstrap_low, kayenta_is_high
from tests.benchmarks.operating_characteristics.rows import (
    DUET_10,
    INTERLEAVED_10,
    INTERLEAVED_20,
    LAYOUTS,
    QUICK,
    ROWS,
    policy_of,
)
from tests.benchmarks.operating_characteristics.table import as_json, cell_of, from_json, markdown
from tests.benchmarks.operating_characteristics.world import Candidate, Layout, served, simulate

pytestmark = pytest.mark.slow

RUNS = 6
NOMINAL_S = 0.35
TWICE = Candidate(factor=1.24)
"""Above twice its margin at p50 and p95."""


def runs_of(row: str, candidate: Candidate, layout: Layout = DUET_10) -> list[Outcome]:
    return [outcome(row, candidate, layout, policy_of(layout), 16, run, NOMINAL_S) for run in range(RUNS)]


@pytest.fixture(scope="module")
def equal() -> list[Outcome]:
    return runs_of("equal", Candidate())


@pytest.fixture(scope="module")
def twice() -> list[Outcome]:
    return runs_of("twice-margin", TWICE)


def test_an_equal_candidate_is_never_blocked(equal: list[Outcome]) -> None:
    assert {o.kind for o in equal} <= {"PASS", "INCONCLUSIVE"}


def test_twice_the_margin_is_never_passed(twice: list[Outcome]) -> None:
    assert {o.kind for o in twice} <= {"BLOCK", "INCONCLUSIVE"}
    assert np.mean([o.shift[0] for o in twice]) > 2 * math.log(1.1)


def test_the_noise_of_an_interleaved_run_is_the_design_s_and_less_where_blocks_alternate_in_a_pair() -> None:
    long, several = (
        np.mean([outcome("equal", Candidate(), layout, QUICK, 16, i, NOMINAL_S).sd[0] for i in range(4)])
        for layout in (LAYOUTS["interleaved-20-long"], INTERLEAVED_20)
    )
    assert 0.06 < long < 0.12 and several < 0.7 * long


@pytest.mark.parametrize("candidate", [Candidate(), TWICE, ROWS["failures"].candidate])
def test_a_look_that_is_not_judged_could_not_have_decided(candidate: Candidate) -> None:
    layout, policy = INTERLEAVED_10, QUICK
    stages = measured(simulate(candidate, layout, (16, 3)), layout, policy)
    looks = set(deciding_looks(stages, layout, policy, UNCALIBRATED))
    for pairs in range(4, layout.pairs):
        comparison = concluded(seen_by(stages, pairs), pairs, layout.design, policy)
        assert pairs in looks or not judge(comparison, HEALTH, RUNNING, policy).final


@pytest.mark.parametrize("pairs", [4, 9, 20])
def test_a_look_at_a_growing_run_sees_what_a_run_of_that_length_would_have_shown(pairs: int) -> None:
    table, policy = simulate(TWICE, INTERLEAVED_10, (16, 3)), policy_of(INTERLEAVED_10)
    design = INTERLEAVED_10.design
    there = compare(table, design, policy, range(pairs))
    stages = measured(table, INTERLEAVED_10, policy)
    here = concluded({stage: whole.first(pairs - 1) for stage, whole in stages.items()}, pairs, design, policy)
    assert {(s.metric, s.low, s.high) for s in here.shifts} == {(s.metric, s.low, s.high) for s in there.shifts}
    assert (here.leak, here.candidate_p95_s) == (there.leak, there.candidate_p95_s)


def test_a_lost_server_shows_above_the_peak_and_hides_below_it() -> None:
    layout = INTERLEAVED_20
    found = measured(simulate(ROWS["lost-server"].candidate, layout, (16, 1)), layout, policy_of(layout))
    d = {
        stage: np.log(sample.values[:, 1] / sample.values[:, 0]).mean()
        for stage, whole in found.items()
        for metric, sample in whole.samples.items()
        if metric == Metric("cold", "login", "p95", stage)
    }
    assert d["headroom"] > math.log(1.3) > 2 * d["expected"]


def test_against_yesterday_s_baseline_nothing_passes_and_only_the_gross_blocks_where_levels_are_known() -> None:
    layout = LAYOUTS["stored-20-calibrated"]
    known = site_of(layout, [repeat_of(layout, number) for number in range(layout.calibrated)], (16,))

    def kinds(factor: float, site: Site) -> set[str]:
        found = [
            outcome("doubled", Candidate(factor=factor), layout, policy_of(layout), 16, run, NOMINAL_S, site)
            for run in range(RUNS // 2)
        ]
        return {o.kind for o in found}

    assert kinds(1.0, known) == kinds(1.0, UNCALIBRATED) == kinds(1.5, UNCALIBRATED) == {"INCONCLUSIVE"}
    assert kinds(1.5, known) == {"BLOCK"}


def test_the_same_seed_gives_every_candidate_the_same_arrivals() -> None:
    before, after = (simulate(candidate, DUET_10, (16, 0)) for candidate in (Candidate(), TWICE))
    assert np.array_equal(before.intended_s, after.intended_s)
    assert np.array_equal(before.response_s[before.arm == 0], after.response_s[after.arm == 0])
    offsets = [before.offset_s[(before.pair == 4) & (before.arm == arm)] for arm in (0, 1)]
    assert np.array_equal(*offsets)


def test_a_pool_serves_in_order_of_arrival_and_takes_up_nothing_in_a_pause() -> None:
    ready = np.array([[0.0, 0.1, 0.2, np.inf]])
    service = np.array([[1.0, 1.0, 1.0, 1.0]])
    assert served(ready, service, np.array([1])).tolist() == [[1.0, 2.0, 3.0, math.inf]]
    assert served(ready, service, np.array([2])).tolist() == [[1.0, 1.1, 2.0, math.inf]]
    pause = (np.array([0.05]), np.array([0.5]))
    assert served(ready, service, np.array([3]), pause).tolist() == [[1.0, 1.5, 1.5, math.inf]]


def test_rivals_see_a_gross_difference_and_none_where_there_is_none() -> None:
    values = np.sort(np.random.default_rng(1).lognormal(size=2000))
    assert bootstrap_low(values, values, 0.95, (1,)) < 1 < bootstrap_low(values, 2 * values, 0.95, (1,))
    assert kayenta_is_high(values[:40] + 9.0, values[:40])
    assert not kayenta_is_high(values[::50], values[1::50])


def test_the_table_names_rows_designs_and_rivals(equal: list[Outcome], twice: list[Outcome]) -> None:
    cells = [cell_of(equal), cell_of(twice)]
    text = markdown(cells, ["a fact"])
    assert f"| {ROWS['equal'].title} |" in text
    assert DUET_10.title in text
    assert "(n=6)" in text
    assert "- a fact" in text
    assert "nan" not in text
    assert cells[0].block == 0
    assert cells[1].passed == 0
    assert set(cells[0].rivals) == set(RIVALS)
    assert as_json(cells)[1]["row"] == "twice-margin"


def test_a_table_made_in_several_sittings_has_the_later_cell_of_each_row_and_design(
    equal: list[Outcome], twice: list[Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(as_json([cell_of(equal[:2]), cell_of(twice)])), "utf-8")
    later = tmp_path / "later.json"
    later.write_text(json.dumps(as_json([cell_of(equal)])), "utf-8")
    made = tmp_path / "made.json"
    assert main(["--runs", "0", "--onto", str(kept), str(later), "--out", str(made)]) == 0
    cells = from_json(json.loads(made.read_text("utf-8")))
    assert [(cell.row, cell.runs) for cell in cells] == [("equal", len(equal)), ("twice-margin", len(twice))]
    assert f"{len(equal) + len(twice)} simulated runs" in capsys.readouterr().out


def test_the_noisier_hosts_are_as_noisy_as_they_say() -> None:
    usual, rough, job, fast = (
        np.log(surroundings(600, np.random.default_rng(3), where)) for where in (USUAL, ROUGH, PERIODIC, FAST)
    )
    assert rough.std() > 1.8 * usual.std() and fast.std() > 1.8 * usual.std()
    lag = round(30.0 / 0.5)
    assert all(np.corrcoef(other[:-lag], other[lag:])[0, 1] < 0.65 for other in (usual, fast))
    assert np.corrcoef(job[:-lag], job[lag:])[0, 1] > 0.75
    assert np.corrcoef(fast[:-lag], fast[lag:])[0, 1] < 0.75 * np.corrcoef(usual[:-lag], usual[lag:])[0, 1]


@pytest.mark.parametrize("burst", [{"burst": 3.0}, {"burst_added": 0.2}])
def test_an_update_s_bursts_fall_on_blocks_of_the_candidate_alone(burst: dict[str, float]) -> None:
    quiet, bursting = (
        measured(simulate(Candidate(bursts=share, **burst), INTERLEAVED_20, (16, 1)), INTERLEAVED_20, QUICK)
        for share in (0.0, 0.2)
    )
    slow = Metric("all", "login", "slow_rate")
    before, after = quiet["expected"].samples[slow].values, bursting["expected"].samples[slow].values
    assert np.array_equal(before[:, 0], after[:, 0])
    assert 0.1 < np.mean(after[:, 1] > 0.02) < 0.35


def test_where_each_arm_drifts_by_itself_pairs_follow_each_other() -> None:
    def following(name: str) -> float:
        layout, found = LAYOUTS[name], []
        for run in range(8):
            p50 = login_shifts(measured(simulate(Candidate(), layout, (16, run)), layout, QUICK)["expected"])["p50"]
            found.append(np.corrcoef(p50[:-1], p50[1:])[0, 1])
        return float(np.mean(found))

    apart, together = following("own-hosts-20"), following("interleaved-20")
    assert apart > 0.15 > together, (apart, together)


def test_beside_a_job_its_noise_is_taken_out_and_the_judge_looks_after_each_pair() -> None:
    layout = LAYOUTS["periodic-20"]
    stages = measured(simulate(Candidate(), layout, (3, 1)), layout, policy_of(layout))
    found = concluded(stages, layout.pairs, layout.design, policy_of(layout))
    assert found.periodic is not None and found.periodic.period_s == pytest.approx(30, abs=0.1)
    for shift in found.shifts:
        sample = stages[shift.metric.stage].samples[shift.metric]
        if (sample.metric.step, sample.metric.statistic) in {("login", "p50"), ("login", "p95")}:
            plain = np.log(sample.values[:, 1] / sample.values[:, 0])
            assert shift.differences.std() < (0.7 if shift.metric.stage == "headroom" else 0.97) * plain.std()
            assert shift.candidate / shift.baseline == pytest.approx(math.exp(shift.estimate))
    looks = list(deciding_looks(stages, layout, policy_of(layout), UNCALIBRATED))
    assert looks == list(range(looks[0], layout.pairs))
