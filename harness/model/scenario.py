"""What is done to both arms: who logs in, how, how often, in blocks of what length."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from harness.model.base import Configured, NonNegative, Rate, Seconds, Share
from harness.model.steps import EARLIER_TRIES, STEPS


class ConstantRate(Configured):
    """Arrivals at one rate, in logins a second."""

    curve: Literal["constant"]
    rate: Rate

    def at(self, t_s: float) -> float:
        """The rate at scenario time ``t_s``, in logins a second."""
        return self.rate

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

    def at(self, t_s: float) -> float:
        """The rate at scenario time ``t_s``, in logins a second."""
        return self.rate + (self.to - self.rate) * min(max(t_s / self.over_s, 0.0), 1.0)

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

    def at(self, t_s: float) -> float:
        """The rate at scenario time ``t_s``, in logins a second."""
        return self.rate * (self.factor if t_s % self.every_s < self.length_s else 1.0)

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return self.rate * max(self.factor, 1.0)


class LadderRate(Configured):
    """Arrivals whose rate climbs a ladder: each of ``rates`` for ``every_s`` seconds, then the last one."""

    curve: Literal["ladder"]
    rates: Annotated[tuple[Rate, ...], Field(min_length=1)]
    every_s: Seconds

    def at(self, t_s: float) -> float:
        """The rate at scenario time ``t_s``, in logins a second."""
        return self.rates[min(max(int(t_s / self.every_s + ROUNDING), 0), len(self.rates) - 1)]

    @property
    def peak(self) -> float:
        """The highest rate of the curve, in logins a second."""
        return max(self.rates)


ROUNDING = 1e-9
"""A block begins at a multiple of its length, which in floats may lie a little below it."""

Arrivals = Annotated[ConstantRate | RampRate | BurstRate | LadderRate, Field(discriminator="curve")]


class Population(Configured):
    """How many of the target's accounts log in, and what share of the logins is cold."""

    users: Annotated[int, Field(gt=0, le=1_000_000)]
    cold_share: Share = 1.0


class Blocks(Configured):
    """How a run is cut: blocks of ``length_s`` whose first ``trim_s`` is discarded, in ``pairs`` pairs at most."""

    design: Literal["interleaved", "duet"] = "interleaved"
    """``interleaved``: one arm at a time, in random order within a pair. ``duet``: both arms at once, for arms that
    share no machine; the noise that they share then cancels within a pair."""
    length_s: Seconds = 15.0
    trim_s: NonNegative = 4.0
    pairs: Annotated[int, Field(ge=2, le=10_000)] = 40

    @model_validator(mode="after")
    def _something_is_left(self) -> Blocks:
        if self.trim_s >= self.length_s:
            raise ValueError(f"expected trim_s below length_s ({self.length_s:g}), got {self.trim_s:g}")
        return self


class Headroom(Configured):
    """A stage above the expected peak: every so many pairs, one whose logins come ``factor`` times as fast.

    A loss of capacity hides at ordinary load, and shows here.
    """

    factor: Annotated[float, Field(gt=1, le=10)] = 1.5
    every: Annotated[int, Field(ge=2, le=100)] = 4


class Patience(Configured):
    """How long a clinician waits for a login before giving it up, and how often they come back.

    Only a try that isn't done in time is repeated. A denied one never is: accounts would be locked out.
    """

    gives_up_s: Seconds
    """After so long a try is abandoned: its connections are closed, whatever the servers still do for it."""
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a login is tried at most."""
    again_after_s: NonNegative = 1.0
    """The pause between a try that was given up and the next one."""

    @property
    def longest_s(self) -> float:
        """How long a login may take with all of its tries, in seconds."""
        return self.tries * self.gives_up_s + (self.tries - 1) * self.again_after_s


class Scenario(Configured):
    """One workload, the same for every arm."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str = ""
    steps: Annotated[tuple[str, ...], Field(min_length=1)]
    population: Population
    arrivals: Arrivals
    authentication: Literal["key", "password"] = "key"
    """``key``: the long-term key is derived once at start; ``password``: string-to-key is paid in every login."""
    timeout_s: Seconds = 10.0
    """The deadline of a whole login; a login that passes it is censored there."""
    step_timeout_s: Seconds = 10.0
    """The deadline of each step of its own."""
    seats: Annotated[int, Field(gt=0, le=5000)] = 400
    """How many logins an arm's worker may have under way at once."""
    blocks: Blocks = Blocks()
    headroom: Headroom | None = None
    """Null leaves the stage above the expected peak out; the verdict says so."""
    seed: Annotated[int, Field(ge=0)] = 2016
    stated_peak: Rate | None = None
    """The hospital's own peak in logins a second, to which ``authgate capacity`` extrapolates."""
    patience: Patience | None = None
    """Clients that give up and come back; null: each login is tried once, until ``timeout_s``."""

    @field_validator("steps")
    @classmethod
    def _steps_are_known_and_in_order(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        seen: set[str] = set()
        for name in steps:
            if name not in STEPS:
                raise ValueError(f"expected steps among {', '.join(STEPS)}, got {name!r}")
            if name in seen:
                raise ValueError(f"expected each step once, got {name!r} again")
            missing = [need for need in STEPS[name].needs if need not in seen]
            if missing:
                raise ValueError(f"expected {', '.join(missing)} before {name}")
            seen.add(name)
        return steps

    @model_validator(mode="after")
    def _warm_logins_can_be(self) -> Scenario:
        if self.population.cold_share < 1.0 and all(STEPS[name].cached for name in self.steps):
            raise ValueError("expected cold_share 1 where every step is one that a warm cache leaves out")
        return self

    @model_validator(mode="after")
    def _patience_ends_in_time(self) -> Scenario:
        if self.patience is not None and self.patience.longest_s > self.timeout_s:
            raise ValueError(
                f"patience: expected all tries and the pauses between them within timeout_s ({self.timeout_s:g}), "
                f"got {self.patience.longest_s:g} s"
            )
        return self

    @property
    def tries(self) -> int:
        """How often a login is sent at most."""
        return 1 if self.patience is None else self.patience.tries

    @property
    def try_s(self) -> float:
        """The deadline of one try of a login, in seconds."""
        return self.timeout_s if self.patience is None else self.patience.gives_up_s

    @property
    def timed_steps(self) -> tuple[str, ...]:
        """What a login's time is recorded under, in order: its steps, behind what it lost in earlier tries."""
        return self.steps if self.patience is None else (EARLIER_TRIES, *self.steps)

    @property
    def duration_s(self) -> float:
        """How long a whole run of both arms takes, in seconds."""
        at_a_time = 1 if self.blocks.design == "duet" else 2
        return at_a_time * self.blocks.pairs * self.blocks.length_s

    @property
    def peak_rate(self) -> float:
        """The highest rate that the run sends, in logins a second."""
        return self.arrivals.peak * (self.headroom.factor if self.headroom else 1.0)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical scenario; runs with different digests are never compared."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    @property
    def workload_digest(self) -> str:
        """SHA-256 of the scenario without its seed: two runs with different luck are of one workload."""
        return hashlib.sha256(self.model_dump_json(exclude={"seed"}).encode()).hexdigest()
