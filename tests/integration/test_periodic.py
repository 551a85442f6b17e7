"""Periodic interference on real servers: both arms' directories are slowed by the clock, and the gate says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.lab.domain import Lab
from tests.helpers.running import POLICY, SCENARIO, Inputs, of_three, stopped, unless_late

pytestmark = pytest.mark.integration

EVERY_S, LASTS_S, STOPPED_S = 4.0, 0.8, 0.02
INTERLEAVED: dict[str, Any] = {
    **SCENARIO,
    "population": {"users": 100, "cold_share": 1},
    "blocks": {"length_s": 0.5, "trim_s": 0.1, "per_pair": 2, "pairs": 36},
}
LATE: dict[str, Any] = {**POLICY, "looks": {**POLICY["looks"], "pass_from": 34}}
"""It doesn't pass before 16 periods are there, so that they can be found."""


@contextmanager
def slowed_by_the_clock(pids: list[int]) -> Iterator[None]:
    """As beside a job of 0.8 s every 4 s that takes most of a core: the processes run for a fifth of it at most."""
    over = threading.Event()

    def job() -> None:
        while not over.is_set():
            time.sleep(EVERY_S - time.time() % EVERY_S)
            began = time.time()
            while time.time() - began < LASTS_S:
                with stopped(*pids):
                    time.sleep(STOPPED_S)
                time.sleep(STOPPED_S / 4)

    thread = threading.Thread(target=job)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_job_beside_both_arms_is_found_with_its_period_and_equal_arms_pass(
    tmp_path: Path, require_domain: None
) -> None:
    with Lab() as lab, slowed_by_the_clock([arm.slapd_pid for arm in lab.arms.values()]):

        def gated(folder: Path) -> tuple[int, dict[str, Any], str]:
            inputs = Inputs(folder)
            done = unless_late(inputs, inputs.command(lab.targets, INTERLEAVED, LATE))
            return done.returncode, inputs.verdict(), done.stdout + done.stderr

        code, verdict, said = of_three(
            tmp_path, gated, lambda found: found[0] == 0 and found[1]["periodic"] is not None
        )
    assert code == 0, said
    assert verdict["periodic"]["period_s"] == pytest.approx(EVERY_S, rel=0.03), said
    assert verdict["periodic"]["explained"] > 0.3
    assert any("Both arms were slower every" in notice for notice in verdict["notices"])
