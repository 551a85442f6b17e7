"""What a budget allows is said before any load; what can't be is an error with its reason."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harness.cli.budget import Duration, tell
from harness.cli.main import main
from harness.config import shipped
from harness.config.load import load_scenario, load_targets
from harness.errors import ConfigError
from harness.model.policy import Policy
from harness.studies.budget import Budget, budget_of

RUSH = load_scenario(shipped.find("morning-rush", shipped.SCENARIOS))
TARGETS = load_targets(shipped.SCENARIOS / "targets" / "pre-production.yaml")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("10min", 600), ("1.5h", 5400)])
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["10", "m", "-5m", "1d", "1e9s", "nan"])
def test_a_time_without_one_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="10m"):
        Duration().convert(text, None, None)


def test_a_budget_holds_the_preparation_that_max_rate_makes_wait() -> None:
    free = budget_of(RUSH, TARGETS.model_copy(update={"max_rate": None}), Policy(), 600)
    bound = budget_of(RUSH, TARGETS, Policy(), 600)
    assert free.pairs == 36  # (600 - 15) / 16
    assert 0 < bound.pairs < free.pairs


def test_a_budget_longer_than_the_plan_is_the_plan() -> None:
    found = budget_of(RUSH, TARGETS, Policy(), 7200)
    assert (found.pairs, found.cuts) == (80, False)


def test_a_budget_without_a_look_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--budget: expected .* min at least, for 4 pairs"):
        budget_of(RUSH, TARGETS, Policy(), 60)


def test_what_it_will_tell_is_said_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    tell(RUSH, Policy(), budget_of(RUSH, TARGETS.model_copy(update={"max_rate": None}), Policy(), 600), None)
    said = capsys.readouterr().out
    assert said.startswith("Budget 10 min: 36 of the plan's 80 pairs of 16 s")
    tell(RUSH, Policy(), Budget(40.0, 2, 80), None)
    assert capsys.readouterr().out.startswith("Budget 40 s: ")
    assert "A PASS needs" in said and "or be continued" in said
    assert "authgate calibrate" in said


def test_a_scenario_and_a_run_to_continue_are_not_both_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (["gate"], ["gate", "morning-rush", "--continue", str(tmp_path)]):
        assert main([*argv, "--targets", str(shipped.SCENARIOS / "targets" / "pre-production.yaml")]) == 2
        assert "--continue RUN in its place" in capsys.readouterr().err
