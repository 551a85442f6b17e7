"""How many pairs a run needs is worked out and not counted, and nothing of a policy or scenario is without bound."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli.main import main
from harness.config.load import load_policy, load_scenario, load_targets
from harness.errors import ConfigError
from harness.model.base import NAME_AT_MOST
from harness.model.metric import STAGES
from harness.model.policy import Policy
from harness.model.scenario import LOGINS_AT_MOST, Scenario
from harness.run.assess import design_of
from harness.run.request import RunRequest, least_pairs
from harness.stats.shift import LEAST_LOOK
from harness.studies.soak import SoakPlan
from tests.helpers.documents import POLICY, SCENARIO, TARGETS


def counted(scenario: Scenario, policy: Policy) -> int:
    """The least number of pairs, by trying one after the other."""
    design = design_of(scenario)
    above = LEAST_LOOK if design.headroom_every and policy.margins.headroom.any else 0
    life = 0 if policy.quick else -(-policy.looks.pass_after_s // design.pair_s) + 1
    for pairs in count(1):
        stages = replace(design, horizon_pairs=pairs)
        expected, headroom = (stages.horizon(stage, policy.discard_pairs) for stage in STAGES)
        if expected >= policy.looks.pass_from and headroom >= above and pairs >= life:
            return pairs
    raise AssertionError


@settings(max_examples=300)
@given(
    every=st.none() | st.integers(2, 100),
    discarded=st.integers(0, 60),
    pass_from=st.integers(3, 60),
    after_s=st.sampled_from([0.0, 600.0, 660.0, 5000.0]),
    judged_above=st.booleans(),
)
def test_the_pairs_that_a_run_needs_are_those_that_counting_finds(
    every: int | None, discarded: int, pass_from: int, after_s: float, judged_above: bool
) -> None:
    base: dict[str, Any] = {"name": "a", "steps": ["kdc_as"], "population": {"users": 1},
                            "arrivals": {"curve": "constant", "rate": 1}}  # fmt: skip
    scenario = Scenario.model_validate({**base, "headroom": None if every is None else {"every": every}})
    policy = Policy.model_validate(
        {
            "discard_pairs": discarded,
            "quick": after_s < 600,
            "looks": {"pass_from": pass_from, "pass_after_s": after_s},
            "margins": {} if judged_above else {"headroom": {"p95": None, "failure_rate": None}},
        }
    )
    assert least_pairs(scenario, policy) == counted(scenario, policy)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("looks: {", "discard_pairs: 99999999\nlooks: {", ":5: discard_pairs: expected a number of at most 10000"),
        ("pass_after_s: 600", "pass_after_s: 1e9", ":5: looks.pass_after_s: expected a number of at most 86400"),
        ("pass_from: 12", "pass_from: 10000000", ":5: looks.pass_from: expected a number of at most 10000"),
        ("block_from: 3", "block_from: 10000000", ":5: looks.block_from: expected a number of at most 10000"),
        ("floor_ms: 5", "floor_ms: 1e300", ":4: margins.login.p50.floor_ms: expected a number of at most 1e+06"),
        ("relative: 0.10", "relative: 1e7", ":4: margins.login.p50.relative: expected a number of at most 1e+06"),
        ("name: strict", f"name: {'a' * 226}", ":1: name: string should have at most 100 characters"),
    ],
)
def test_a_policys_number_beyond_all_measure_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"{path}{said}")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("length_s: 15", "length_s: 1e-300", ":14: blocks.length_s: expected a number of at least 0.05"),
        ("trim_s: 4", "trim_s: 4\n  pairs: 100000", ":16: blocks.pairs: expected a number of at most 10000"),
        ("length_s: 15", "length_s: 86400\n  pairs: 10000", ":13: blocks: expected 20,000,000 logins in a run at most"),
        ("name: rush", f"name: rush\nseed: {'9' * 300}", ":2: seed: expected a number below"),
        ("name: rush", f"name: {'a' * 226}", ":1: name: string should have at most 100 characters"),
    ],
)
def test_a_scenario_that_nobody_could_run_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_what_a_study_makes_of_a_scenario_is_refused_as_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO.replace("name: rush", f"name: {'a' * NAME_AT_MOST}"))
    scenario = load_scenario(path)
    soaked = SoakPlan(1, "candidate", 1).scenario(scenario)
    assert soaked.name.endswith("-soak") and len(soaked.name) == NAME_AT_MOST
    for plan in (SoakPlan(0.0001, "candidate"), SoakPlan(24, "candidate", 10_000)):
        with pytest.raises(ConfigError, match=r"a soak of .* hours at .* logins/s: blocks"):
            plan.scenario(scenario)
    assert LOGINS_AT_MOST >= 10_000_000


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    both = TARGETS + TARGETS[TARGETS.index("  baseline:") :].replace("baseline", "candidate")
    for name, text in (("s.yaml", SCENARIO), ("t.yaml", both), ("p.yaml", POLICY)):
        Path(name).write_text(text)
    return tmp_path


GATE = ("gate", "s.yaml", "--targets", "t.yaml", "--policy", "p.yaml")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("s.yaml", "  trim_s: 4", "  trim_s: 4\n  pairs: 2", "s.yaml:16: blocks.pairs: expected at least"),
        ("s.yaml", "[kdc_as,", "[kdc_as, kdc_tgs_host,", "t.yaml:3: arms.baseline.services.host: expected a value"),
        ("t.yaml", "127.0.0.1:389", "192.0.2.7:389", "t.yaml:1: environment: expected pre-production for 192.0.2.7"),
        ("t.yaml", "environment: lab", "environment: lab\nmax_rate: 1", "t.yaml:2: max_rate: expected a scenario"),
    ],
)
def test_a_refusal_that_depends_on_two_files_names_the_line_to_look_at(
    inputs: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, said: str
) -> None:
    text = (inputs / file).read_text()
    (inputs / file).write_text(text.replace(old, new, 1))
    assert main(list(GATE)) == 2
    assert said in capsys.readouterr().err


def test_an_arm_that_is_missing_is_missed_where_the_arms_stand(
    inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("t.yaml").write_text(TARGETS)
    assert main(list(GATE)) == 2
    assert capsys.readouterr().err.startswith("t.yaml:2: arms: expected candidate too, got baseline")


def test_documents_are_equal_wherever_they_were_read(inputs: Path) -> None:
    elsewhere = inputs / "other.yaml"
    elsewhere.write_text("# a comment\n" + SCENARIO)
    one, other = load_scenario(Path("s.yaml")), load_scenario(elsewhere)
    assert one == other == Scenario.model_validate(one.model_dump())
    assert (one.place("blocks.pairs"), other.place("blocks.pairs")) == (
        "s.yaml:13: blocks.pairs",
        f"{elsewhere}:14: blocks.pairs",
    )
    request = RunRequest(one, load_targets(Path("t.yaml")), load_policy(Path("p.yaml")), inputs)
    assert Scenario.model_validate(one.model_dump()).place("seed") == "scenario: seed"
    assert request.scenario.name == "rush"
