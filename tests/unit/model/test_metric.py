"""A metric's identity is its key; its label is for readers alone."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from harness.model.metric import Metric, Stage, Statistic
from harness.model.steps import CACHES, LOGIN, STEPS

EVERY = [Metric(*it) for it in product((*CACHES, "tap-and-go"), (LOGIN, *STEPS), get_args(Statistic), get_args(Stage))]


def test_every_metric_is_found_again_by_its_key_and_no_two_have_one() -> None:
    assert [Metric.of_key(metric.key) for metric in EVERY] == EVERY
    assert len({metric.key for metric in EVERY}) == len(EVERY)


def test_keys_stay_as_they_are_on_disk() -> None:
    assert Metric("cold", "login", "p95").key == "cold/login/p95/expected"
    assert Metric("all", "login", "failure_rate", "headroom").key == "all/login/failure_rate/headroom"


@pytest.mark.parametrize(
    "key",
    ["", "cold login p95", "cold/login/p95", "cold/login/p96/expected", "cold/login/p95/peak", "/login/p95/expected",
     "cold//p95/expected", "cold/login/p95/expected/"],
)  # fmt: skip
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="expected a metric's key, cohort/step/statistic/stage"):
        Metric.of_key(key)
