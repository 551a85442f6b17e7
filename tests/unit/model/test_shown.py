"""Distributions: exact for few values, to a tenth of a percent for any number, and parts add up."""

from __future__ import annotations

import numpy as np
import pytest

from harness.model.shown import Distribution

QUANTILES = (0.0, 0.01, 0.5, 0.95, 0.99, 1.0)


def test_quantiles_of_any_number_of_values_are_right_to_a_tenth_of_a_percent() -> None:
    values = np.random.default_rng(1).lognormal(-5, 1, 200_000)
    found = Distribution.of(values)
    assert len(found) == 200_000 and len(found.values) < 20_000
    for q in QUANTILES:
        assert found.quantile(q) == pytest.approx(float(np.quantile(values, q)), rel=1e-3)


def test_parts_add_up_and_values_far_apart_are_kept_apart() -> None:
    rng = np.random.default_rng(2)
    parts = [np.concatenate([np.zeros(5), rng.exponential(10.0**size, 1000)]) for size in (-6, 0, 6)]
    whole = Distribution.joined([Distribution.of(part) for part in parts])
    everything = np.concatenate(parts)
    assert len(whole) == len(everything)
    for q in QUANTILES:
        assert whole.quantile(q) == pytest.approx(float(np.quantile(everything, q)), rel=2e-3)


def test_nothing_is_a_distribution_too() -> None:
    nothing = Distribution.of(np.zeros(0))
    assert len(nothing) == 0 and len(Distribution.joined([nothing, nothing])) == 0


def test_what_never_ended_is_slower_than_all_else() -> None:
    done = Distribution.of(np.linspace(1, 2, 90))
    found = Distribution.joined([done.with_more(np.inf, 10), done.with_more(np.inf, 10)])
    assert len(found) == 200 and len(found.finite) == 180
    assert found.quantile(1.0) == found.least(0.95) == np.inf
    assert found.least(0.5) == pytest.approx(found.quantile(0.5), rel=1e-2)
    assert found.least(0.9) == pytest.approx(2.0, rel=1e-3)
