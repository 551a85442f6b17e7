"""Something that slows both arms by the clock, as a job does that runs every minute, and how much of it each arm met.

The order of the arms within a pair is random, so such a thing falls on either alike; in a few dozen pairs it does so
but roughly, and that is most of the noise beside it. What it does at which moment is seen in all blocks, whichever arm
they were on. So the rest of the run tells of each pair how much more of it the candidate's blocks met than the
baseline's. In mean that is 0, whatever the update does, since the order is random: to take out of the differences what
goes with it (a regression on a covariate that knows nothing of the arms) leaves the change as it is and makes it better
known. At every look, too: Jennison & Turnbull, *Group-sequential analysis incorporating covariate information*, J. Am.
Stat. Assoc. 92, 1997.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.model.attempt import Floats, Ints
from harness.model.comparison import Design, Periodic
from harness.model.metric import Stage
from harness.stats.samples import Measured

LEAST_CYCLES = 16
"""What came less often is no clock's."""
LEAST_BLOCKS = 3
"""A period that is shorter falls on every other block, or on a part of each."""
LEAST_PAIRS = 12
EXPLAINS, OF_FEW = 0.2, 10.0
"""The share of the blocks' variance that the other sections must foretell, and what n blocks need more, times n: the
best of many periods foretells some of few blocks by chance. In 40 simulated runs at each of five noisy sites without a
clock the most was 0.17 of 150 to 400 blocks and 0.37 of 40; beside a job 0.28 of 370 blocks at least."""
OUTLYING = 3.0
"""In standard deviations: no block counts for more, or a server's pause would look like a clock."""
ROUNDING = 1e-9
"""A part that varies by less of itself is the same in all pairs."""
SECTIONS = 8
"""Of a run. A block is foretold by the others alone: a drift that neighbouring blocks share is no clock's."""
PHASES = 20
HARMONICS = 3
FINER = 8
"""By how much the grid of frequencies is finer than the run's length alone would make it."""
NEAR = (0.5, 1.0, 0.5)
"""How much a phase is told of by those beside it."""


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Blocks with a login, in no order: when each began (s), its pair's number, and how slow it was, in standard
    deviations of its stage and arm."""

    began_s: Floats
    pair: Ints
    slow: Floats

    @classmethod
    def of(cls, measured: Measured) -> _Blocks:
        """Those of a stage; where one arm is slower than the other, none of that is seen in them."""
        there = ~np.isnan(measured.levels)
        apart = measured.levels - _mean(measured.levels, (0, 2))
        sd = float(np.std(apart[there]))
        slow = np.clip(apart[there] / (sd or 1.0), -OUTLYING, OUTLYING)
        pair = np.broadcast_to(np.array(measured.pairs)[:, None, None], there.shape)
        return cls(measured.began_s[there], pair[there], slow)

    @classmethod
    def joined(cls, parts: Sequence[_Blocks]) -> _Blocks:
        """Those of several stages."""
        columns = ("began_s", "pair", "slow")
        return cls(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))

    def without_drift(self) -> _Blocks:
        """The same without what is slower than any period that is looked for: a moving mean over the longest one."""
        order = np.argsort(self.began_s, kind="stable")
        at_s = self.began_s[order]
        around_s = (at_s[-1] - at_s[0]) / LEAST_CYCLES / 2
        upto = np.concatenate([[0.0], np.cumsum(self.slow[order])])
        first, last = np.searchsorted(at_s, at_s - around_s), np.searchsorted(at_s, at_s + around_s, side="right")
        slow = np.empty_like(self.slow)
        slow[order] = self.slow[order] - (upto[last] - upto[first]) / (last - first)
        return replace(self, slow=slow)


def periodic(stages: Mapping[Stage, Measured], design: Design) -> tuple[Periodic, dict[Stage, Floats]] | None:
    """What came by the clock, and for each pair of a stage how much more of it the candidate met; None if nothing did.

    Only where blocks were in random order, one arm at a time: in a duet both arms meet the same.
    """
    usable = {
        stage: measured
        for stage, measured in stages.items()
        if len(measured.pairs) >= LEAST_PAIRS and measured.logins.any()
    }
    if not design.interleaved or design.duet or not usable:
        return None
    each = [_Blocks.of(measured).without_drift() for measured in usable.values()]
    blocks = _Blocks.joined(each)
    period_s = _strongest(blocks, design.block_s)
    if period_s is None:
        return None
    # A long block meets at other phases than a short one what both meet.
    foretold = [_foretold(part, period_s) for part in each]
    left = blocks.slow - np.concatenate(foretold)
    varies = float(blocks.slow @ blocks.slow)
    explained = 1.0 - float(left @ left) / varies if varies else 0.0
    if explained < EXPLAINS + OF_FEW / len(blocks.slow):
        return None
    parts = {}
    for (stage, measured), told in zip(usable.items(), foretold, strict=True):
        met = np.full(measured.levels.shape, np.nan)
        met[~np.isnan(measured.levels)] = told
        of_arms = _mean(met, 2)[:, :, 0]
        parts[stage] = np.nan_to_num(of_arms[:, 1] - of_arms[:, 0])
    return Periodic(period_s, explained), parts


def without(differences: Floats, part: Floats) -> Floats:
    """Differences without what goes with ``part``, whose mean is 0 but for chance; as they are where nothing does.

    They are spread out again by what the regression's coefficient costs: a degree of freedom, and that the mean of
    ``part`` is not quite 0.
    """
    count = len(differences)
    centred = part - part.mean()
    spread = float(centred @ centred)
    if count < LEAST_PAIRS or spread <= count * (ROUNDING * float(np.abs(part).max())) ** 2:
        return differences
    slope = float(centred @ differences) / spread
    if slope <= 0:
        return differences
    left = differences - slope * part
    wider = math.sqrt((count - 1) / (count - 2) * (1 + count * float(part.mean()) ** 2 / spread))
    found: Floats = left.mean() + wider * (left - left.mean())
    return found


def _mean(values: Floats, axis: int | tuple[int, ...]) -> Floats:
    """The mean along axes, which are kept, of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    counts = there.sum(axis=axis, keepdims=True)
    sums = np.where(there, values, 0.0).sum(axis=axis, keepdims=True)
    found: Floats = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return found


def _strongest(blocks: _Blocks, block_s: float) -> float | None:
    """The period (s) of which the blocks have most, with its harmonics; None where the run is too short for any.

    By the periodogram of the blocks on a grid of a quarter of their length.
    """
    step_s = block_s / 4
    at = np.rint((blocks.began_s - blocks.began_s.min(initial=math.inf)) / step_s).astype(np.int64)
    count = FINER * (int(at.max(initial=0)) + 1)
    power = np.abs(np.fft.rfft(np.bincount(at, blocks.slow, minlength=1), count)) ** 2
    first, last = FINER * LEAST_CYCLES, int(count * step_s / (LEAST_BLOCKS * block_s))
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


def _beside(whole: Floats) -> Floats:
    """Phases with those beside them, around the clock."""
    return np.asarray(sum(weight * np.roll(whole, by, axis=1) for by, weight in zip((-1, 0, 1), NEAR, strict=True)))
