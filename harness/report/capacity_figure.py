"""Rungs, the fitted queue, and the change of capacity, in one figure."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.model.capacity import CapacityEvidence
from harness.model.steps import LOGIN
from harness.report import rows, words
from harness.report.language import ENGLISH, Language
from harness.report.style import ARM_STYLES, FAINT, INK, VERDICT_STYLES, drawing, latency_axis, spread

SIZE_IN = (9.6, 4.6)
CURVE_TO = 3.0
"""The fitted curve is drawn up to so many times the budget."""


def figure(evidence: CapacityEvidence, say: Language = ENGLISH) -> Figure:
    """Left: p95 of every rung against its rate. Right: each ladder's change of capacity, and their interval."""
    style = VERDICT_STYLES[evidence.verdict.kind]
    with drawing():
        drawn = Figure(figsize=SIZE_IN, layout="constrained")
        drawn.suptitle(evidence.verdict.kind.name, x=0.01, ha="left", color=style.colour, fontsize=14, weight="bold")
        small = [evidence.verdict.sentence, *([rows.LAB_NOTICE] if evidence.environment == "lab" else [])]
        drawn.supxlabel(
            words.printable("\n".join(map(say.sentence, small))), x=0.01, ha="left", fontsize=7.5, color=INK
        )
        left, right = drawn.subplots(1, 2, width_ratios=[2.2, 1])
        _draw_rungs(left, evidence, say)
        _draw_shift(right, evidence, say)
    return drawn


_STATES = {"sustained": "{arm} sustained", "failed": "{arm} failed", "unknown": "{arm} unknown"}


def _draw_rungs(axes: Axes, evidence: CapacityEvidence, say: Language) -> None:
    times = [evidence.budget.within_s]
    for arm, style in ARM_STYLES.items():
        rungs = [r for ladder in evidence.ladders for r in ladder.rungs.get(arm, ()) if math.isfinite(r.login.p95_s)]
        times += [rung.login.p95_s for rung in rungs]
        for state, filled in (("sustained", style.colour), ("failed", "white"), ("unknown", FAINT)):
            of_state = [rung for rung in rungs if rung.state == state]
            axes.plot(
                [rung.rate for rung in of_state], [rung.login.p95_s for rung in of_state], style.marker,
                color=style.colour, markerfacecolor=filled, markersize=4.5,
                label=say(_STATES[state], arm=say(arm)) if of_state else None,
            )  # fmt: skip
        for found in evidence.extrapolations.get(arm, ()):
            if found.subject == LOGIN and found.curve:
                points = [(rate, p95) for rate, _, p95 in found.curve if p95 < CURVE_TO * evidence.budget.within_s]
                axes.plot(*zip(*points, strict=True), style.line, color=style.colour, linewidth=1.2)
        over_all = evidence.comparison.arms[arm].over_all
        if math.isfinite(over_all.high) and over_all.low > 0:
            axes.axvspan(over_all.low, over_all.high, color=style.tint, alpha=0.6, linewidth=0)
    axes.axhline(evidence.budget.within_s, color=INK, linewidth=0.9, linestyle=":")
    if evidence.stated_peak is not None:
        axes.axvline(evidence.stated_peak, color=INK, linewidth=0.9, linestyle="-.", label=say("stated peak"))
    latency_axis(axes, "y", *spread(*times))
    axes.set_xlim(left=0)
    axes.set_xlabel(say("logins a second"))
    axes.set_title(say("p95 of response times on each rung"))
    axes.legend(fontsize=7.5, loc="upper left")


def _draw_shift(axes: Axes, evidence: CapacityEvidence, say: Language) -> None:
    shift = evidence.comparison.shift
    percent = [tuple(100 * math.expm1(end) for end in ends) for ends in shift.ladders if all(map(math.isfinite, ends))]
    for place, (low, high) in enumerate(percent):
        axes.plot([low, high], [place + 1, place + 1], "o-", color=FAINT, markersize=4)
    if math.isfinite(shift.low) and math.isfinite(shift.high):
        low, high = (100 * math.expm1(end) for end in (shift.low, shift.high))
        axes.plot([low, high], [0, 0], "-", color=INK, linewidth=3)
        if shift.estimate is not None:
            axes.plot([100 * math.expm1(shift.estimate)], [0], "D", color=INK, markersize=6)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.axvline(100 * math.expm1(shift.margin), color=VERDICT_STYLES[evidence.verdict.kind].colour, linestyle="--")
    axes.set_yticks([0, *range(1, len(percent) + 1)], [say("all"), *map(str, range(1, len(percent) + 1))])
    axes.set_ylim(-0.7, len(percent) + 0.7)
    axes.set_ylabel(say("ladder"))
    axes.set_xlabel(say("change of capacity, %"))
    axes.set_title(say("Against the margin (dashed)"))
