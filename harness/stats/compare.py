"""Two arms compared, metric by metric: the one entrance from attempts to what the gate judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.model.attempt import AttemptTable, Floats
from harness.model.comparison import Comparison, Design, NotJudged, QuantileShift
from harness.model.metric import LARGEST_LOG, QUANTILES, STAGES, Stage
from harness.model.policy import Policy
from harness.model.site import UNCALIBRATED, Site
from harness.model.steps import LOGIN
from harness.model.target import ARMS
from harness.stats.attribution import attribution
from harness.stats.bounds import critical_value
from harness.stats.leak import leak_test
from harness.stats.logins import of_stage, usable_pairs
from harness.stats.periodic import periodic
from harness.stats.samples import ALL_LOGINS_P95, FAILURE_RATE, Measured, Sample, joined, judgeable, measure
from harness.stats.serial import widening
from harness.stats.settled import Settled, least_in_block
from harness.stats.shift import RESOLUTION_S, boundings, shift_of

_BASELINE, _CANDIDATE = 0, 1
Stages = Mapping[Stage, Measured]


def compare(
    table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int], site: Site = UNCALIBRATED
) -> Comparison:
    """Compare the arms over ``pairs``, those whose every block ran to its end.

    Takes about a fifth of a second for a million logins. Metrics that the policy has no margin for are left out.
    """
    return compare_pieces([(table, pairs)], design, policy, site)


def compare_pieces(
    pieces: Iterable[tuple[AttemptTable, Sequence[int]]], design: Design, policy: Policy, site: Site = UNCALIBRATED
) -> Comparison:
    """Compare a run that is read in pieces, in order of time, so that it need not fit into memory.

    A piece is a table with the complete pairs in it; each but the last must hold a multiple of 60 pairs that count, or
    the groups that a rare quantile is judged on are cut. Its logins are let go before the next piece is asked for.
    """
    found: dict[Stage, list[Measured]] = {stage: [] for stage in STAGES}
    settled: dict[Stage, Settled | None] = dict.fromkeys(STAGES)
    seen = 0
    for table, pairs in pieces:
        counting = sorted(set(pairs))
        discarded = max(policy.discard_pairs - seen, 0)
        seen += len(counting)
        counting = counting[discarded:]
        for stage in STAGES:
            usable = of_stage(counting, design, stage)
            if usable:
                piece = measure(table, design, policy, usable, stage, settled[stage])
                settled[stage] = piece.settled
                found[stage].append(piece)
    if not found["expected"]:
        found["expected"].append(measure(table, design, policy, ()))
    return concluded({stage: joined(parts) for stage, parts in found.items() if parts}, seen, design, policy, site)


def looks(
    table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int], site: Site = UNCALIBRATED
) -> Iterator[Comparison]:
    """What a run that is judged while it goes on compares after each of its ``pairs``, from the first possible look on.

    ``pairs`` are the first ones of the run without a gap.
    """
    whole = stages_of(table, design, policy, pairs)
    for seen in range(policy.looks.block_from + policy.discard_pairs, len(pairs) + 1):
        yield concluded(seen_by(whole, seen), seen, design, policy, site)


def stages_of(table: AttemptTable, design: Design, policy: Policy, pairs: Sequence[int]) -> dict[Stage, Measured]:
    """What ``pairs`` measure in each of their stages; a stage without a pair is left out."""
    by_stage = {stage: usable_pairs(pairs, design, policy, stage) for stage in STAGES}
    return {stage: measure(table, design, policy, usable, stage) for stage, usable in by_stage.items() if usable}


def seen_by(stages: Stages, pairs: int) -> dict[Stage, Measured]:
    """What the first ``pairs`` pairs of a run have shown in each of its stages."""
    return {stage: whole.first(sum(pair < pairs for pair in whole.pairs)) for stage, whole in stages.items()}


def concluded(stages: Stages, seen: int, design: Design, policy: Policy, site: Site = UNCALIBRATED) -> Comparison:
    """The comparison that was measured in the stages of a run of which ``seen`` pairs ran to their end."""
    expected = stages["expected"]
    interference, met_more = periodic(stages, design) or (None, {})
    shifts, not_judged = _shifts_of(_with_interference(stages, met_more), design, policy, site)
    low_s, high_s = candidate_p95_s(expected.samples[ALL_LOGINS_P95], design, policy)
    # Of several blocks of a pair the last one begins last: the candidate's age is that at the pair's end.
    age_s = np.fmax.reduce(expected.began_s[:, _CANDIDATE], axis=1) + design.block_s
    return Comparison(
        design=design,
        pairs=len(expected.pairs),
        seen=seen,
        load_s=len(ARMS) * design.arm_s * seen,
        candidate_age_s=float(np.max(age_s, where=~np.isnan(age_s), initial=0.0)),
        shifts=shifts,
        leak=leak_test(_login_p50(expected), (age_s - design.block_s / 2) / 60),
        attribution=attribution(expected),
        not_judged=not_judged,
        outage_blocks=outages(expected, policy),
        candidate_p95_s=low_s,
        candidate_p95_high_s=high_s,
        site=site,
        periodic=interference,
    )


def _with_interference(stages: Stages, met_more: Mapping[Stage, Floats]) -> dict[Stage, Measured]:
    """The stages whose samples of times have how much more interference the candidate met in each group of pairs."""

    def of(sample: Sample, by_pair: Floats) -> Sample:
        groups = len(sample.values)
        return replace(sample, met_more=by_pair[: groups * sample.grouped].reshape(groups, sample.grouped).mean(axis=1))

    found = dict(stages)
    for stage, by_pair in met_more.items():
        samples = stages[stage].samples
        times = {metric: of(sample, by_pair) for metric, sample in samples.items() if metric.statistic in QUANTILES}
        found[stage] = replace(stages[stage], samples={**samples, **times})
    return found


def _shifts_of(
    stages: Stages, design: Design, policy: Policy, site: Site = UNCALIBRATED
) -> tuple[tuple[QuantileShift, ...], tuple[NotJudged, ...]]:
    """The shift of every metric that can be judged, and why the others can't."""
    judged, refused = zip(*(judgeable(measured, design, policy.margins) for measured in stages.values()), strict=True)
    samples = [sample for part in judged for sample in part]
    bounds = boundings(samples, design, policy, site)
    shifts = tuple(shift_of(s, b, policy.margins) for s, b in zip(samples, bounds, strict=True))
    return shifts, tuple(reason for part in refused for reason in part)


def outages(measured: Measured, policy: Policy) -> tuple[int, ...]:
    """The pairs in which the candidate's block failed as in an outage while the baseline's served."""
    failed = measured.samples[FAILURE_RATE].values
    down = failed[:, _CANDIDATE] > policy.budgets.outage_share
    served = failed[:, _BASELINE] <= policy.limits.baseline_failures
    return tuple(pair for pair, out in zip(measured.pairs, down & served, strict=True) if out)


def candidate_p95_s(sample: Sample, design: Design, policy: Policy) -> tuple[float, float]:
    """Lower and upper bound of the candidate's p95 over all cohorts' logins, in seconds; 0 and infinite if unknown.

    Repeated bounds on the mean of ln(block p95), so that a single bad block can't lift it, at the policy's alpha.
    """
    counts = sample.counts[:, _CANDIDATE]
    held = counts > 0
    n = int(np.count_nonzero(held))
    if n < 2 or np.median(counts) < least_in_block(0.95):
        return 0.0, math.inf
    logs = np.log(sample.values[held, _CANDIDATE])
    center = float(logs.mean())
    se = max(float(logs.std(ddof=1)), RESOLUTION_S / math.exp(center) / math.sqrt(12)) / math.sqrt(n)
    (bounding,) = boundings([sample], design, policy)
    horizon = max(bounding.horizon, n)
    down = critical_value(policy.alpha, n, bounding.block_from, horizon) * se
    up = critical_value(policy.alpha, n, bounding.pass_from, horizon) * se * widening(logs)
    return math.exp(center - down), math.exp(min(center + up, LARGEST_LOG)) if math.isfinite(up) else math.inf


def _login_p50(measured: Measured) -> list[Sample]:
    return [s for m, s in measured.samples.items() if m.step == LOGIN and m.statistic == "p50"]
