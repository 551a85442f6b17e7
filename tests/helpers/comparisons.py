"""Comparisons written out by hand: shifts that are equal, worse or open, and what else a verdict rests on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from harness.model.comparison import Comparison, LeakTest, QuantileShift
from harness.model.metric import Metric
from tests.helpers.synthetic import DESIGN

P50, P95 = Metric("cold", "login", "p50"), Metric("cold", "login", "p95")
NO_LEAK = LeakTest(slope=0.001, se=0.002, p_value=0.3, p_alike=0.3, minutes=19.0)
MARGIN = math.log(1.10)


def shift(low: float, estimate: float, high: float, metric: Metric = P50, **changes: Any) -> QuantileShift:
    fields = {
        "pairs": 20,
        "grouped": 1,
        "baseline": 0.1,
        "candidate": 0.1 * math.exp(estimate),
        "se": 0.01,
        "margin": MARGIN,
    }
    return QuantileShift(
        metric=metric,
        differences=np.full(20, estimate),
        estimate=estimate,
        low=low,
        high=high,
        **{**fields, "detectable": 0.15, **changes},
    )


EQUAL, WORSE = shift(-0.02, 0.0, 0.02), shift(0.2, 0.3, 0.4)
OPEN, LIKELY, NOTICE = shift(-0.1, 0.05, 0.2), shift(0.05, 0.12, 0.2), shift(0.01, 0.03, 0.05)


def comparison(*shifts: QuantileShift, **changes: Any) -> Comparison:
    usual = Comparison(
        design=DESIGN,
        pairs=20,
        seen=21,
        load_s=630.0,
        candidate_age_s=690.0,
        shifts=shifts or (EQUAL,),
        leak=NO_LEAK,
        attribution=(),
        not_judged=(),
        outage_blocks=(),
        candidate_p95_s=0.2,
        candidate_p95_high_s=0.3,
    )
    return replace(usual, **changes)
