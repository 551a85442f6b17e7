"""How often a run that is continued blocks what is allowed, or passes what isn't; simulated.

    python -m tests.benchmarks.continuing [--runs N]

writes continuing.json and continuing.md beside it. Seeded, so it repeats itself; about a minute on one core.

The bounds are the product's own (harness/stats/shift.py, of the designs that harness/run/continued.py makes), the
pairs' differences normal with sd 0.09 and independent. Every metric of a cohort that a default policy judges is drawn,
by the weights that share the error among them. Three truths: all equal; one metric (the login's p50) just at its margin
and the others equal; every metric just at its margin, which is the worst that there can be. A run ends at its first
BLOCK or PASS; without either it is continued: from a budget of half of the plan to its end, or beyond a plan that was
spent, once and twice.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.comparison import Design
from harness.model.metric import Metric
from harness.model.policy import Policy
from harness.run.continued import FIRST_SHARE
from harness.stats.shift import Bounding, boundings

HERE = Path(__file__).parent
PAIR_SD, MARGIN, PLAN = 0.09, math.log(1.1), 40
JUDGED = (
    *(Metric("cold", "login", q) for q in ("p50", "p95", "p99")),
    Metric("all", "login", "failure_rate"),
    Metric("all", "login", "slow_rate"),
    *(Metric("cold", step, q) for step in ("kdc_as", "ldap_bind") for q in ("p50", "p95")),
)


@dataclass(frozen=True, slots=True)
class Counted:
    """A metric of which each pair makes one difference."""

    metric: Metric
    grouped: int = 1


def stages(how: str) -> list[tuple[Design, int]]:
    """The designs that judge one after the other, each with the pair at which it ends."""
    design = Design(15.0, 4.0, PLAN, 10.0)
    whole = (design, PLAN)
    if how == "one run":
        return [whole]
    if how == "half of the plan, then the rest":
        return [(design, PLAN // 2), whole]
    once = (replace(design, horizon_pairs=2 * PLAN, spent_pairs=PLAN, error_share=FIRST_SHARE), 2 * PLAN)
    twice = (replace(design, horizon_pairs=3 * PLAN, spent_pairs=2 * PLAN, error_share=FIRST_SHARE / 2), 3 * PLAN)
    return [whole, once] if how == "the plan, then once beyond it" else [whole, once, twice]


WAYS = ("one run", "half of the plan, then the rest", "the plan, then once beyond it", "the plan, then twice beyond it")


def outcome(differences: Any, sequence: Sequence[tuple[Design, list[Bounding], int]], policy: Policy) -> str:
    """How one run ends: differences are of (metric, pair), the first pair discarded."""
    discarded, start = policy.discard_pairs, policy.discard_pairs
    n = np.arange(1, differences.shape[1] + 1)
    mean = np.cumsum(differences, axis=1) / n
    square = np.cumsum(differences**2, axis=1) / n - mean**2
    se = np.sqrt(np.maximum(square, 0.0) / np.maximum(n - 1, 1))
    for design, bounds, end in sequence:
        for pair in range(max(start, 3), end - discarded + 1):
            at = pair - 1
            low = np.array([mean[m, at] - b.down(pair, se[m, at]) for m, b in enumerate(bounds)])
            if (low > MARGIN).any():
                return "BLOCK"
            old = pair * design.pair_s >= policy.looks.pass_after_s
            if old and all(mean[m, at] + b.up(pair, se[m, at]) < MARGIN for m, b in enumerate(bounds)):
                return "PASS"
        start = end - discarded + 1
    return "INCONCLUSIVE"


def rates(how: str, truth: Sequence[float], runs: int) -> dict[str, float]:
    """The shares of runs that block and that pass, at these true shifts."""
    policy = Policy()
    sequence = [
        (design, boundings([Counted(metric) for metric in JUDGED], design, policy), end) for design, end in stages(how)
    ]
    longest = sequence[-1][2] - policy.discard_pairs
    rng = np.random.default_rng(11)
    ends = [
        outcome(rng.normal(np.array(truth)[:, None], PAIR_SD, (len(JUDGED), longest)), sequence, policy)
        for _ in range(runs)
    ]
    return {kind: ends.count(kind) / runs for kind in ("BLOCK", "PASS")}


def main() -> None:
    """Simulate, and write both files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    truths = {
        "all equal": [0.0] * len(JUDGED),
        "p50 at its margin": [MARGIN, *[0.0] * (len(JUDGED) - 1)],
        "every metric at its margin": [MARGIN] * len(JUDGED),
    }
    found = {how: {name: rates(how, truth, runs) for name, truth in truths.items()} for how in WAYS}
    (HERE / "continuing.json").write_text(f"{json.dumps({'runs': runs, 'rates': found}, indent=2)}\n")
    (HERE / "continuing.md").write_text(markdown(runs, found))


def markdown(runs: int, found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The table for people, with what the designs allow and how well the simulation can tell."""
    truths = next(iter(found.values()))
    alpha = Policy().alpha
    allowed = {how: 100 * alpha * sum(design.error_share for design, _ in _judging(how)) for how in found}
    shares = [cell["BLOCK"] for row in found.values() for cell in row.values()]
    error = max(math.sqrt(share * (1 - share) / runs) for share in shares)
    lines = [
        "# What it costs to continue a run",
        "",
        "Simulated by `python -m tests.benchmarks.continuing`, which says how. BLOCK / PASS in percent of "
        f"{runs:,} runs a cell;",
        "the rest is INCONCLUSIVE at its end. The policy's error in one run is 2.5 % of a false BLOCK, and of a false "
        "PASS;",
        "the last column has what all verdicts of a run and its continuations together may block falsely. The standard",
        f"error of a share is {100 * error:.2f} points or less.",
        "",
        f"| | {' | '.join(truths)} | allowed |",
        f"|:--|{'--:|' * (len(truths) + 1)}",
    ]
    for how, row in found.items():
        cells = (f"{100 * cell['BLOCK']:.2g} / {100 * cell['PASS']:.3g}" for cell in row.values())
        lines.append(f"| {how} | {' | '.join(cells)} | {allowed[how]:.2f} |")
    return "\n".join([*lines, ""])


def _judging(how: str) -> list[tuple[Design, int]]:
    """The stages that spend error of their own; the rest of a plan spends what the plan left."""
    found = stages(how)
    return found[:1] + [stage for stage in found[1:] if stage[0].spent_pairs]


if __name__ == "__main__":
    main()
