"""The figure of a soak: every block over the hours, and the straight line that is judged."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from harness.model.evidence import Evidence
from harness.model.soak import Growth, Soak
from harness.report import words
from harness.report.style import ARM_STYLES, INK, WIDE, Canvas, drawing, latency_axis, spread

HOURS_FROM_MIN = 120
CAPTION = (
    "Each mark is one block: filled its median, hollow its p95. The lines are the trends that are judged; a cold start "
    "is not part of them, so blocks at the beginning may lie off the lines."
)


def growth(evidence: Evidence, canvas: Canvas = WIDE) -> Figure | None:
    """Median and p95 of every block with the lines through them, and below the shares of failed and slow logins.

    None where the run is no soak, or not one block of it was finished.
    """
    soak = evidence.soak
    if soak is None or not np.isfinite(soak.blocks.p50).any():
        return None
    rates = bool(np.nansum(soak.blocks.slow_rate))
    with drawing():
        figure = Figure(figsize=(canvas.width_in, 3.4 + 1.3 * rates), layout="constrained")
        grid = figure.subplots(1 + rates, 1, squeeze=False, sharex=True, height_ratios=[2.5, 1.2][: 1 + rates])
        draw_growth(grid[0][0], soak, canvas)
        if rates:
            grid[0][0].set_xlabel("")
            _draw_rates(grid[1][0], soak, canvas)
    return figure


def described(evidence: Evidence) -> str:
    """What the figure shows, in words."""
    growths = evidence.soak.growths if evidence.soak is not None else ()
    lines = "; ".join(f"{g.statistic} {_level(g, g.start)} → {_level(g, g.end)}" for g in growths)
    return f"Median and p95 of response times in each block over the soak, with the lines through them: {lines}."


def draw_growth(axes: Axes, soak: Soak, canvas: Canvas = WIDE) -> None:
    """Quantiles of every block, and the line of each that was judged."""
    style = ARM_STYLES[soak.arm]
    scale, label = _axis(soak, canvas)
    at = soak.blocks.minute / scale
    ends = np.linspace(0.0, soak.minutes, 100)
    for name, values, face in (("p50", soak.blocks.p50, style.colour), ("p95", soak.blocks.p95, "white")):
        axes.plot(at, values, style.marker, color=style.colour, markersize=3.6, markerfacecolor=face, label=name)
        line = next((g for g in soak.growths if g.statistic == name), None)
        if line is not None:
            rise = np.log(line.end / line.start)
            fitted = line.start * np.exp(rise * ends / soak.minutes)
            axes.plot(ends / scale, fitted, "-" if name == "p50" else "--", color=INK, linewidth=1.3)
    latency_axis(axes, "y", *spread(*soak.blocks.p50, *soak.blocks.p95), canvas)
    axes.set_title(canvas.say("{logins}: response time in each block", logins=canvas.say(soak.arm).capitalize()))
    axes.set_xlabel(label)
    axes.legend(loc="upper left", ncols=2)


def _draw_rates(axes: Axes, soak: Soak, canvas: Canvas) -> None:
    style = ARM_STYLES[soak.arm]
    scale, label = _axis(soak, canvas)
    at = soak.blocks.minute / scale
    axes.plot(at, soak.blocks.slow_rate, "-", color=style.colour, linewidth=1.0, label=canvas.say("slow or failed"))
    axes.plot(at, soak.blocks.failure_rate, ":", color=INK, linewidth=1.3, label=canvas.say("failed"))
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.locator_params(axis="y", nbins=3)
    axes.legend(loc="upper left", ncols=2)
    axes.set_title(canvas.say("Share of logins in each block"))
    axes.set_xlabel(label)


def _axis(soak: Soak, canvas: Canvas) -> tuple[float, str]:
    """Minutes in a unit of the time axis, and its label."""
    hours = soak.minutes >= HOURS_FROM_MIN
    if hours:
        return 60.0, canvas.say("hours from the start of the soak")
    return 1.0, canvas.say("minutes from the start of the soak")


def _level(growth: Growth, value: float) -> str:
    return words.share(value) if growth.unit == "share" else words.seconds(value)
