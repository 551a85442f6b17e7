"""Every judged metric's change and bounds on one scale, where 1 is what the policy allows."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.model.cohort import EVERYONE
from harness.model.evidence import Evidence
from harness.model.steps import LOGIN
from harness.model.verdict import Decision, Finding
from harness.report import rows, words
from harness.report.style import FAINT, INK, RULE, WIDE, Canvas, drawing

LINEAR_TO = 2.0
"""In margins: the scale is linear up to here, and logarithmic beyond it where any bound reaches twice as far."""
ENDLESS = 1e7
"""In margins: with few pairs an upper bound may be astronomical, and would leave no room on the scale for the rest."""
COLUMNS = (("change", 0.24), ("bounds", 0.73), ("margin", 1.0))
"""Titles of the columns beside the scale, and where each ends as a share of their width."""

LETTERS_OF_NARROW = 40
"""Of a metric's name, where the figure is narrow."""
_MARKS: dict[Decision, tuple[str, str, bool]] = {
    "pass": ("o", "#00664b", True),
    "notice": ("o", "#00664b", False),
    "inconclusive": ("D", "#7a5200", False),
    "likely slower": ("D", "#7a5200", True),
    "block": ("X", "#a3161b", True),
    "not judged": (".", FAINT, True),
}
"""Marker, colour and whether it is filled."""


def forest(evidence: Evidence, canvas: Canvas = WIDE) -> Figure | None:
    """Change, bounds and margin of each finding that has them; None where none has.

    An infinite or missing bound is an arrow. The scale is each finding's own margin, so that a login's milliseconds
    and a rate's percentage points can be read off one line.
    """
    findings = plottable(evidence)
    if not findings:
        return None
    with drawing():
        figure = Figure(figsize=(canvas.width_in, 1.3 + 0.23 * len(findings)), layout="constrained")
        # The table of findings has the same figures: where there is no room for them here, they are there.
        panels = figure.subplots(1, 1 if canvas.narrow else 2, squeeze=False, sharey=True,
                                 width_ratios=None if canvas.narrow else [1.6, 1])[0]  # fmt: skip
        axes = panels[0]
        _scale(axes, findings, canvas)
        for row, finding in enumerate(findings):
            _draw(axes, row, finding)
            for cells in panels[1:]:
                _write(cells, row, finding, canvas)
            if row and _group(finding) != _group(findings[row - 1]):
                for panel in panels:
                    panel.axhline(row - 0.5, color=RULE, linewidth=0.8, zorder=0)
        axes.set_yticks(range(len(findings)), [_name(finding, canvas) for finding in findings],
                        fontsize=7.5 if canvas.narrow else None)  # fmt: skip
        axes.set_ylim(len(findings) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        for cells in panels[1:]:
            cells.set_axis_off()
            for title, x in COLUMNS:
                cells.text(x, 1.0, canvas.say(title), transform=cells.transAxes, ha="right", va="bottom", color=FAINT,
                           fontsize=8)  # fmt: skip
    return figure


def plottable(evidence: Evidence) -> list[Finding]:
    """The findings with an estimate and a margin: the login first, then rates, then steps in the login's order."""
    cohorts = (*evidence.shown.cohorts, EVERYONE)
    order = {step: place for place, step in enumerate((LOGIN, *evidence.step_order))}

    def place(finding: Finding) -> tuple[bool, bool, int, int, str]:
        is_login = finding.step == LOGIN
        rank = order.get(finding.step, len(order))
        return (
            not is_login,
            is_login and finding.unit != "relative",
            cohorts.index(finding.cohort),
            rank,
            finding.statistic or "",
        )

    found = [f for f in evidence.verdict.findings if f.margin and f.estimate is not None and math.isfinite(f.estimate)]
    return sorted(found, key=place)


def _name(finding: Finding, canvas: Canvas) -> str:
    name = words.printable(finding.label)
    return textwrap.shorten(name, LETTERS_OF_NARROW, placeholder="…") if canvas.narrow else name


def _group(finding: Finding) -> tuple[bool, str]:
    return finding.step == LOGIN, finding.cohort


def _in_margins(value: float | None, finding: Finding) -> float | None:
    """The value in margins; None where it is unbounded, or practically so."""
    if value is None or not math.isfinite(value) or not finding.margin:
        return None
    in_margins = value / finding.margin
    return in_margins if abs(in_margins) < ENDLESS else None


def _scale(axes: Axes, findings: Sequence[Finding], canvas: Canvas) -> None:
    values = [_in_margins(value, f) for f in findings for value in (f.estimate, f.low, f.high)]
    low = min(-1.0, *(value for value in values if value is not None))
    high = max(LINEAR_TO, *(value for value in values if value is not None))
    if max(high, -low) > 2 * LINEAR_TO:
        axes.set_xscale("symlog", linthresh=LINEAR_TO, linscale=1.2)
        low, high = (low * 1.6 if low < -LINEAR_TO else -LINEAR_TO), high * 1.8
        decades = [10.0**power for power in range(1, 8, 2 if canvas.narrow else 1)]
        ticks = [*(-tick for tick in decades), -1.0, 0.0, 1.0, *decades]
    else:
        low, high = low - 0.25, high + 0.25
        ticks = [float(tick) for tick in range(math.ceil(low), math.floor(high) + 1)]
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, canvas)))
    axes.axvspan(1.0, high, facecolor="#fbeee9", edgecolor="none", zorder=0)
    axes.axvline(1.0, color=INK, linewidth=1.3)
    axes.axvline(0.0, color=FAINT, linewidth=0.8, linestyle=":")
    label = "change in its own margins" if canvas.narrow else "change in units of its own margin"
    axes.set_xlabel(canvas.say(f"{label} (shaded: slower than allowed)"), fontsize=8 if canvas.narrow else None)


def _tick(value: float, canvas: Canvas) -> str:
    if value == 1:
        return canvas.say("margin")
    return "0" if value == 0 else canvas.say.figures(f"{value:,.0f}×".replace("-", "−"))


def _draw(axes: Axes, row: int, finding: Finding) -> None:
    marker, colour, filled = _MARKS[finding.decision]
    edges = axes.get_xlim()
    ends = []
    for value, edge, arrow in zip((finding.low, finding.high), edges, "<>", strict=True):
        end = _in_margins(value, finding)
        if end is None:
            axes.plot(edge, row, arrow, color=colour, markersize=6, clip_on=False)
        else:
            axes.plot(end, row, "|", color=colour, markersize=6)
        ends.append(edge if end is None else end)
    axes.plot(ends, [row, row], "-", color=colour, linewidth=1.4)
    face = colour if filled else "white"
    estimate = _in_margins(finding.estimate, finding)
    x = edges[1] if estimate is None else estimate
    axes.plot(x, row, marker, color=colour, markerfacecolor=face, markersize=6)


def _write(axes: Axes, row: int, finding: Finding, canvas: Canvas) -> None:
    said = rows.row(finding)
    for text, (_, x) in zip((said.change, said.bounds, said.margin), COLUMNS, strict=True):
        axes.text(x, row, canvas.say.figures(text), transform=axes.get_yaxis_transform(), ha="right", va="center",
                  fontsize=8)  # fmt: skip
