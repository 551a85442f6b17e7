"""The workload of both arms: who logs in, how, how often, in blocks of what length."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from harness.model.base import Configured, Document, Name, NonNegative, Rate, Seconds, Share
from harness.model.cohort import Authentication, Cohort, CohortName, Round, Steps, check_cohorts, in_one_order
from harness.model.patience import Patience
from harness.model.rates import Arrivals
from harness.model.steps import CACHES, EARLIER_TRIES
from harness.model.target import AccountKind

ROUNDS_LOOKBACK = 10
"""In mean lengths of a round: of a round that began longer ago, 1 in 20,000 has a login still due, or fewer."""


class Population(Configured):
    """How many of the target's accounts log in, and which share of the logins is cold."""

    users: Annotated[int, Field(gt=0, le=1_000_000)]
    cold_share: Share = 1.0


BLOCKS_AT_MOST = 20_000
"""Of each arm in a run."""


class Blocks(Configured):
    """How a run is cut: blocks of ``length_s`` whose first ``trim_s`` is discarded, in ``pairs`` pairs at most.

    A pair is one observation. Where it has several blocks of each arm (``per_pair``), in random order, what slows both
    arms for a few seconds falls on both alike.
    """

    design: Literal["interleaved", "duet"] = "interleaved"
    """``interleaved``: one arm at a time, in random order within a pair. ``duet``: both arms at once, for arms that
    share no machine; the noise that they share then cancels within a pair."""
    length_s: Annotated[float, Field(ge=0.05, le=86_400)] = 15.0
    trim_s: NonNegative = 4.0
    pairs: Annotated[int, Field(ge=2, le=10_000)] = 40
    per_pair: Annotated[int, Field(ge=1, le=20)] = 1

    @property
    def arm_s(self) -> float:
        """How long each arm is loaded in a pair, in seconds."""
        return self.per_pair * self.length_s

    @model_validator(mode="after")
    def _something_is_left(self) -> Blocks:
        if self.trim_s >= self.length_s:
            raise ValueError(f"expected trim_s below length_s ({self.length_s:g}), got {self.trim_s:g}")
        if (blocks := self.pairs * self.per_pair) > BLOCKS_AT_MOST:
            raise ValueError(f"expected {BLOCKS_AT_MOST:,} blocks of each arm at most, got {blocks:,}")
        if self.design == "duet" and self.per_pair > 1:
            raise ValueError(f"expected per_pair 1 in a duet, whose arms don't alternate, got {self.per_pair}")
        return self


class Headroom(Configured):
    """A stage above the expected peak: every so many pairs, one with ``factor`` times the arrivals.

    A loss of capacity need not show at ordinary load; it shows here. Such a pair has one block of each arm, as long as
    all of an arm's blocks in another pair, since a queue needs time to grow; its second half is judged.
    """

    factor: Annotated[float, Field(gt=1, le=10)] = 1.5
    every: Annotated[int, Field(ge=2, le=100)] = 2


LOGINS_AT_MOST = 20_000_000
"""That a run may plan, at its highest rate all the time: some gigabytes of plan, and of attempts."""


class Scenario(Document):
    """One workload, the same for every arm: either ``steps`` that cold and warm logins take, or ``cohorts``."""

    name: Name
    description: str = ""
    steps: Steps = ()
    """The steps of every login; ``population.cold_share`` of the logins start with an empty ticket cache."""
    population: Population
    rounds: tuple[Round, ...] = ()
    """Where clinicians log in several times, with think times between; each login is of a cohort."""
    cohorts: Annotated[dict[CohortName, Cohort], Field(max_length=20)] = Field(default={}, validate_default=True)
    """Logins of different kinds, judged each by itself; instead of ``steps``."""
    arrivals: Arrivals
    authentication: Authentication = "key"
    """``key``: the long-term key is derived once at start; ``password``: string-to-key is paid in every login;
    ``smart-card``: by PKINIT (RFC 4556), with each clinician's certificate."""
    timeout_s: Seconds = 10.0
    """The deadline of a whole login; a login that exceeds it counts as one that took so long at least."""
    step_timeout_s: Seconds = 10.0
    """The deadline of each step of its own."""
    seats: Annotated[int, Field(gt=0, le=5000)] = 400
    """How many logins an arm's worker may have in progress at once; a login beyond that waits for a seat."""
    blocks: Blocks = Blocks()
    headroom: Headroom | None = None
    """Null: no stage above the expected peak, and the verdict says so."""
    seed: Annotated[int, Field(ge=0, lt=1 << 128)] = 2016
    stated_peak: Rate | None = None
    """The hospital's peak in logins a second, at which ``authgate capacity`` predicts response times."""
    patience: Patience | None = None
    """Clients that give up and come back; null: each login is tried once, until ``timeout_s``."""

    @field_validator("cohorts")
    @classmethod
    def _cohorts_or_steps(cls, cohorts: dict[str, Cohort], info: ValidationInfo) -> dict[str, Cohort]:
        if not {"steps", "population", "rounds"} <= info.data.keys():
            return cohorts  # what is wrong there is said there
        if bool(cohorts) == bool(info.data["steps"]):
            raise ValueError(f"expected either steps or cohorts, got {'both' if cohorts else 'neither'}")
        if cohorts and info.data["population"].cold_share != 1:
            raise ValueError("expected no population.cold_share together with cohorts, whose caches say it")
        check_cohorts(cohorts, info.data["rounds"])
        return cohorts

    @model_validator(mode="after")
    def _warm_logins_can_be(self) -> Scenario:
        if self.population.cold_share < 1.0 and not self.mix["warm"].taken:
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

    @model_validator(mode="after")
    def _the_plan_can_be_held(self) -> Scenario:
        """Each pair is drawn at the highest rate, and where there are rounds, from long before its block."""
        longest_s = max(((len(one.logins) - 1) * one.think_s for one in self.rounds), default=0.0)
        blocks = self.blocks
        drawn_s = (blocks.length_s + ROUNDS_LOOKBACK * longest_s) / self.round_logins
        logins = blocks.pairs * blocks.per_pair * self.peak_rate * max(2 * blocks.length_s, drawn_s)
        if logins > LOGINS_AT_MOST:
            raise ValueError(
                f"blocks: expected {LOGINS_AT_MOST:,} logins in a run at most, at its highest rate "
                f"({self.peak_rate:,.6g}/s) all the time, got {logins:,.6g}"
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
        return self.step_order if self.patience is None else (EARLIER_TRIES, *self.step_order)

    @property
    def mix(self) -> dict[str, Cohort]:
        """Every cohort with its share of the logins and its authentication: of ``steps`` these are cold and warm."""
        found = self.cohorts or {
            cache: Cohort(share=share, cache=cache, steps=self.steps)
            for cache, share in zip(CACHES, (self.population.cold_share, 1 - self.population.cold_share), strict=True)
        }
        shares = {
            name: sum(one.share * one.logins.count(name) for one in self.rounds) / self.round_logins
            for name in (found if self.rounds else ())
        }
        return {
            name: cohort.model_copy(
                update={
                    "share": shares.get(name, cohort.share),
                    "authentication": cohort.authentication or self.authentication,
                }
            )
            for name, cohort in found.items()
        }

    @property
    def round_logins(self) -> float:
        """The mean number of logins in a round; 1 where there are no rounds."""
        return sum(one.share * len(one.logins) for one in self.rounds) or 1.0

    @property
    def expected(self) -> tuple[str, ...]:
        """The cohorts that have any share of the logins."""
        return tuple(name for name, cohort in self.mix.items() if cohort.share)

    @property
    def warm(self) -> tuple[str, ...]:
        """The expected cohorts whose logins find tickets in their cache."""
        return tuple(name for name in self.expected if self.mix[name].cache == "warm")

    @property
    def account_kinds(self) -> frozenset[AccountKind]:
        """The kinds of accounts that log in."""
        return frozenset(cohort.accounts for cohort in self.mix.values())

    @property
    def step_order(self) -> tuple[str, ...]:
        """Every step of any cohort, in one order."""
        return in_one_order(cohort.steps for cohort in self.mix.values())

    @property
    def duration_s(self) -> float:
        """How long a whole run of both arms takes, in seconds."""
        at_a_time = 1 if self.blocks.design == "duet" else 2
        return at_a_time * self.blocks.pairs * self.blocks.arm_s

    @property
    def peak_rate(self) -> float:
        """The highest rate that the run sends, in logins a second."""
        return self.arrivals.peak * (self.headroom.factor if self.headroom else 1.0)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical scenario; runs with different digests are never compared."""
        return self._digest_without()

    @property
    def workload_digest(self) -> str:
        """SHA-256 of the scenario without its seed: two runs that differ in their random draws are of one workload."""
        return self._digest_without("seed")

    def _digest_without(self, *left_out: str) -> str:
        # Without what isn't used, a scenario has the digest that it had before there was such a thing.
        unused: dict[str, Any] = {} if self.cohorts else {"cohorts": True, "rounds": True}
        if self.blocks.per_pair == 1:
            unused["blocks"] = {"per_pair"}
        exclude = unused | dict.fromkeys(left_out, True)
        return hashlib.sha256(self.model_dump_json(exclude=exclude).encode()).hexdigest()
