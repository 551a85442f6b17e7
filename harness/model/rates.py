"""The curves that a rate of arrivals may follow over a scenario's own time."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.model.attempt import Floats
from harness.model.base import Configured, Rate, Seconds

ROUNDING = 1e-9
"""A block begins at a multiple of its length, which as a float may be slightly too small."""


class ConstantRate(Configured):
    """Arrivals at one rate, in logins a second."""

    curve: Literal["constant"]
    rate: Rate

    def at(self, t_s: Floats) -> Floats:
        """The rate at each scenario time ``t_s``, in logins a second."""
        return np.full(len(t_s), self.rate)

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return self.rate


class RampRate(Configured):
    """Arrivals whose rate rises or falls linearly from ``rate`` to ``to`` over ``over_s`` seconds, then stays."""

    curve: Literal["ramp"]
    rate: Rate
    to: Rate
    over_s: Seconds

    def at(self, t_s: Floats) -> Floats:
        """The rate at each scenario time ``t_s``, in logins a second."""
        return self.rate + (self.to - self.rate) * np.clip(t_s / self.over_s, 0.0, 1.0)

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return max(self.rate, self.to)


class BurstRate(Configured):
    """Arrivals at ``rate``, and at ``factor`` times it for ``length_s`` out of every ``every_s`` seconds."""

    curve: Literal["bursts"]
    rate: Rate
    factor: Annotated[float, Field(gt=0, le=100)]
    every_s: Seconds
    length_s: Seconds

    @model_validator(mode="after")
    def _burst_fits(self) -> BurstRate:
        if self.length_s >= self.every_s:
            raise ValueError(f"expected length_s below every_s ({self.every_s:g}), got {self.length_s:g}")
        return self

    def at(self, t_s: Floats) -> Floats:
        """The rate at each scenario time ``t_s``, in logins a second."""
        return np.where(t_s % self.every_s < self.length_s, self.rate * self.factor, self.rate)

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return self.rate * max(self.factor, 1.0)


class LadderRate(Configured):
    """Arrivals whose rate climbs a ladder: each of ``rates`` for ``every_s`` seconds, then the last one."""

    curve: Literal["ladder"]
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    every_s: Seconds

    def at(self, t_s: Floats) -> Floats:
        """The rate at each scenario time ``t_s``, in logins a second."""
        rung = np.trunc(t_s / self.every_s + ROUNDING).astype(np.int64)
        return np.array(self.rates)[np.clip(rung, 0, len(self.rates) - 1)]

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return max(self.rates)


Arrivals = Annotated[ConstantRate | RampRate | BurstRate | LadderRate, Field(discriminator="curve")]
