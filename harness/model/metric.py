"""What is compared between the arms: a metric's identity, and what it is called to readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from harness.model.steps import LOGIN

Statistic = Literal["p50", "p95", "p99", "failure_rate", "slow_rate"]
QUANTILES: dict[Statistic, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
Family = Literal["login", "rate", "step", "headroom"]
Stage = Literal["expected", "headroom"]
"""``expected``: the scenario's own arrivals; ``headroom``: the pairs above the expected peak."""
STAGES: tuple[Stage, ...] = ("expected", "headroom")
Unit = Literal["log_ratio", "share"]
"""``log_ratio``: ln(candidate / baseline) of a latency; ``share``: candidate − baseline of a probability."""
LARGEST_LOG = 700.0
"""e^700 is near the largest float: such a ratio is practically infinite."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is compared; rates are over all logins, latencies over those of one cohort.

    It has two names: files know it by its ``key``, which never changes, and readers by its ``label``, which may.
    """

    cohort: str
    """``all`` (EVERYONE) for what is judged over all of them."""
    step: str
    statistic: Statistic
    stage: Stage = "expected"

    @property
    def family(self) -> Family:
        """The family that shares one part of the error of a false BLOCK."""
        if self.statistic not in QUANTILES:
            return "rate"
        if self.stage == "headroom":
            return "headroom"
        return "login" if self.step == LOGIN else "step"

    @property
    def unit(self) -> Unit:
        """The unit of the metric's differences, bounds and margin."""
        return "log_ratio" if self.statistic in QUANTILES else "share"

    @property
    def key(self) -> str:
        """``cohort/step/statistic/stage``, as in ``cold/login/p95/expected``."""
        return "/".join((self.cohort, self.step, self.statistic, self.stage))

    @classmethod
    def of_key(cls, key: str) -> Metric:
        """The metric of a key; raises ValueError where it is none."""
        parts = key.split("/")
        if len(parts) == 4:
            cohort, step, name, at = parts
            statistic = next((known for known in get_args(Statistic) if known == name), None)
            stage = next((known for known in get_args(Stage) if known == at), None)
            if cohort and step and statistic is not None and stage is not None:
                return cls(cohort, step, statistic, stage)
        raise ValueError(f"expected a metric's key, cohort/step/statistic/stage, got {key!r}")

    @property
    def label(self) -> str:
        """What a reader sees: cold login p95, login failure rate above the peak."""
        above = " above the peak" if self.stage == "headroom" else ""
        if self.unit == "share":
            return f"login {self.statistic.replace('_', ' ')}{above}"
        return f"{self.cohort} {self.step} {self.statistic}{above}"
