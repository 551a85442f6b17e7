"""Periodic interference, as of a job that runs every minute on a host that the arms share: found, and taken out.

The order of the arms within a pair is random, so interference falls on either alike; in a few dozen pairs it does so
but roughly, and that is most of the noise beside it. What it does at which moment is seen in all blocks, whichever arm
they were on. So the rest of the run tells of each pair how much more of it the candidate's blocks met than the
baseline's. In mean that is 0, whatever the update does, since the order is random: a regression of the differences on
it (a covariate that knows nothing of the arms) leaves the change as it is and makes it better known. That covariates
cost a sequence of looks nothing is shown for a fixed one (Jennison & Turnbull, *Group-sequential analysis incorporating
covariate information*, J. Am. Stat. Assoc. 92, 1997). This one is estimated anew at each look: what that does to the
errors has been simulated (``tests/benchmarks/noisy.md``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.model.attempt import Floats, Ints
from harness.model.comparison import Design, Periodic
from harness.model.metric import Stage
from harness.model.target import ARMS
from harness.stats.samples import Measured

LEAST_CYCLES = 16
"""In the time under load. With 8 a slow drift looked like a period in simulated runs."""
LEAST_BLOCKS = 3
"""A shorter period falls on every other block, or on a part of each: it is found as a multiple of itself, if at all."""
LEAST_PAIRS = 12
"""Of a stage. Of fewer no coefficient is known well enough to be used."""
EXPLAINS, OF_FEW = 0.2, 10.0
"""The share of the blocks' variance that the other sections must foretell, and what n blocks need more, times n: the
best of many periods foretells some of few blocks by chance. In 40 simulated runs at each of five noisy sites without a
clock the most was 0.17 of 150 to 400 blocks and 0.37 of 40; beside a job 0.24 of 370 blocks at least."""
OUTLYING = 3.0
"""In standard deviations: no block counts for more, or a server's pause would look like a clock."""
ROUNDING = 1e-9
"""A covariate that varies by less of itself is the same in all pairs."""
SECTIONS = 8
"""Of a run. A block is foretold by the others alone: a drift that neighbouring blocks share is no clock's."""
PHASES = 20
"""Of a period: short enough for a job that takes a tenth of it, and with several blocks in each."""
HARMONICS = 3
"""A job of a few seconds is a pulse: its power is in these as much as in the period itself."""
FINER = 8
"""By how much the grid of frequencies is finer than the run's length alone would make it: over the whole run a period
between two of its points is off by a sixteenth of a cycle at most."""
NEAR = (0.5, 1.0, 0.5)
"""How much a phase is told of by those beside it."""
MOST_CELLS = 1 << 22
"""Of the grid; a run with gaps of weeks in it, as one that was continued may have, is not looked through."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks with a login, in no order: when each began (s), its pair's number, its arm, and how slow it was, in
    standard deviations of its stage."""

    began_s: Floats
    pair: Ints
    arm: Ints
    slow: Floats

    @classmethod
    def of(cls, measured: Measured, longest_s: float) -> _Blocks:
        """Those of a stage, without what one arm is slower by than the other, and without what changes more slowly than
        in ``longest_s``, the longest period that is looked for."""
        there = ~np.isnan(measured.levels)
        apart = measured.levels - _mean(measured.levels, (0, 2))
        sd = float(np.std(apart[there]))
        pair, arm, _ = np.nonzero(there)
        slow = np.clip(apart[there] / (sd or 1.0), -OUTLYING, OUTLYING)
        found = cls(measured.began_s[there], np.array(measured.pairs)[pair], arm, slow)
        return replace(found, slow=slow - found._around(longest_s / 2))

    @classmethod
    def joined(cls, parts: Sequence[_Blocks]) -> _Blocks:
        """Those of several stages."""
        columns = ("began_s", "pair", "arm", "slow")
        return cls(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))

    def _around(self, reach_s: float) -> Floats:
        """The mean of the blocks that began at most so long before or after each."""
        order = np.argsort(self.began_s, kind="stable")
        at_s = self.began_s[order]
        upto = np.concatenate([[0.0], np.cumsum(self.slow[order])])
        first, last = np.searchsorted(at_s, at_s - reach_s), np.searchsorted(at_s, at_s + reach_s, side="right")
        found = np.empty_like(self.slow)
        found[order] = (upto[last] - upto[first]) / (last - first)
        return found


def periodic(stages: Mapping[Stage, Measured], design: Design) -> tuple[Periodic, dict[Stage, Floats]] | None:
    """Interference that came by a clock, and for each pair of a stage how much more of it the candidate met.

    None where there was none, or not on both arms: what comes on one alone may be its own. Only where the arms took
    turns in random order is it asked; in a duet both meet the same.
    """
    usable = {
        stage: measured
        for stage, measured in stages.items()
        if len(measured.pairs) >= LEAST_PAIRS and measured.logins.any()
    }
    if not (design.random_order and design.interleaved) or design.duet or not usable:
        return None
    longest_s = design.pair_s * sum(len(measured.pairs) for measured in usable.values()) / LEAST_CYCLES
    each = [_Blocks.of(measured, longest_s) for measured in usable.values()]
    blocks = _Blocks.joined(each)
    period_s = _strongest(blocks, design.block_s, longest_s)
    if period_s is None:
        return None
    # A long block meets at other phases than a short one what both meet.
    foretold = [_foretold(part, period_s) for part in each]
    all_told, on_candidate = np.concatenate(foretold), blocks.arm == ARMS.index("candidate")
    explained, needed = _explained(blocks.slow, all_told), EXPLAINS + OF_FEW / len(blocks.slow)
    if explained < needed:
        return None
    if any(_explained(blocks.slow[mine], all_told[mine]) < needed / 2 for mine in (on_candidate, ~on_candidate)):
        return None
    met_more = {}
    for (stage, measured), told in zip(usable.items(), foretold, strict=True):
        met = np.full(measured.levels.shape, np.nan)
        met[~np.isnan(measured.levels)] = told
        baseline, candidate = _mean(met, 2)[:, :, 0].T
        met_more[stage] = np.nan_to_num(candidate - baseline)
    return Periodic(period_s, explained), met_more


def without(differences: Floats, met_more: Floats) -> Floats:
    """Differences without what goes with ``met_more``, whose mean is 0 but for chance; as they are where nothing does.

    They are spread out again by what the regression's coefficient costs: a degree of freedom, and that the mean of
    ``met_more`` is not quite 0.
    """
    count = len(differences)
    centred = met_more - met_more.mean()
    spread = float(centred @ centred)
    if count < LEAST_PAIRS or spread <= count * (ROUNDING * float(np.abs(met_more).max())) ** 2:
        return differences
    slope = float(centred @ differences) / spread
    if slope <= 0:
        return differences
    left = differences - slope * met_more
    wider = math.sqrt((count - 1) / (count - 2) * (1 + count * float(met_more.mean()) ** 2 / spread))
    found: Floats = left.mean() + wider * (left - left.mean())
    return found


def _mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """The mean along axes, which are kept, of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    counts = there.sum(axis=axis, keepdims=True)
    sums = np.where(there, values, 0.0).sum(axis=axis, keepdims=True)
    found: Floats = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return found


def _strongest(blocks: _Blocks, block_s: float, longest_s: float) -> float | None:
    """The period (s) of which the blocks have most, with its harmonics; None where none can be seen.

    By the periodogram of the blocks on a grid of a quarter of their length.
    """
    step_s = block_s / 4
    cells = FINER * (float(np.ptp(blocks.began_s)) / step_s + 1)
    if cells > MOST_CELLS:
        return None
    at = np.rint((blocks.began_s - blocks.began_s.min()) / step_s).astype(np.int64)
    count = FINER * (int(at.max()) + 1)
    power = np.abs(np.fft.rfft(np.bincount(at, blocks.slow), count)) ** 2
    first, last = math.ceil(count * step_s / longest_s), int(count * step_s / (LEAST_BLOCKS * block_s))
    if last <= first:
        return None
    frequencies = np.arange(first, last)
    strength = sum(power[harmonic * frequencies] for harmonic in range(1, HARMONICS + 1))
    return count * step_s / int(frequencies[np.argmax(strength)])


def _foretold(blocks: _Blocks, period_s: float) -> Floats:
    """How slow each block would be by its phase, as the other sections of the run tell it; 0 where none has been."""
    phase = (blocks.began_s / period_s % 1.0 * PHASES).astype(np.int64) % PHASES
    section = blocks.pair * SECTIONS // (int(blocks.pair.max(initial=0)) + 1)
    sums, counts = np.zeros((SECTIONS, PHASES)), np.zeros((SECTIONS, PHASES))
    np.add.at(sums, (section, phase), blocks.slow)
    np.add.at(counts, (section, phase), 1.0)
    told, known = (_beside(whole.sum(axis=0) - whole) for whole in (sums, counts))
    profile: Floats = np.divide(told, known, out=np.zeros(told.shape), where=known > 0)
    return profile[section, phase]


def _explained(slow: Floats, foretold: Floats) -> float:
    """The share of what blocks vary by that was foretold; below 0 where that is worse than nothing."""
    varies, left = float(slow @ slow), slow - foretold
    return 1.0 - float(left @ left) / varies if varies else 0.0


def _beside(whole: Floats) -> Floats:
    """Phases with those beside them, around the clock."""
    return np.asarray(sum(weight * np.roll(whole, by, axis=1) for by, weight in zip((-1, 0, 1), NEAR, strict=True)))
