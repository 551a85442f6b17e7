"""How long a run has to be, from the noise that a calibration or an earlier run has measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RunError
from harness.model.calibration import Noise
from harness.model.policy import Policy
from harness.model.site import NO_SPREAD
from harness.record.calibration import read
from harness.record.folder import RunFolder
from harness.run.evidence import evidence_of
from harness.run.stored import read_run
from harness.stats.power import pairs_needed
from harness.stats.serial import USUAL_WIDENING
from harness.stats.shift import block_alphas, first_look
from harness.studies.calibrate import noise_of

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Need:
    """Pairs that one metric needs: to PASS an equal update, and to BLOCK the slowdown asked about, with 80 % each."""

    noise: Noise
    to_pass: float
    to_block: float


def read_noise(path: Path) -> tuple[Noise, ...]:
    """The noise in a calibration's file, or of a run in its folder; raises RunError."""
    if path.is_dir():
        folder = RunFolder.open(path)
        if faults := read_run(folder).faults:
            raise RunError(f"{path}: expected a run whose files are whole, got: {faults[0]}")
        comparison = evidence_of(folder).comparison
        if comparison is None or comparison.pairs < 2:
            raise RunError(f"{path}: expected a run of two pairs or more, got fewer")
        return noise_of([comparison])
    return read(path).noise


def needs(noise: Sequence[Noise], policy: Policy, slowdown: float) -> list[Need]:
    """What each metric needs; ``slowdown`` is relative for latencies (0.2 is +20 %), a difference of shares for rates.

    The metric that needs most comes first: a PASS waits for all, a BLOCK only for the first that can show it.
    """
    found = []
    above = any(item.metric.stage == "headroom" for item in noise)
    alphas = block_alphas([item.metric for item in noise], policy.alpha, above)
    for item, alpha in zip(noise, alphas, strict=True):
        effect = math.log1p(slowdown) if item.metric.unit == "log_ratio" else slowdown
        spread = item.deployments or NO_SPREAD
        block_from, pass_from = (
            first_look(pairs, item.pairs_each) for pairs in (policy.looks.block_from, policy.looks.pass_from)
        )
        found.append(
            Need(
                item,
                item.pairs_each
                * pairs_needed(USUAL_WIDENING * item.pair_sd, item.margin, policy.alpha, pass_from, POWER, spread),
                item.pairs_each * pairs_needed(item.pair_sd, effect - item.margin, alpha, block_from, POWER, spread),
            )
        )
    return sorted(found, key=lambda need: -need.to_pass)
