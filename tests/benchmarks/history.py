"""How often the history shows a change that is none, finds one that is, and blocks a drift that is allowed; simulated.

    python -m tests.benchmarks.history [--pages N] [--chains N]

writes history.json and history.md beside it. Seeded, so it repeats itself; some minutes on one core.

Change points: a page of 12 series (three login quantiles of two cohorts on two arms), judged with the product's own
rule (harness/studies/history.py): how many pages show any change where there is none, and how many series show the
step that is planted in their middle, at most one run away from it.

Drift: a row of ten updates, each measured by a run of up to 39 usable pairs whose differences are normal (sd 0.09 at
the login's p50, as JUDGEMENT measures it) and that ends at its first PASS or BLOCK, at the default policy's margins and
error. The planted sum is nothing, just what the pin allows (+15 %), or ten times +4 %.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.model.comparison import Design, QuantileShift
from harness.model.metric import Metric
from harness.model.policy import Drift, Policy
from harness.stats.changepoints import change_points
from harness.stats.drift import Link, sums
from harness.stats.shift import Bounding, boundings
from harness.studies.history import FALSE_ALARMS

HERE = Path(__file__).parent
SERIES = 12
LENGTHS = (12, 30, 100)
PAIR_SD, HORIZON, UPDATES = 0.09, 39, 10
LEVEL_S = 0.03
JUDGED = [Metric(c, "login", q) for c in ("cold", "warm") for q in ("p50", "p95", "p99")] + [
    Metric("all", "login", rate) for rate in ("failure_rate", "slow_rate")
]
QUANTILES_JUDGED = sum(metric.unit == "log_ratio" for metric in JUDGED)


@dataclass(frozen=True, slots=True)
class Counted:
    """A metric of which each pair makes one difference."""

    metric: Metric
    grouped: int = 1


Draw = Callable[[np.random.Generator, int], Any]


def autocorrelated(rho: float) -> Draw:
    """Runs whose levels hang together: a first-order autoregression of unit variance."""

    def draw(rng: np.random.Generator, count: int) -> Any:
        values = rng.normal(size=count)
        for i in range(1, count):
            values[i] = rho * values[i - 1] + math.sqrt(1 - rho * rho) * values[i]
        return values

    return draw


WORLDS: dict[str, Draw] = {
    "normal": lambda rng, count: rng.normal(size=count),
    "lognormal, sd of ln 1": lambda rng, count: rng.lognormal(size=count),
    "Student's t with 3 degrees of freedom": lambda rng, count: rng.standard_t(3, size=count),
    "autocorrelated, 0.3": autocorrelated(0.3),
    "autocorrelated, 0.6": autocorrelated(0.6),
}


def false_alarms(pages: int) -> dict[str, dict[int, float]]:
    """The share of pages that show a change, by world and by the number of runs."""
    found: dict[str, dict[int, float]] = {}
    for world, draw in WORLDS.items():
        found[world] = {}
        for count in LENGTHS:
            rng = np.random.default_rng([7, count])
            shown = 0
            for page in range(pages):
                shown += any(
                    change_points(list(draw(rng, count)), FALSE_ALARMS / SERIES, seed=page) for _ in range(SERIES)
                )
            found[world][count] = shown / pages
    return found


def detected(series: int) -> dict[str, dict[int, float]]:
    """The share of series in which a step in the middle is found, by its size in standard deviations."""
    found: dict[str, dict[int, float]] = {}
    for size in (1, 2, 3, 4):
        found[f"{size} sd"] = {}
        for count in LENGTHS:
            rng = np.random.default_rng([8, count])
            hits = 0
            for _ in range(series):
                values = rng.normal(size=count)
                values[count // 2 :] += size
                changes = change_points(list(values), FALSE_ALARMS / SERIES)
                hits += any(abs(change.index - count // 2) <= 1 for change in changes)
            found[f"{size} sd"][count] = hits / series
    return found


def measured(
    rng: np.random.Generator, shift: float, metric: Metric, bounding: Bounding, margin: float
) -> QuantileShift:
    """One run of an update whose true shift this is, ended at its first PASS or BLOCK."""
    differences = rng.normal(shift, PAIR_SD, HORIZON)
    for pairs in range(3, HORIZON + 1):
        seen = differences[:pairs]
        estimate, se = float(seen.mean()), float(seen.std(ddof=1)) / math.sqrt(pairs)
        low, high = estimate - bounding.down(pairs, se), estimate + bounding.up(pairs, se)
        if low > margin or high < margin or pairs == HORIZON:
            break
    return QuantileShift(metric, pairs, 1, LEVEL_S, LEVEL_S * math.exp(estimate), seen.copy(), estimate, se, low, high,
                         margin, margin)  # fmt: skip


def drifts(chains: int) -> dict[str, dict[str, float]]:
    """The share of rows of ten updates that block by their sum, and of runs that block by themselves."""
    policy, metric = Policy(), Metric("cold", "login", "p50")
    p50 = policy.margins.login.p50
    allowed = Drift(pinned="r0").login.p50
    assert p50 is not None and allowed is not None
    margin, together = math.log1p(p50.relative), math.log1p(allowed.relative)
    design = Design(15.0, 4.0, HORIZON + policy.discard_pairs, 10.0)
    bounding = boundings([Counted(metric) for metric in JUDGED], design, policy)[0]
    found = {}
    for name, total in (
        ("nothing", 0.0),
        ("+15 %, as the pin allows", together),
        ("ten times +4 %", 10 * math.log(1.04)),
    ):
        rng = np.random.default_rng(9)
        blocked = alone = 0
        for _ in range(chains):
            shifts = [measured(rng, total / UPDATES, metric, bounding, margin) for _ in range(UPDATES)]
            row = [Link(str(i), str(i + 1), "", {metric: shift}) for i, shift in enumerate(shifts)]
            blocked += sums(row, [metric], policy.alpha / QUANTILES_JUDGED)[0].low > together
            alone += sum(shift.low > margin for shift in shifts)
        found[name] = {"sum blocks": blocked / chains, "a run blocks by itself": alone / chains / UPDATES}
    return found


def table(head: str, cells: dict[str, dict[Any, float]]) -> list[str]:
    """Shares in percent, as Markdown."""
    columns = list(next(iter(cells.values())))
    lines = [f"| {head} | {' | '.join(map(str, columns))} |", f"|:--|{'--:|' * len(columns)}"]
    return lines + [f"| {name} | {' | '.join(f'{100 * v:.3g}' for v in row.values())} |" for name, row in cells.items()]


def main() -> None:
    """Simulate, and write both files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--drift-alone", action="store_true", help="Keep what history.json has of change points.")
    asked = parser.parse_args()
    kept = json.loads((HERE / "history.json").read_text()) if asked.drift_alone else None
    found = {
        "pages": kept["pages"] if kept else asked.pages,
        "series": kept["series"] if kept else asked.series,
        "chains": asked.chains,
        "false_alarms": kept["false_alarms"] if kept else false_alarms(asked.pages),
        "detected": kept["detected"] if kept else detected(asked.series),
        "drift": drifts(asked.chains),
        "policy": settings_of(Policy()),
    }
    (HERE / "history.json").write_text(f"{json.dumps(found, indent=2)}\n")
    lines = [
        "# How far the history can be trusted",
        "",
        "Simulated by `python -m tests.benchmarks.history`, whose truth is planted; the module says how. In percent.",
        "",
        f"Pages of 12 series that show a change where there is none ({found['pages']} pages a cell, 5 are allowed), by",
        "the number of runs:",
        "",
        *table("levels", found["false_alarms"]),
        "",
        "Levels that hang together from run to run are taken for changes: a change point says that the level moved,",
        "not that an update moved it.",
        "",
        f"Series in which a step in the middle is found, at most a run away ({found['series']} a cell):",
        "",
        *table("step", found["detected"]),
        "",
        f"Rows of ten updates that block by their sum ({asked.chains:,} a line; a sum of +15 % is allowed):",
        "",
        *table("sum of all updates", found["drift"]),
        "",
    ]
    (HERE / "history.md").write_text("\n".join(lines))


def settings_of(policy: Policy) -> dict[str, float]:
    """What of the policy the figures depend on."""
    return {"alpha": policy.alpha, **{k: float(v) for k, v in policy.looks.model_dump().items()}}


if __name__ == "__main__":
    main()
