"""What a run's logins amount to, piece by piece: a piece is some pairs in a row, and pieces add up to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import lcm

from harness.model.attempt import AttemptTable, Ints
from harness.model.comparison import Anatomy, Comparison, Design
from harness.model.failures import FailureAnatomy
from harness.model.metric import STAGES, Stage
from harness.model.policy import Policy
from harness.model.retries import RetryAnatomy
from harness.model.servers import ServerTimes
from harness.model.shown import Shown
from harness.model.site import UNCALIBRATED, Site
from harness.model.target import ARMS, Arm
from harness.run.generated import Generated, generated_of
from harness.stats import attribution, failures, retries, samples, servers, ways
from harness.stats import shown as showing
from harness.stats.compare import concluded
from harness.stats.logins import logins_of, of_stage, steps_timed
from harness.stats.samples import Measured
from harness.stats.settled import SETTLING_PAIRS, Settled

AT_ONCE = 2
"""Pieces that are worked on at the same time, a thread each."""
JOINED_AT_ONCE = 16
MANY_LOGINS = 1 << 18
NEAR_PAIRS = 10
"""Pairs that lie closer together are read together."""
Read = Callable[[range], AttemptTable]
"""The logins of some pairs."""
Settling = Mapping[Stage, Settled]


@dataclass(frozen=True, slots=True)
class Piece:
    """What the logins of some pairs in a row amount to, as far as they count."""

    measured: Mapping[Stage, Measured]
    arounds: attribution.Arounds
    failing: tuple[failures.Failing, ...]
    tries: tuple[retries.Tries, ...]
    answers: servers.Answers
    ways: ways.Ways
    generated: Mapping[Arm, Generated]
    shown: Shown

    @classmethod
    def joined(cls, pieces: Sequence[Piece]) -> Piece:
        """Pieces of a run, in order of time, as one."""
        if len(pieces) == 1:
            return pieces[0]
        measured = {stage: [p.measured[stage] for p in pieces if stage in p.measured] for stage in STAGES}
        failing = [part for piece in pieces for part in piece.failing]
        tries = [part for piece in pieces for part in piece.tries]
        return cls(
            {stage: samples.joined(found) for stage, found in measured.items() if found},
            attribution.joined([piece.arounds for piece in pieces]),
            (failures.joined(failing),) if failing else (),
            (retries.joined(tries),) if tries else (),
            servers.joined([piece.answers for piece in pieces]),
            ways.joined([piece.ways for piece in pieces]),
            {arm: Generated.joined([piece.generated[arm] for piece in pieces]) for arm in pieces[0].generated},
            showing.joined([piece.shown for piece in pieces]),
        )


@dataclass(frozen=True, slots=True)
class Gathered:
    """What all of a run's logins amount to; its first ``judged`` pairs count."""

    design: Design
    policy: Policy
    judged: int
    whole: Piece

    def comparison(self, site: Site = UNCALIBRATED) -> Comparison:
        """The arms compared."""
        return concluded(self.whole.measured, self.judged, self.design, self.policy, site)

    @property
    def anatomy(self) -> tuple[Anatomy, ...]:
        """Of which steps a slowdown is made."""
        return attribution.dissected(self.whole.arounds)

    @property
    def failures(self) -> FailureAnatomy | None:
        """Of which causes a difference in failed logins is made."""
        return failures.explained(self.whole.failing[0]) if self.whole.failing else None

    @property
    def retries(self) -> RetryAnatomy | None:
        """How often logins were tried again."""
        return retries.retried(self.whole.tries[0]) if self.whole.tries else None

    @property
    def servers(self) -> tuple[ServerTimes, ...]:
        """Which servers answered, of steps that had several."""
        return servers.answered(self.whole.answers)

    @property
    def ways(self) -> tuple[ways.Way, ...]:
        """Which ways on the wire more or fewer logins of the candidate went."""
        return ways.changed(self.whole.ways)

    @property
    def shown(self) -> Shown:
        """What reports show of the logins."""
        return self.whole.shown


def gather(read: Read, design: Design, policy: Policy, done: Ints, ends: Sequence[int], judged: int) -> Gathered:
    """Read a run in pieces; ``done`` is how many logins each pair has, and the first ``judged`` pairs count.

    Pieces end best before one of the pairs ``ends``. Each holds whole groups of pairs, as the first pairs of its stage
    determine them.
    """
    settled = dict(_settled(read, design, policy, judged))
    cuts = list(_cuts(settled, design, policy, done, ends, judged))

    def of(piece: range) -> Piece:
        counting = range(piece.start, max(min(piece.stop, judged), piece.start))
        return piece_of(read(piece), design, policy, counting, settled)

    found: list[Piece] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for piece in threads.map(of, cuts):
            found.append(piece)
            if len(found) == JOINED_AT_ONCE:
                found = [Piece.joined(found)]
    return Gathered(design, policy, judged, Piece.joined(found))


def gathered(table: AttemptTable, design: Design, policy: Policy, judged: int) -> Gathered:
    """The same of logins that are all in memory, as one piece."""
    return Gathered(design, policy, judged, piece_of(table, design, policy, range(judged), {}))


def _settled(read: Read, design: Design, policy: Policy, judged: int) -> Iterator[tuple[Stage, Settled]]:
    for stage in STAGES:
        usable = of_stage(range(policy.discard_pairs, judged), design, stage)[:SETTLING_PAIRS]
        if usable:
            first, last = usable[0], usable[-1]
            near = last - first < NEAR_PAIRS
            spans = [range(first, last + 1)] if near else [range(pair, pair + 1) for pair in usable]
            table = AttemptTable.joined([read(span) for span in spans])
            yield stage, Settled.by(logins_of(table, design, usable), policy, design.timeout_s)


def groups_of(settled: Settling) -> Mapping[Stage, int]:
    """Of each stage that has settled, of how many pairs a piece has to hold multiples, so that no group is cut."""
    return {
        stage: lcm(*(size for by_quantile in found.sizes.values() for size in by_quantile.values()))
        for stage, found in settled.items()
    }


def _cuts(
    settled: Settling, design: Design, policy: Policy, done: Ints, ends: Sequence[int], judged: int
) -> Iterator[range]:
    """The pieces: each ends at one of ``ends`` or has many logins, and no group of pairs is cut at its end."""
    groups = groups_of(settled)
    counted: dict[Stage, int] = dict.fromkeys(STAGES, 0)
    begin, logins, last = 0, 0, set(ends)
    for pair, count in enumerate(done.tolist()):
        logins += count
        if policy.discard_pairs <= pair < judged:
            counted[design.stage(pair)] += 1
        enough = pair + 1 in last or logins >= MANY_LOGINS
        if enough and all(counted[stage] % size == 0 for stage, size in groups.items()):
            yield range(begin, pair + 1)
            begin, logins = pair + 1, 0
    if begin < len(done):
        yield range(begin, len(done))


def piece_of(table: AttemptTable, design: Design, policy: Policy, judged: range, settled: Settling) -> Piece:
    """What the logins of a table amount to, of which those of the pairs ``judged`` count.

    What has not ``settled`` is settled by these pairs: they are then the first of the run.
    """
    measured: dict[Stage, Measured] = {}
    arounds: attribution.Arounds = {}
    failing: tuple[failures.Failing, ...] = ()
    tries: tuple[retries.Tries, ...] = ()
    answers: servers.Answers = {}
    taken: ways.Ways = {}
    usable = range(max(judged.start, policy.discard_pairs), judged.stop)
    for stage in STAGES:
        of_it = of_stage(usable, design, stage)
        if not of_it and (stage != "expected" or judged.start):
            continue
        logins = logins_of(table, design, of_it)
        timed = steps_timed(table, logins, design.timeout_s) if stage == "expected" else {}
        measured[stage] = found = samples.measured_of(table, logins, timed, design, policy, stage, settled.get(stage))
        if stage == "expected":
            arounds = attribution.around(table, logins, timed, found.settled.sizes)
            failing, tries = (failures.failing(table, logins),), (retries.tries_of(table, logins),)
            answers = servers.answers_of(table, logins, timed)
            taken = ways.ways_of(table, logins)
    generated = {arm: generated_of(table, arm, judged) for arm in ARMS}
    shown = showing.shown(table, design, policy.discard_pairs)
    return Piece(measured, arounds, failing, tries, answers, taken, generated, shown)
