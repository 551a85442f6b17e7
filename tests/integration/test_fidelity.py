"""What a run records of each step is what a capture of the same run saw on the wire."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.lab.domain import Lab
from harness.model.policy import Policy
from harness.model.target import Targets
from harness.run.execute import execute
from harness.run.request import RunRequest
from tests.benchmarks.fidelity import EMBEDDED, places, recorded_times, scenario_of
from tests.helpers.wire_times import capturing, step_times

pytestmark = pytest.mark.integration

RATE, SECONDS = 20, 8.0


def test_each_step_is_recorded_as_often_and_takes_as_long_as_the_wire_says(
    require_domain: None, require_capture: None, cache: Path, tmp_path: Path
) -> None:
    """Recorded and captured times are of the same packets, so they agree however busy the machine is."""
    with Lab(("baseline",), credentials="keytab") as lab:
        arm = lab.arms["baseline"]
        kdc, ldap = arm.ports["kdc"], arm.ports["ldap"]
        targets = Targets.model_validate(lab.targets)
        request = RunRequest(
            scenario_of(RATE, SECONDS, EMBEDDED), targets, Policy(), tmp_path, ("baseline",), early_stop=False
        )
        with capturing(tmp_path / "run.pcapng", [kdc, ldap], SECONDS + 120):
            folder = execute(request, lambda _: None)
    wire = step_times(tmp_path / "run.pcapng", kdc, ldap, places(folder))
    recorded = recorded_times(folder)
    assert tuple(recorded) == EMBEDDED
    for step in EMBEDDED:
        # The one login before the load is in the capture alone, as its first.
        captured = wire[step][1:]
        assert len(captured) == len(recorded[step]), step
        for quantile in (0.25, 0.5, 0.75):
            here, there = (float(np.quantile(times, quantile)) for times in (recorded[step], captured))
            assert there - 0.05 <= here <= 1.25 * there + 0.15, (
                f"{step} at {quantile}: {here} ms recorded, {there} captured"
            )
