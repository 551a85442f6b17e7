"""The shipped cold logon, gated on Active Directory: shortened, and otherwise as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config.shipped import SCENARIOS, find
from harness.lab.ad.changes import PROCESS_MODEL_STANDARD
from harness.lab.ad.domain import AdLab
from tests.helpers.running import POLICY, Inputs, of_three, unless_late

pytestmark = pytest.mark.integration

SHORT: dict[str, Any] = {
    **yaml.safe_load(find("cold-logon", SCENARIOS).read_text(encoding="utf-8")),
    "population": {"users": 100, "cold_share": 1},
    "blocks": {"length_s": 4, "trim_s": 1, "pairs": 14},
}
SHORTER = {**SHORT, "blocks": {"length_s": 3, "trim_s": 0.6, "pairs": 14}}
"""Enough for a median, and too few logins for few failures to be shown soon."""
# The steps by the margins of the catalogue's replays; the whole login stays as wide as in other tests.
STEPWISE = {**POLICY, "margins": {**POLICY["margins"], "step": {"p50": {"relative": 0.25, "floor_ms": 3}, "p95": None}}}


def gated(
    lab: AdLab, folder: Path, scenario: dict[str, Any], policy: dict[str, Any]
) -> tuple[int, dict[str, Any], str]:
    """The gate's exit code, its verdict, and what it said."""
    inputs = Inputs(folder)
    done = unless_late(inputs, inputs.command(lab.targets, scenario, policy), timeout_s=300)
    return done.returncode, inputs.verdict() if inputs.results.exists() else {}, done.stdout + done.stderr


def test_equal_domain_controllers_pass_the_cold_logon(tmp_path: Path, require_ad_lab: None) -> None:
    with AdLab() as lab:
        code, verdict, said = of_three(
            tmp_path, lambda folder: gated(lab, folder, SHORT, POLICY), lambda found: found[0] == 0
        )
    assert code == 0, said
    assert {f["step"] for f in verdict["findings"] if f["decision"] in ("pass", "notice")} >= set(SHORT["steps"])


def test_a_domain_controller_that_forks_for_each_connection_is_blocked_and_a_new_connection_blamed(
    tmp_path: Path, require_ad_lab: None
) -> None:
    with AdLab(change=PROCESS_MODEL_STANDARD) as lab:
        code, verdict, said = of_three(
            tmp_path, lambda folder: gated(lab, folder, SHORTER, STEPWISE), lambda found: found[0] != 20
        )
    assert code == 10, said
    # What a fork costs falls to the connection, or to the first operations on it.
    assert verdict["blamed_step"] in ("ldap_connect", "ldap_rootdse", "ldap_bind")
