"""The rows of the table (what the candidate is like) and its columns (how the run is laid out)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from harness.model.policy import Policy
from harness.model.scenario import Headroom
from tests.benchmarks.operating_characteristics.environments import (
    FAST,
    OWN,
    PERIODIC,
    ROUGH,
    SLOW_TO_WARM,
)
from tests.benchmarks.operating_characteristics.judged import login_shifts, measured
from tests.benchmarks.operating_characteristics.world import Candidate, Layout, simulate

INTERLEAVED_20 = Layout("interleaved-20", "interleaved, 20 min, with headroom", 20, headroom=Headroom())
INTERLEAVED_20_PLAIN = Layout("interleaved-20-plain", "interleaved, 20 min", 20)
INTERLEAVED_10 = Layout("interleaved-10", "interleaved, 10 min, quick", 10, quick=True)
DUET_10 = Layout("duet-10", "duet, 10 min, quick", 10, duet=True, quick=True, block_s=7.5, trim_s=2.5, per_pair=1)
DUET_20 = replace(
    DUET_10, name="duet-20", title="duet, 20 min, with headroom", minutes=20, quick=False, headroom=Headroom()
)
DEPLOYMENTS_20 = Layout("deployments-20", "two deployments 2 % apart, 20 min", 20, deployment_sd=0.02)
STORED_20 = Layout("stored-20", "baseline stored yesterday, 20 min", 20, stored=True)
APART = (
    DEPLOYMENTS_20,
    replace(
        DEPLOYMENTS_20, name="deployments-20-calibrated", title=f"{DEPLOYMENTS_20.title}, calibrated", calibrated=8
    ),
    STORED_20,
    replace(STORED_20, name="stored-20-calibrated", title=f"{STORED_20.title}, calibrated", calibrated=8),
)
"""What no number of pairs averages out, without and with a calibration of 8 A/A runs."""
PAIRED = (INTERLEAVED_20, INTERLEAVED_20_PLAIN, INTERLEAVED_10, DUET_10, DUET_20)
SURROUNDINGS = {
    "rough": ROUGH,
    "periodic": PERIODIC,
    "fast-drift": FAST,
    "slow-to-warm": SLOW_TO_WARM,
    "own-hosts": OWN,
}
NOISY = tuple(
    replace(INTERLEAVED_20, name=f"{name}-20", title=f"{where.title}, 20 min, with headroom", environment=where)
    for name, where in SURROUNDINGS.items()
)
"""The default run on hosts that are noisier than usual, and where each arm has a host of its own."""
OWN_CALIBRATED = replace(
    NOISY[-1], name="own-hosts-20-calibrated", title=f"{NOISY[-1].title}, calibrated", calibrated=8
)
OTHER_BLOCKS = tuple(
    replace(layout, name=f"{layout.name}-{name}", title=f"{layout.title}, {title}", block_s=block_s, trim_s=trim_s,
            per_pair=per_pair)
    for layout in (INTERLEAVED_20, *NOISY)
    for name, title, block_s, trim_s, per_pair in (
        ("long", "one block of 7.5 s of each arm in a pair", 7.5, 2.5, 1),
        ("short", "one block of 2 s of each arm in a pair", 2.0, 0.4, 1),
        ("eight", "eight blocks of 2 s of each arm in a pair", 2.0, 0.4, 8),
    )
)  # fmt: skip
"""The same, cut in other ways."""
LAYOUTS = {layout.name: layout for layout in (*PAIRED, *APART, *NOISY, OWN_CALIBRATED, *OTHER_BLOCKS)}

POLICY = Policy()
QUICK = Policy.model_validate({"quick": True, "looks": {"pass_after_s": 0}})
"""The default policy but for the candidate's least age at a PASS."""

CALIBRATION_RUNS = 12
CALIBRATION_SEED = 1989
"""Nominal figures come from worlds that no judged run sees."""


EQUAL = Candidate()


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate; ``quantile`` and ``rises_to`` ask for a service factor that brings a login quantile just there."""

    name: str
    title: str
    candidate: Candidate = EQUAL
    quantile: str = ""
    rises_to: float = 0.0


ROWS = {
    row.name: row
    for row in (
        Row("equal", "equal (A/A)"),
        Row("plus-2", "service +2 %", Candidate(factor=1.02)),
        Row("plus-5", "service +5 %", Candidate(factor=1.05)),
        Row("p50-plus-5", "p50 +5 %", quantile="p50", rises_to=0.05),
        Row("at-margin", "p50 exactly at its margin", quantile="p50", rises_to=0.10),
        Row("plus-10", "service +10 %", Candidate(factor=1.10)),
        Row("plus-15", "service +15 %", Candidate(factor=1.15)),
        Row("plus-20", "service +20 %", Candidate(factor=1.20)),
        Row("plus-50", "p50 +50 %", quantile="p50", rises_to=0.5),
        Row("doubled", "p50 doubled", quantile="p50", rises_to=1.0),
        Row("twice-margin", "p95 at twice its margin", quantile="p95", rises_to=0.30),
        Row("added-1", "1 % of logins +2 s", Candidate(added=0.01)),
        Row("added-0.2", "0.2 % of logins +2 s (at the rate margin)", Candidate(added=0.002)),
        Row("ntlm", "NTLM fall-back for 3 %", Candidate(ntlm=0.03)),
        Row("variance", "variance up, mean equal", Candidate(sigma=0.8)),
        Row("lost-server", "one server of a pool lost", Candidate(lost="ldap_bind")),
        Row("tgs", "one step slower (TGS ×1.6)", Candidate(factors={"kdc_tgs": 1.6})),
        Row("failures", "fast failures, 2 %", Candidate(failing=0.02)),
        Row("leak-1", "leak, 1 % a minute", Candidate(growth=0.01)),
        Row("leak-3", "leak, 3 % a minute", Candidate(growth=0.03)),
        Row("fade", "cold start +20 % that fades (τ 1 min)", Candidate(fade=0.2)),
        Row("fade-leak", "the same, and a leak of 2 % a minute", Candidate(fade=0.2, growth=0.02)),
        Row("bursts-fifth", "bursts of its own: 1 pair in 5 ×1.75", Candidate(bursts=0.2, burst=1.75)),
        Row("bursts-tenth", "1 pair in 10 ×1.35", Candidate(bursts=0.1, burst=1.35)),
        Row(
            "slow-bursts",
            "bursts of its own: 1 pair in 5, a fifth of its logins +2 s",
            Candidate(bursts=0.2, burst_added=0.2),
        ),
        Row("slow-bursts-tenth", "1 pair in 10, a fifth of its logins +2 s", Candidate(bursts=0.1, burst_added=0.2)),
        Row("faster", "10 % faster", Candidate(factor=0.90)),
    )
}
BLAMED = {
    "tgs": "kdc_tgs",
    "failures": "kdc_as",
    "ntlm": "ldap_bind",
    "added-1": "dns",
    "slow-bursts": "dns",
    "slow-bursts-tenth": "dns",
    "lost-server": "ldap_bind",
}
"""The step that a BLOCK of the row should name."""


def policy_of(layout: Layout) -> Policy:
    """The policy that judges a layout's runs."""
    return QUICK if layout.quick else POLICY


def quantile_shifts(candidate: Candidate, layout: Layout, runs: int) -> dict[str, float]:
    """The mean D of each login quantile over calibration runs."""
    found: dict[str, list[float]] = {}
    for run in range(runs):
        table = simulate(candidate, layout, (CALIBRATION_SEED, run))
        for quantile, d in login_shifts(measured(table, layout, POLICY)["expected"]).items():
            found.setdefault(quantile, []).append(float(d.mean()))
    return {quantile: float(np.mean(d)) for quantile, d in found.items()}


def candidate_of(row: Row, layout: Layout, runs: int = CALIBRATION_RUNS) -> Candidate:
    """The row's candidate under a layout; where a quantile's shift is asked for, the service factor is solved for.

    By regula falsi on the difference to the equal candidate in the same worlds, so that random draws cancel.
    """
    if not row.quantile:
        return row.candidate
    equal = quantile_shifts(EQUAL, layout, runs)[row.quantile]

    def short(factor: float) -> float:
        return quantile_shifts(Candidate(factor=factor), layout, runs)[row.quantile] - equal - math.log1p(row.rises_to)

    return Candidate(factor=_root(short, 1.0 + row.rises_to / 2, 1.0 + row.rises_to))


def nominal_p95_s(layout: Layout, runs: int = CALIBRATION_RUNS) -> float:
    """The baseline's p95 over whole runs, as a site would have measured it before: the median over calibration runs."""
    found = []
    for run in range(runs):
        table = simulate(EQUAL, layout, (CALIBRATION_SEED, run))
        counts = (table.arm == 0) & (table.offset_s >= layout.design.trim_s)
        found.append(float(np.quantile(table.response_s[counts], 0.95)))
    return float(np.median(found))


def _root(f: Callable[[float], float], low: float, high: float, steps: int = 3) -> float:
    at_low, at_high = f(low), f(high)
    middle = low
    for _ in range(steps):
        middle = low - at_low * (high - low) / (at_high - at_low)
        at_middle = f(middle)
        if at_middle > 0:
            high, at_high = middle, at_middle
        else:
            low, at_low = middle, at_middle
    return middle
