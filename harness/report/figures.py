"""Figures of what the logins did: how long they took, when, and in which step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from harness.model.attempt import Floats
from harness.model.comparison import StepShare
from harness.model.evidence import Evidence
from harness.model.shown import Distribution
from harness.model.target import ARMS, Arm
from harness.report import series, words
from harness.report.language import ENGLISH, Language
from harness.report.style import ARM_STYLES, FAINT, INK, RULE, WIDE, Canvas, drawing, latency_axis, spread

BULK = 0.995
"""The axis of the cumulative share ends at this quantile of the slower arm; the tail has a panel of its own."""
DWARFED = 1 / 100
"""A bar shorter than this share of the axis can't be seen, and the figure says so."""


def distributions(evidence: Evidence, canvas: Canvas = WIDE) -> Figure | None:
    """Response times of both arms: the share that was as fast, and the tail of those that were slower.

    One row for each cohort; None where no login was measured.
    """
    cohorts = series.cohorts_seen(evidence)
    if not cohorts:
        return None
    with drawing():
        columns = 1 if canvas.narrow else 2
        panels = 2 * len(cohorts)
        figure = Figure(figsize=(canvas.width_in, 0.5 + 2.7 * panels / columns), layout="constrained")
        axes = [panel for row in _grid(figure, panels // columns, columns) for panel in row]
        for left, right, cohort in zip(axes[::2], axes[1::2], cohorts, strict=True):
            draw_ecdf(left, evidence, cohort, canvas)
            _draw_tail(right, evidence, cohort, canvas)
        legend(figure, axes[0])
    return figure


def over_time(evidence: Evidence, canvas: Canvas = WIDE) -> Figure | None:
    """Median and p95 of every block in run order, and below them the share of failed logins where any failed.

    Shaded is what the policy discards.
    """
    cohorts = series.cohorts_seen(evidence)
    if not cohorts:
        return None
    failures = {arm: series.block_failures(evidence, arm) for arm in ARMS}
    any_failed = any(share.any() for _, share in failures.values())
    heights = [2.5] * len(cohorts) + [1.0] * any_failed
    with drawing():
        figure = Figure(figsize=(canvas.width_in, 0.9 + sum(heights)), layout="constrained")
        rows = [row[0] for row in _grid(figure, len(heights), 1, heights, sharex=True)]
        for axes, cohort in zip(rows, cohorts, strict=False):
            _draw_blocks(axes, evidence, cohort, canvas)
        if any_failed:
            _draw_failures(rows[-1], failures, evidence.design.arm_s / 60, canvas.say)
        if until := series.discarded_until_min(evidence):
            for axes in rows:
                axes.axvspan(0, until, facecolor=RULE, edgecolor="none", zorder=0)
        rows[-1].set_xlabel(canvas.say("minutes from the start of the run"))
        legend(figure, rows[0], 2 if canvas.narrow else 4)
    return figure


def steps(evidence: Evidence, canvas: Canvas = WIDE) -> Figure | None:
    """Mean service time of each step, each bar beginning where the step before it ended."""
    parts = {cohort: series.step_means(evidence, cohort) for cohort in series.cohorts_seen(evidence)}
    parts = {cohort: means for cohort, means in parts.items() if means}
    if not parts:
        return None
    heights = [0.75 + 0.42 * len(means) for means in parts.values()]
    with drawing():
        figure = Figure(figsize=(canvas.width_in, 0.5 + sum(heights)), layout="constrained")
        rows = [row[0] for row in _grid(figure, len(parts), 1, heights)]
        for axes, (cohort, means) in zip(rows, parts.items(), strict=True):
            draw_waterfall(axes, cohort, means, evidence.design.timeout_s, canvas)
        legend(figure, rows[0])
    return figure


def dwarfed(parts: Sequence[StepShare]) -> bool:
    """Whether some step is so much longer than another that the other's bar is a hairline."""
    known = [time for part in parts for time in (part.baseline_s, part.candidate_s) if time > 0]
    return bool(known) and min(known) < DWARFED * max(known)


def draw_ecdf(axes: Axes, evidence: Evidence, cohort: str, canvas: Canvas = WIDE) -> None:
    """The share of a cohort's logins that took at most so long, for each arm, with marks at p50 and p95.

    A login that failed never got done: its arm's curve ends below 100 %.
    """
    values = {arm: series.done_seconds(evidence, arm, cohort) for arm in ARMS}
    low, high = _range(values, BULK)
    for arm, style in ARM_STYLES.items():
        if not len(values[arm]):
            continue
        time, share = series.thinned(values[arm])
        done = np.isfinite(time)
        axes.plot(
            np.concatenate([time[:1] if done.any() else [low], time[done], [max(high, *time[done], low) * 2]]),
            np.concatenate([[0.0], share[done], share[done][-1:] if done.any() else [0.0]]),
            style.line,
            color=style.colour,
            drawstyle="steps-post",
            linewidth=1.7,
            label=canvas.say(arm),
        )
        marks = [values[arm].least(q) for q in (0.5, 0.95)]
        axes.plot(marks, [0.5, 0.95], style.marker, color=style.colour, markersize=5, markeredgecolor="white")
    latency_axis(axes, "x", low, high, canvas)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.95])
    axes.grid(True, axis="y")
    axes.set_title(canvas.say("{logins}: share as fast or faster", logins=_title(cohort, canvas.say)))
    axes.set_xlabel(canvas.say("response time"))


def draw_waterfall(
    axes: Axes, cohort: str, parts: Sequence[StepShare], timeout_s: float, canvas: Canvas = WIDE
) -> None:
    """One row a step with a bar for each arm, labelled with its time; nothing where no step was measured."""
    if not parts:
        axes.set_axis_off()
        return
    ends = {arm: np.nancumsum([_mean(part, arm) for part in parts]) for arm in ARMS}
    longest = max(float(end[-1]) for end in ends.values()) or 1.0
    for place, (arm, style) in enumerate(ARM_STYLES.items()):
        if not ends[arm][-1] > 0:
            continue
        for row, part in enumerate(parts):
            took = _mean(part, arm)
            reached = took > 0
            end = float(ends[arm][row])
            y = row + (place - 0.5) * 0.38
            axes.barh(
                y,
                took if reached else 0.0,
                left=end - took if reached else end,
                height=0.34,
                facecolor=style.tint,
                edgecolor=style.colour,
                hatch=style.hatch,
                linewidth=1.0 if reached else 0.0,
                label=canvas.say(arm) if row == 0 else None,
            )
            text = canvas.seconds(took) if reached else canvas.say("not reached")
            if took >= timeout_s:
                text = canvas.say("given up after {time}", time=text)
            axes.text(end + 0.008 * longest, y, text, va="center", fontsize=7.5, color=style.colour)
    axes.set_yticks(range(len(parts)), [part.step for part in parts])
    axes.set_ylim(len(parts) - 0.45, -0.55)
    given_up = any(_mean(part, arm) >= timeout_s for part in parts for arm in ARMS)
    axes.set_xlim(0, longest * (1.12 + 0.15 * canvas.narrow + 0.25 * given_up))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: canvas.seconds(value)))
    axes.locator_params(axis="x", nbins=4 if canvas.narrow else 6)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.set_title(canvas.say("{logins}: mean time in each step", logins=_title(cohort, canvas.say)))


def legend(figure: Figure | SubFigure, axes: Axes, columns: int = 4) -> None:
    """What tells the arms apart, above the figure, from the labels of one of its axes."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=2.6)


def _draw_tail(axes: Axes, evidence: Evidence, cohort: str, canvas: Canvas) -> None:
    values = {arm: series.done_seconds(evidence, arm, cohort) for arm in ARMS}
    timeout_s = evidence.design.timeout_s
    failed = any(len(times.finite) < len(times) for times in values.values())
    low, high = _range(values, 1.0)
    high = max(high, timeout_s) if failed else high
    least = 1.0
    for arm, style in ARM_STYLES.items():
        if not len(values[arm]):
            continue
        time, share = series.thinned(values[arm])
        done = np.isfinite(time)
        # Logins slower than the slowest are none, which a logarithm can't show: the curve ends above the axis.
        slower = np.concatenate([[1.0], 1.0 - share[:-1]])[done]
        never = 1.0 - (share[done][-1] if done.any() else 0.0)
        rest = [high] if never > 0 else []
        axes.plot(np.concatenate([time[done] if done.any() else [low], rest]),
                  np.concatenate([slower if done.any() else [1.0], [never] * len(rest)]),
                  style.line, color=style.colour, drawstyle="steps-pre", linewidth=1.7)  # fmt: skip
        least = min(least, 1.0 / len(values[arm]))
    latency_axis(axes, "x", low, high, canvas)
    if high >= timeout_s:
        _mark_time_out(axes, "x", timeout_s, canvas.say)
    axes.set_yscale("log")
    axes.set_ylim(max(least, 1e-5) / 1.5, 1.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: canvas.say.figures(words.share(value))))
    axes.grid(True, axis="y")
    axes.set_title(canvas.say("{logins}: share slower, log scale", logins=_title(cohort, canvas.say)))
    axes.set_xlabel(canvas.say("response time"))


def _mark_time_out(axes: Axes, which: str, timeout_s: float, say: Language) -> None:
    if which == "x":
        axes.axvline(timeout_s, color=INK, linewidth=0.8, linestyle=":")
        at, coordinates, ha, va = (timeout_s, 1.0), ("data", "axes fraction"), "right", "top"
    else:
        axes.axhline(timeout_s, color=INK, linewidth=0.8, linestyle=":")
        at, coordinates, ha, va = (1.0, timeout_s), ("axes fraction", "data"), "right", "bottom"
    axes.annotate(f"{say('time-out')} ", at, xycoords=coordinates, ha=ha, va=va, fontsize=7.5, color=FAINT)


def _draw_blocks(axes: Axes, evidence: Evidence, cohort: str, canvas: Canvas) -> None:
    length = evidence.design.arm_s / 60
    drawn: list[float] = []
    for arm, style in ARM_STYLES.items():
        data = series.blocks(evidence, arm, cohort)
        if not len(data.p50):
            continue
        drawn += [*data.p50, *data.p95]
        end, middle = data.start_min + length, data.start_min + length / 2
        axes.hlines(data.p50, data.start_min, end, color=style.colour, linewidth=2.2)
        axes.plot(middle, data.p50, style.marker, color=style.colour, markersize=3.6, label=f"{canvas.say(arm)} p50")
        axes.hlines(data.p95, data.start_min, end, color=style.colour, linewidth=0.9)
        axes.plot(middle, data.p95, style.marker, color=style.colour, markersize=3.6, markerfacecolor="white",
                  label=f"{canvas.say(arm)} p95")  # fmt: skip
    low, high = spread(*drawn)
    latency_axis(axes, "y", low, high, canvas)
    if high >= evidence.design.timeout_s:
        _mark_time_out(axes, "y", evidence.design.timeout_s, canvas.say)
    axes.set_title(canvas.say("{logins}: response time in each block", logins=_title(cohort, canvas.say)))


def _draw_failures(axes: Axes, failures: dict[Arm, tuple[Floats, Floats]], length: float, say: Language) -> None:
    for arm, style in ARM_STYLES.items():
        start, failed = failures[arm]
        axes.bar(start, failed, width=length, align="edge", facecolor=style.tint, edgecolor=style.colour,
                 hatch=style.hatch, linewidth=0.8)  # fmt: skip
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.locator_params(axis="y", nbins=3)
    axes.set_title(say("Failed logins in each block"))


def _grid(
    figure: Figure, rows: int, columns: int, heights: Sequence[float] | None = None, *, sharex: bool = False
) -> list[list[Axes]]:
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, height_ratios=heights)
    return cast(list[list[Axes]], grid.tolist())


def _title(cohort: str, say: Language = ENGLISH) -> str:
    named = say.sentence(words.of_cohort(cohort))
    return named[0].upper() + named[1:]


def _range(values: dict[Arm, Distribution], upto: float) -> tuple[float, float]:
    """From the fastest login to the quantile ``upto`` of the slower arm, of those that got done."""
    done = [data.finite for data in values.values()]
    return spread(*(edge for data in done if len(data) for edge in map(data.quantile, (0.0, upto))))


def _mean(part: StepShare, arm: Arm) -> float:
    return part.baseline_s if arm == "baseline" else part.candidate_s
