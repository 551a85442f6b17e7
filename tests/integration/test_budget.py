"""A gate within a budget, and the run that continues it, on real servers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.lab.domain import Lab
from tests.helpers.running import AUTHGATE, NO_LEAK, POLICY, SCENARIO, Inputs, finished, unless_late

pytestmark = pytest.mark.integration

LONGER = {**SCENARIO, "blocks": {**SCENARIO["blocks"], "pairs": 16}}
SLOW_TO_PASS = {**POLICY, "looks": {"block_from": 3, "pass_from": 12, "pass_after_s": 0}, "leak": NO_LEAK}


@pytest.fixture(scope="module")
def lab(require_domain: None) -> Any:
    with Lab() as running:
        yield running


def verdict_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    return found


def test_a_budget_ends_a_run_in_time_and_its_continuation_passes_by_all_pairs(lab: Lab, tmp_path: Path) -> None:
    inputs = Inputs(tmp_path)
    done = unless_late(inputs, [*inputs.command(lab.targets, LONGER, SLOW_TO_PASS), "--budget", "30s"])
    assert done.returncode == 20, done.stdout + done.stderr
    # A gate that was held up for a pair's time notices after one more.
    assert re.search("[67] of the plan's 16 pairs", done.stdout) and "A PASS needs 13 pairs" in done.stdout
    first = inputs.run
    assert verdict_of(first)["pairs_used"] in (5, 6)
    assert f"authgate gate --continue {first}" in done.stdout

    targets = str(tmp_path / "targets.yaml")
    again = finished([*AUTHGATE, "gate", "--continue", str(first), "--targets", targets])
    assert again.returncode == 0, again.stdout + again.stderr
    assert "looks that its plan had left" in again.stdout
    (second,) = (path for path in inputs.results.iterdir() if path.is_dir() and path != first)
    verdict = verdict_of(second)
    assert verdict["verdict"] == "PASS"
    assert 12 <= verdict["pairs_used"] <= 14
    assert any(first.name in notice for notice in verdict["notices"])
    stored = finished([*AUTHGATE, "compare", str(second)])
    assert stored.returncode == 0, "the same verdict comes from what is on disk"

    passed = finished([*AUTHGATE, "gate", "--continue", str(second), "--targets", targets])
    assert passed.returncode == 2
    assert "expected a run that was INCONCLUSIVE, got PASS" in passed.stderr
