"""Runs with a known truth, judged at every look: errors no more frequent than promised."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from harness.gate.findings import decide
from harness.gate.judge import judge
from harness.model.comparison import QuantileShift
from harness.model.metric import Metric
from harness.model.policy import LoginMargins, Margin, Margins, StepMargins
from harness.model.verdict import Kind
from harness.stats.compare import compare
from harness.stats.samples import Sample
from harness.stats.shift import boundings, shift_of
from tests.helpers.synthetic import DESIGN, HEALTH, POLICY, RUNNING, World, table_of

pytestmark = pytest.mark.slow

HORIZON = DESIGN.horizon_pairs - POLICY.discard_pairs
METRICS = [
    *(Metric("cold", "login", q) for q in ("p50", "p95", "p99")),  # type: ignore[arg-type]
    *(Metric("cold", step, q) for step in ("kdc_as", "ldap_bind") for q in ("p50", "p95")),  # type: ignore[arg-type]
]
EMPTY = np.empty((0, 2))
BOUNDINGS = boundings([Sample(metric, 1, EMPTY, EMPTY.astype(int)) for metric in METRICS], DESIGN, POLICY)
MARGIN = Margin(relative=0.10)
MARGINS = Margins(login=LoginMargins(p50=MARGIN, p95=MARGIN, p99=MARGIN), step=StepMargins(p50=MARGIN, p95=MARGIN))
LOG_MARGIN = float(np.log(1.10))
SD = 0.09
"""Of D from pair to pair, as the design's simulation has it."""


@dataclass(frozen=True)
class Path:
    """One run at every look, whether it is stopped or not: did some bound ever err, and what would the gate say?"""

    low_was_wrong: bool
    high_was_wrong: bool
    first: str


def run(true_d: float, rng: np.random.Generator) -> Path:
    """Blocks whose metrics share half of their noise, with one true shift."""
    shared = rng.normal(0, SD * np.sqrt(0.5), (HORIZON, 1))
    d = true_d + shared + rng.normal(0, SD * np.sqrt(0.5), (HORIZON, len(METRICS)))
    values = [0.1 * np.exp(np.column_stack([np.zeros(HORIZON), column])) for column in d.T]
    counts = np.full((HORIZON, 2), 500)
    low_wrong = high_wrong = False
    first = ""
    for n in range(3, HORIZON + 1):
        shifts = [
            shift_of(
                Sample(metric, 1, values[i][:n], counts[:n]),
                BOUNDINGS[i],
                MARGINS,
            )
            for i, metric in enumerate(METRICS)
        ]
        low_wrong |= any(s.low > true_d for s in shifts)
        high_wrong |= shifts[0].high < true_d
        first = first or _decision(shifts)
    return Path(low_wrong, high_wrong, first)


def _decision(shifts: list[QuantileShift]) -> str:
    decisions = {decide(s) for s in shifts}
    if "block" in decisions:
        return "block"
    return "pass" if decisions <= {"pass", "notice"} else ""


@pytest.fixture(scope="module")
def equal() -> list[Path]:
    rng = np.random.default_rng(16)
    return [run(0.0, rng) for _ in range(400)]


def test_an_equal_candidate_is_never_blocked_and_usually_passed(equal: list[Path]) -> None:
    assert not any(path.first == "block" for path in equal)
    assert sum(path.first == "pass" for path in equal) > 380


def test_the_bounds_hold_over_all_looks_as_often_as_promised(equal: list[Path]) -> None:
    # 10 wrong of 400 are expected at 2.5 %; 20 or more have a chance of 0.3 %.
    assert sum(path.low_was_wrong for path in equal) <= 19
    assert sum(path.high_was_wrong for path in equal) <= 19


def test_twice_the_margin_is_never_passed_and_always_blocked() -> None:
    rng = np.random.default_rng(17)
    assert [run(2 * LOG_MARGIN + 0.05, rng).first for _ in range(30)] == ["block"] * 30


def test_a_shift_at_its_margin_is_seldom_passed_and_seldom_blocked() -> None:
    rng = np.random.default_rng(18)
    first = [run(LOG_MARGIN, rng).first for _ in range(60)]
    assert first.count("pass") <= 6
    assert first.count("block") <= 6


@pytest.mark.parametrize(
    ("world", "kind", "step"),
    [
        (World(), Kind.PASS, None),
        (World(factor=0.9), Kind.PASS, None),
        (World(factor=1.35), Kind.BLOCK, None),
        (World(factors={"kdc_tgs_ldap": 1.9}), Kind.BLOCK, "kdc_tgs_ldap"),
        (World(failing=0.02, failing_step="ldap_groups"), Kind.BLOCK, "ldap_groups"),
        (World(stalled=0.015), Kind.BLOCK, "ldap_bind"),
    ],
)
def test_a_planted_fault_is_found_and_its_step_named(world: World, kind: Kind, step: str | None) -> None:
    for seed in range(3):
        table = table_of(replace(world, pairs=40, seed=seed))
        for pairs in range(4, 41):
            verdict = judge(compare(table, DESIGN, POLICY, range(pairs)), HEALTH, RUNNING, POLICY)
            if verdict.final:
                break
        assert verdict.kind is kind
        if step is not None:
            assert verdict.blamed_step == step
