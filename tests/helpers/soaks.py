"""Soaks of two hours, with what grows in them, and their verdicts."""

from __future__ import annotations

import math

import numpy as np

from harness.gate.soak import judge_soak
from harness.model.comparison import Fade
from harness.model.health import RunState
from harness.model.metric import Statistic
from harness.model.policy import Policy
from harness.model.soak import Growth, Soak, SoakBlocks, StepGrowth
from harness.model.target import Arm
from harness.model.verdict import Verdict
from tests.helpers.synthetic import ENDED, SOUND

POLICY = Policy()
MARGIN = math.log1p(POLICY.soak.growth_per_minute)
ALL: tuple[Statistic, ...] = ("p50", "p95", "failure_rate", "slow_rate")


def growth(statistic: Statistic, slope: float = 0.0, half: float = 1e-5) -> Growth:
    """A growth with symmetrical bounds; the margin of rates is 0.2 points an hour."""
    rate = statistic in ("failure_rate", "slow_rate")
    start = 0.001 if rate else 0.2
    return Growth(
        statistic=statistic, start=start, end=start + 120 * slope if rate else start * math.exp(120 * slope),
        slope=slope, low=slope - half, high=slope + half, margin=0.002 / 60 if rate else MARGIN,
        detectable=2e-4, p_value=1e-5 if slope > half else 0.4,
    )  # fmt: skip


def soak(*changed: Growth, arm: Arm = "candidate", failed: float = 0.001, fade: Fade | None = None) -> Soak:
    """Two hours in which nothing grows but what is changed."""
    growths = {statistic: growth(statistic) for statistic in ALL} | {g.statistic: g for g in changed}
    flat = np.full(60, 0.2)
    return Soak(
        arm=arm, minutes=120.0,
        blocks=SoakBlocks(np.arange(60) * 2.0 + 1, flat, flat, flat, flat, np.full(60, 1200)),
        growths=tuple(growths.values()), not_judged=(), fade=fade,
        steps=(StepGrowth("kdc_as", 0.1, 0.1), StepGrowth("ldap_bind", 0.1, 0.2)), failed_share=failed,
    )  # fmt: skip


def verdict(found: Soak, state: RunState = ENDED) -> Verdict:
    """The judge's, on a sound generator."""
    return judge_soak(found, {found.arm: SOUND}, state, POLICY)
