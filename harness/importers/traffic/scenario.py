"""The scenario that captured traffic asks for, as a YAML file in which each figure says where it comes from."""

from __future__ import annotations

import math

from harness.errors import ConfigError, one_line
from harness.importers.traffic.learn import Learned
from harness.model.scenario import Blocks
from harness.model.steps import STEPS

LOGINS_A_RUNG = 30
"""The rate of so many logins is known to within 18 % (one standard deviation of a Poisson count)."""
RUNG_AT_LEAST_S = 60.0
RUNGS_AT_MOST = 60
RUNG_AT_MOST_S = 86_400.0
PAIRS_AT_MOST = 10_000
"""As a scenario has them; who captured for days cuts the hours that matter."""
SPAN_AT_LEAST_S = 1.0
TOLD_AT_MOST = 20
"""Kinds of packets that are no login's, where there is none."""


def scenario_yaml(learned: Learned, name: str, source: str, apart_s: float) -> str:
    """The text of a scenario file; raises ConfigError where the traffic holds no login."""
    steps = learned.steps
    if not steps or learned.span_s < SPAN_AT_LEAST_S:
        left_out = _left_out(learned)
        told = "".join(f"\n{source}: left out: {why}: {count}" for why, count in left_out[:TOLD_AT_MOST])
        told += f"\n{source}: left out: {more} kinds more" if (more := len(left_out) - TOLD_AT_MOST) > 0 else ""
        raise ConfigError(f"{source}: expected AS exchanges or binds over a second or more, got none{told}")
    cold_only = all(STEPS[step].cached for step in steps)
    times = learned.cold if cold_only else sorted((*learned.cold, *learned.warm))
    share = 1.0 if cold_only else round(len(learned.cold) / learned.logins, 4)
    lines = [
        f"# Learned by authgate import traffic from {one_line(source)}: {len(times)} logins in {learned.span_s:.1f} s.",
        f'name: "{name}"',
        f"description: Arrivals and steps of captured traffic, {len(times)} logins in {learned.span_s:.0f} s.",
        "steps:",
        *(f"  - {step:<18}# {_seen(learned, step)}" for step in steps),
        "population:",
        f"  users: {learned.clients:<10} # client addresses that logged in; a summary has no names: set how many users",
        f"  cold_share: {share:<5g} # {len(learned.cold)} cold logins (an AS exchange each), {len(learned.warm)} warm "
        f"(a bind and no AS exchange, {apart_s:g} s from other packets)",
        *_arrivals(times, learned.span_s),
    ]
    left_out = _left_out(learned)
    if cold_only and learned.warm:
        left_out.append((f"warm logins: fewer than half of all {learned.logins} were seen to bind", len(learned.warm)))
    lines += ["# Left out:", *(f"#   {one_line(why)}: {count}" for why, count in left_out)] if left_out else []
    return "\n".join([*lines, ""])


def _left_out(learned: Learned) -> list[tuple[str, int]]:
    dropped = [
        (f"logins with {step}, which fewer than half took, or without what it needs before it", count)
        for step, count in learned.seen.items()
        if step not in learned.steps and count
    ]
    return [*sorted(learned.left_out.items(), key=lambda item: -item[1]), *dropped]


def _seen(learned: Learned, step: str) -> str:
    count = learned.seen.get(step, 0)
    if not count:
        return "not told apart in a summary; what a later step needs"
    of = "cold logins" if STEPS[step].cached else "logins"
    return f"seen in {count} of {len(learned.cold) if STEPS[step].cached else learned.logins} {of}"


def _arrivals(times: list[float] | tuple[float, ...], span_s: float) -> list[str]:
    """A ladder where there are logins enough to know more than one rate, and then as many pairs as it has time for."""
    width_s = max(RUNG_AT_LEAST_S, span_s * LOGINS_A_RUNG / len(times), span_s / RUNGS_AT_MOST)
    count = int(span_s / width_s)
    if count < 2 or span_s / count > RUNG_AT_MOST_S:
        rate = f"  rate: {_short(len(times) / span_s):<11} # logins a second: {len(times)} in {span_s:.1f} s"
        return ["arrivals:", "  curve: constant", rate]
    every_s = span_s / count
    logins = [0] * count
    for at_s in times:
        logins[min(int(at_s / every_s), count - 1)] += 1
    length_s = Blocks().length_s
    pairs = min(max(math.ceil(span_s / length_s), 2), PAIRS_AT_MOST)
    return [
        "arrivals:",
        "  curve: ladder",
        f"  every_s: {_short(every_s)}",
        f"  rates:          # logins a second, of a mean of {len(times) / count:.0f} logins each",
        # A rate of 0 is none; half a login is what an empty rung may well have had.
        *(f"    - {_short(max(n, 0.5) / every_s):<11} # {n} logins" for n in logins),
        "blocks:",
        f"  length_s: {length_s:g}",
        f"  pairs: {pairs:<10} # each pair has its own place in the captured time",
    ]


def _short(number: float) -> str:
    """Four significant digits, never as a power of ten, which YAML would read as text."""
    return f"{number:.{max(3 - math.floor(math.log10(number)), 0)}f}"
